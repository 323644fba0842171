"""Generates edge/job/src/model.json: the part of MediaConvert's service model that job.json uses.

Usage: job_model.py [PATH]. Prints the model; with a PATH, exits with 1 if that file has another content.

Each entry is a structure (its members with their types) or an enum (its values). A type is the name of an entry, or
`bool`, `int`, `float` or `text`, followed by a range if there is one (for a text, of its length). A leading `[` denotes
a list, a leading `{` a map. The patterns of texts are omitted.
"""

import json
import sys

import botocore.loaders

SHAPES = botocore.loaders.Loader().load_service_model("mediaconvert", "service-2")["shapes"]
PLAIN = {"boolean": "bool", "integer": "int", "long": "int", "double": "float", "float": "float", "string": "text"}


def type_of(name, model):
    """The type of a shape; adds the entries that it refers to to `model`."""
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "list":
        return "[" + type_of(shape["member"]["shape"], model)
    if kind == "map":
        return "{" + type_of(shape["value"]["shape"], model)
    if "enum" in shape:
        model[name] = shape["enum"]
        return name
    if kind == "structure":
        # The Rust code doesn't check required members, because there are none.
        assert not shape.get("required"), name
        if name not in model:
            members = model[name] = {}
            for member, reference in shape["members"].items():
                # job.json uses the names of the model, requests those of `locationName`.
                assert reference["locationName"] == member[0].lower() + member[1:], member
                members[member] = type_of(reference["shape"], model)
        return name
    plain = PLAIN[kind]
    if "min" in shape or "max" in shape:
        plain += f" {shape.get('min', '')}..{shape.get('max', '')}"
    return plain


def main():
    model = {}
    type_of("JobSettings", model)
    lines = (f"{json.dumps(name)}: {json.dumps(model[name], separators=(',', ':'))}" for name in sorted(model))
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if len(sys.argv) < 2:
        sys.stdout.write(text)
        return
    with open(sys.argv[1], encoding="utf-8") as file:
        if file.read() != text:
            sys.exit(f"{sys.argv[1]} differs from the service model; generate it by job_model.py")


if __name__ == "__main__":
    main()
