"""Validates job.json against botocore's model of MediaConvert and the documented outputs.

Usage: job_json.py PATH. Prints one line for each error and exits with 1; without errors it exits with 0.
"""

import json
import re
import sys

import botocore.loaders

MODEL = botocore.loaders.Loader().load_service_model("mediaconvert", "service-2")
SHAPES = MODEL["shapes"]


def model_errors(value, shape_name, where):
    """All violations of the service model: names, types, enums, ranges, patterns, required members."""
    shape = SHAPES[shape_name]
    kind = shape["type"]
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{where}: {value!r} isn't an object"
            return
        for name in shape.get("required", []):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, member in value.items():
            if name not in shape["members"]:
                yield f"{where}: {name} is unknown"
            else:
                yield from model_errors(member, shape["members"][name]["shape"], f"{where}/{name}")
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{where}: {value!r} isn't a list"
            return
        for index, member in enumerate(value):
            yield from model_errors(member, shape["member"]["shape"], f"{where}/{index}")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{where}: {value!r} isn't a map"
            return
        for key, member in value.items():
            yield from model_errors(member, shape["value"]["shape"], f"{where}/{key}")
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{where}: {value!r} isn't a string"
        elif value not in shape.get("enum", [value]):
            yield f"{where}: {value!r} isn't one of {shape['enum']}"
        elif not shape.get("min", 0) <= len(value) <= shape.get("max", len(value)):
            yield f"{where}: {value!r} is too short or too long"
        elif "pattern" in shape and not re.search(shape["pattern"], value):
            yield f"{where}: {value!r} doesn't match {shape['pattern']}"
    elif kind in ("integer", "long", "double", "float"):
        numbers = (int,) if kind in ("integer", "long") else (int, float)
        if not isinstance(value, numbers) or isinstance(value, bool):
            yield f"{where}: {value!r} isn't a {kind}"
        elif not shape.get("min", value) <= value <= shape.get("max", value):
            yield f"{where}: {value!r} is out of range"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{where}: {value!r} isn't a boolean"
    else:
        yield f"{where}: the type {kind} isn't supported by this test"


def group_settings(group):
    settings = group["OutputGroupSettings"]
    return settings.get("HlsGroupSettings") or settings.get("FileGroupSettings")


def with_destinations(settings, file_input="s3://uploads/inputs/ID.mp4", bucket="media", name="ID"):
    """job.json with input and destinations for a video of that name, as the edge sets them."""
    settings = json.loads(json.dumps(settings))
    settings["Inputs"][0]["FileInput"] = file_input
    for group in settings["OutputGroups"]:
        group_settings(group)["Destination"] = f"s3://{bucket}/" + group_settings(group)["Destination"] + name
    return settings


def outputs(settings):
    """Each output's documented URL, with its settings."""
    extensions = {"M3U8": ".m3u8", "MP4": ".mp4", "RAW": ".0000000.jpg"}
    for group in settings["OutputGroups"]:
        for output in group["Outputs"]:
            extension = extensions[output["ContainerSettings"]["Container"]]
            yield group_settings(group)["Destination"] + output.get("NameModifier", "") + extension, output


def contract_errors(text, settings):
    """Violations of what is documented beyond the model."""
    if re.search(r"arn:|s3://|\b\d{12}\b", text):
        yield "it contains an account, a bucket or a role"
    by_name = dict(outputs(with_destinations(settings)))
    expected = {f"s3://media/assets/HLS/ID_{height}.m3u8" for height in (360, 540, 720, 1080)}
    expected |= {f"s3://media/assets/MP4/ID_{height}.mp4" for height in (540, 720, 1080)}
    expected |= {f"s3://media/assets/{folder}/ID.0000000.jpg" for folder in ("Thumbnails", "Storyboards")}
    if set(by_name) != expected:
        yield f"the outputs are {sorted(by_name)}"
    rates = {360: 1_000_000, 540: 2_000_000, 720: 3_000_000, 1080: 4_500_000}
    segment = next(
        group_settings(group)["SegmentLength"]
        for group in settings["OutputGroups"]
        if group["OutputGroupSettings"]["Type"] == "HLS_GROUP_SETTINGS"
    )
    for name, output in by_name.items():
        video = output["VideoDescription"]
        if video["CodecSettings"]["Codec"] != "H_264":
            continue
        h264 = video["CodecSettings"]["H264Settings"]
        height = int(output["NameModifier"].removeprefix("_"))
        if video["Height"] != height or "Width" in video:
            yield f"{name}: only the height may be set, otherwise portrait video is distorted"
        if h264["MaxBitrate"] != rates.get(height) or h264["RateControlMode"] != "QVBR":
            yield f"{name}: the bit rate differs from the documented one"
        if h264["GopSizeUnits"] != "SECONDS" or segment % h264["GopSize"] != 0:
            yield f"{name}: the GOPs don't divide the segments"
        hls = by_name.get(f"s3://media/assets/HLS/ID_{height}.m3u8", output)
        if any(hls[part] != output[part] for part in ("VideoDescription", "AudioDescriptions")):
            yield f"{name}: differs from the HLS rendition, so it would be encoded a second time"
    if settings["Inputs"][0]["VideoSelector"].get("Rotate") != "AUTO":
        yield "Rotate isn't AUTO, so that portrait video would be shown sideways"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    settings = json.loads(text)
    errors = list(model_errors(with_destinations(settings), "JobSettings", "Settings")) + list(
        contract_errors(text, settings)
    )
    for error in errors:
        print(error)
    # Checks the validation itself, with three errors.
    broken = with_destinations(settings)
    h264 = broken["OutputGroups"][0]["Outputs"][0]["VideoDescription"]["CodecSettings"]["H264Settings"]
    h264 |= {"MaxBitrate": 10, "CodecProfile": "BEST", "Gop": 3}
    if len(list(model_errors(broken, "JobSettings", "Settings"))) != 3:
        errors.append("validation")
        print("the validation misses errors")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
