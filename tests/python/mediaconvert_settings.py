"""Compares the tables of settings in docs/mediaconvert.md with MediaConvert's service model.

Usage: mediaconvert_settings.py DOCUMENT [--update]. Every setting of the document must exist in the model, and every
setting of the model must be in the tables or in the list of refused ones, which is written with `--update`. Prints
`passed` as its last line if all is well.
"""

import re
import sys
import textwrap

import botocore.loaders

SHAPES = botocore.loaders.Loader().load_service_model("mediaconvert", "service-2")["shapes"]
START, END = "<!-- refused -->\n", "<!-- end of refused -->"


def members(shape_name, path, above=()):
    """Yields the paths of all members below a structure, with whether they have members themselves."""
    if shape_name in above:
        return
    shape = SHAPES[shape_name]
    if shape["type"] == "list":
        yield from members(shape["member"]["shape"], path + "[]", above)
    elif shape["type"] == "map":
        yield from members(shape["value"]["shape"], path + ".*", above)
    elif shape["type"] == "structure":
        for member, reference in shape["members"].items():
            below = f"{path}.{reference.get('locationName', member)}".lstrip(".")
            yield below, reference["shape"]
            yield from members(reference["shape"], below, (*above, shape_name))


def without_marks(path):
    return path.replace("[]", "").replace(".*", "")


def main():
    path, update = sys.argv[1], "--update" in sys.argv
    with open(path, encoding="utf-8") as file:
        document = file.read()
    tables = document.split("<!-- settings -->\n")[1].split("<!-- end of settings -->")[0]
    read, no_effect = (re.findall(r"^\| `([^`]+)`", part, re.MULTILINE) for part in tables.split("\nAccepted without"))
    known = dict(members("JobSettings", ""))
    plain = {without_marks(name) for name in known}
    errors = [f"{name} isn't in the model" for name in read if name.removesuffix("[]") not in known]
    endings = lambda name: name and any(p == name or p.endswith("." + name) for p in plain)
    errors += [f"{name} isn't in the model" for name in no_effect if not endings(name)]

    refused = []
    for name in known:
        if any(name == r or name.startswith((r + ".", r + "[")) for r in refused):
            continue
        is_read = any(r == name or r.startswith((name + ".", name + "[")) for r in read)
        bare = without_marks(name)
        parents = [".".join(bare.split(".")[:count]) for count in range(1, bare.count(".") + 2)]
        is_silent = any(p == n or p.endswith("." + n) for p in parents for n in no_effect)
        has_silent = any(n.startswith(bare.rpartition(".")[2] + ".") for n in no_effect)
        # Presets are replaced by their settings before these are read.
        is_preset = name == "outputGroups[].outputs[].preset"
        if not (is_read or is_silent or has_silent or is_preset):
            refused.append(name)
    by_parent = {}
    for name in refused:
        parent, _, member = name.rpartition(".")
        by_parent.setdefault(parent, []).append(member)
    lines = []
    for parent, names in by_parent.items():
        item = f"- `{parent or 'settings'}`: " + ", ".join(names)
        lines.append(textwrap.fill(item, 120, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False))
    text = "\n".join(lines) + "\n"
    before, rest = document.split(START)
    found, after = rest.split(END)
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + START + text + END + after)
    elif found != text:
        errors.append("the list of refused settings is old: run with --update")
    print("\n".join(errors) or "passed")


main()
