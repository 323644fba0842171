"""What people give on the command line."""

import pathlib

import cfn


def value(word, option):
    """The word itself, or of @PATH that file's content: secrets on a command line could be read by everybody on this
    machine."""
    if not word.startswith("@"):
        return word
    try:
        text = pathlib.Path(word[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise cfn.Refused(f"{option} names a file that can't be read: {error}") from None
    except UnicodeDecodeError:
        raise cfn.Refused(f"{option} names a file that can't be read: {word[1:]} isn't UTF-8 text") from None
    # Editors and `echo` end a file with it, and no secret has it; \r\n is read as \n.
    return text.removesuffix("\n")
