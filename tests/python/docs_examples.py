"""Runs the Python examples of a document, one after the other as one program.

Usage: docs_examples.py DOCUMENT [URL REPLACEMENT]... Each URL of the document is replaced by where the service is. Prints
`passed` at the end.
"""

import re
import sys

document, *replacements = sys.argv[1:]
with open(document, encoding="utf-8") as file:
    text = file.read()
examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
assert examples, f"{document} has no example"
program = "\n".join(examples)
for url, replacement in zip(replacements[::2], replacements[1::2], strict=True):
    assert url in program, f"no example uses {url}"
    program = program.replace(url, replacement)
exec(compile(program, document, "exec"), {"__name__": "example"})
print("passed")
