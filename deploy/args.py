"""Values of command line options."""

import pathlib

import cfn


def read_value(argument, option):
    """The argument itself, or for @PATH the content of that file: a secret on a command line would be visible to all
    users of the machine."""
    if not argument.startswith("@"):
        return argument
    try:
        text = pathlib.Path(argument[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise cfn.TemplateError(f"{option} names a file that can't be read: {error}") from None
    except UnicodeDecodeError:
        raise cfn.TemplateError(f"{option} names a file that can't be read: {argument[1:]} isn't UTF-8 text") from None
    # Editors and `echo` end a file with a newline, which is no part of the value; `read_text` turns \r\n into \n.
    return text.removesuffix("\n")
