"""Writes what edge/job/src/model.json holds: MediaConvert's service model, as far as job.json is concerned.

Usage: job_model.py [PATH]. Prints the model; with a PATH says whether that file is it, and exits 1 if it isn't.

A name stands for a structure (its members with their types) or an enum (its values). A type is such a name, or
`bool`, `int`, `float` or `text`, with a range (of its length, for a text) where there is one; `[` before it makes a
list of it, `{` a map. The patterns of texts are left out.
"""

import json
import sys

import botocore.loaders

SHAPES = botocore.loaders.Loader().load_service_model("mediaconvert", "service-2")["shapes"]
PLAIN = {"boolean": "bool", "integer": "int", "long": "int", "double": "float", "float": "float", "string": "text"}


def type_of(name, model):
    """How a shape is written where it is used; what it needs goes into `model`."""
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
        # The Rust side doesn't look for missing members, as there are none that must be there.
        assert not shape.get("required"), name
        if name not in model:
            members = model[name] = {}
            for member, of in shape["members"].items():
                # job.json has the names of the model, the wire those of `locationName`.
                assert of["locationName"] == member[0].lower() + member[1:], member
                members[member] = type_of(of["shape"], model)
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
            sys.exit(f"{sys.argv[1]} isn't what the service model says; write it anew with job_model.py")


if __name__ == "__main__":
    main()
