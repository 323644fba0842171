"""Inputs of all kinds, made by ffmpeg, through the local system: each becomes a video, or fails with its code.

Usage: compat_inputs.py LOCAL [sample]. `sample` has one kind of each family. Prints a line for each fault, a row for each
family, and `passed` at the end.
"""

import collections
import concurrent.futures
import fractions
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import input_kinds

ROOT = pathlib.Path(__file__).parents[2]
# job.json's heights and those of the renditions here; conversions are ten times smaller each way.
HEIGHTS = {360: 36, 540: 54, 720: 72, 1080: 108}
# MediaConvert's smallest and largest side.
MIN_SIDE, MAX_SIDE = 32, 4096
# For one kind, in seconds; far more than the slowest takes.
TIMEOUT = 120
# A job uses several threads.
WORKERS = 3


def small_job():
    """job.json with small renditions; their names stay."""
    job = json.loads((ROOT / "job.json").read_text())
    for group in job["OutputGroups"]:
        for output in group["Outputs"]:
            video = output["VideoDescription"]
            if "Height" in video:
                video["Height"] = HEIGHTS.get(video["Height"], video["Height"])
    return job


def run(*command):
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr.decode(errors='replace')[-2000:]}"
    return done.stdout


def expected_size(width, height, rung):
    """The size of a rendition: `rung` is its short side, at most the source's."""
    short, long = min(width, height), max(width, height)
    side = max(min(rung, short, MAX_SIDE * short // long) & ~1, MIN_SIDE)
    other = min(max(((long * side + short // 2) // short) & ~1, MIN_SIDE), MAX_SIDE)
    return (side, other) if width < height else (other, side)


class System:
    """The local system on a data folder in `folder`."""

    def __init__(self, local, folder):
        self.local, self.folder = local, pathlib.Path(folder)
        (self.folder / "job.json").write_text(json.dumps(small_job()))
        self.start()

    def start(self):
        # The edge would refuse files without a known duration, and the API wouldn't show objects of other tools.
        env = {**os.environ, "ALLOW_UNKNOWN_DURATION": "yes", "OBJECT_OWNER": "local"}
        options = ["--port", "0", "--data", str(self.folder / "data"), "--job", str(self.folder / "job.json")]
        with open(self.folder / "log", "ab") as log:
            command = [self.local, *options]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env, text=True)
        page = self.process.stdout.readline().split()[1]
        with urllib.request.urlopen(f"{page}/healthz") as response:
            self.endpoints = json.load(response)["endpoints"]
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "locallocal", "region_name": "us-east-1"}
        self.s3 = boto3.client("s3", endpoint_url=self.endpoints["s3"], **keys)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def work_files(self):
        return [str(path) for path in (self.folder / "data/mediaconvert").iterdir()]

    def put(self, path):
        """Stores a file as another tool would."""
        self.s3.upload_file(str(path), "uploads", f"inputs/{path.name}")

    def final(self, name):
        """The video of that id, once its status is final."""
        deadline = time.monotonic() + TIMEOUT
        video = {"status": "unknown"}
        while video["status"] not in ("ready", "failed"):
            assert time.monotonic() < deadline, f"still {video['status']} after {TIMEOUT} s"
            try:
                with urllib.request.urlopen(f"{self.endpoints['api']}/videos/{name}") as response:
                    video = json.load(response)
            except urllib.error.HTTPError as error:
                assert error.code == 404, f"the API answers {error.code}"
            time.sleep(0.1)
        return video

    def outputs(self, name):
        """The keys of a video's outputs."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="media", Prefix="assets/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key for key in keys if re.fullmatch(rf"assets/\w+/{name}[._].*", key)]

    def read(self, key):
        return self.s3.get_object(Bucket="media", Key=key)["Body"].read()


def probe(path):
    options = ["-v", "error", "-of", "json", "-show_format", "-show_streams"]
    return json.loads(run("ffprobe", *options, str(path)))


def corner(path):
    """The mean colour of the first picture's upper left eighth, of its upper right and of its lower left, as RGB."""
    boxes = ["0:0", "iw-ow:0", "0:ih-oh"]
    crops = ";".join(f"[{i}i]crop=iw/8:ih/8:{box},scale=1:1:flags=area[{i}o]" for i, box in enumerate(boxes))
    graph = f"[0:v]split=3[0i][1i][2i];{crops};[0o][1o][2o]hstack=3,format=rgb24"
    raw = run("ffmpeg", "-v", "error", "-i", str(path), "-filter_complex", graph, "-frames:v", "1", "-f", "rawvideo", "-")
    return [tuple(raw[i : i + 3]) for i in (0, 3, 6)]


def check_playlists(system, kind, keys):
    """The master playlist's renditions: sizes, durations, and that exactly their segments are stored."""
    name, (width, height) = kind.name, kind.size
    rungs = [tag for tag, rung in HEIGHTS.items() if rung <= max(min(width, height), min(HEIGHTS.values()))]
    master = system.read(f"assets/HLS/{name}.m3u8").decode()
    named = re.findall(r"^[^#\s].*$", master, re.M)
    assert sorted(named) == sorted(f"{name}_{tag}.m3u8" for tag in rungs), f"the renditions are {named}"
    listed = {f"assets/HLS/{name}.m3u8"}
    for tag, playlist in ((tag, f"assets/HLS/{name}_{tag}.m3u8") for tag in rungs):
        text = system.read(playlist).decode()
        seconds = sum(float(length) for length in re.findall(r"^#EXTINF:([\d.]+)", text, re.M))
        assert abs(seconds - kind.seconds) <= kind.tolerance, f"_{tag}.m3u8 has {seconds:.2f} s"
        assert "#EXT-X-ENDLIST" in text, f"_{tag}.m3u8 has no end"
        segments = re.findall(r"^[^#\s].*$", text, re.M)
        listed |= {playlist} | {f"assets/HLS/{segment}" for segment in segments}
        size = expected_size(width, height, HEIGHTS[tag])
        assert f"RESOLUTION={size[0]}x{size[1]}" in master, f"{size} isn't in {master}"
    stored = {key for key in keys if key.startswith("assets/HLS/")}
    assert stored == listed, f"stored and listed differ by {sorted(stored ^ listed)}"
    files = {f"assets/MP4/{name}_{tag}.mp4" for tag in (540, 720, 1080) if tag in rungs or tag == 540}
    stored = {key for key in keys if key.startswith("assets/MP4/")}
    assert stored == files, f"the files are {sorted(stored)}"
    return sorted(files)


def check_file(path, kind, rung):
    """Size, duration, frame rate, sound and colours of one MP4."""
    report = probe(path)
    videos = [stream for stream in report["streams"] if stream["codec_type"] == "video"]
    sounds = [stream for stream in report["streams"] if stream["codec_type"] == "audio"]
    assert len(videos) == 1 and len(sounds) == int(kind.sound), f"{len(videos)} videos, {len(sounds)} sounds"
    video = videos[0]
    size = expected_size(*kind.size, rung)
    assert (video["width"], video["height"]) == size, f"{video['width']}x{video['height']} instead of {size}"
    assert video.get("sample_aspect_ratio", "1:1") == "1:1", f"pixels of {video['sample_aspect_ratio']}"
    assert "side_data_list" not in video, "a rotation is left"
    assert video["pix_fmt"] == "yuv420p" and video.get("field_order", "progressive") == "progressive", video["pix_fmt"]
    assert video.get("color_transfer", "bt709") not in ("smpte2084", "arib-std-b67"), "high dynamic range is left"
    seconds = float(video["duration"])
    assert abs(seconds - kind.seconds) <= kind.tolerance, f"the picture has {seconds:.2f} s instead of {kind.seconds}"
    for sound in sounds:
        ends = float(sound["start_time"]) + float(sound["duration"])
        assert -0.1 < ends - seconds < kind.sound_excess, f"the sound ends at {ends:.2f} s, the picture at {seconds:.2f} s"
        assert (sound["channels"], sound["sample_rate"]) == (2, "48000"), "the sound is no 48 kHz stereo"
    if kind.rate:
        rate = fractions.Fraction(video["avg_frame_rate"])
        assert math.isclose(rate, kind.rate, rel_tol=0.01), f"{float(rate):.3f} frames per second"
    if kind.upright:
        (red, *others) = corner(path)
        is_red = [r > 90 and r > 2 * g and r > 2 * b for r, g, b in (red, *others)]
        assert is_red == [True, False, False], f"the picture isn't upright: {(red, *others)}"
    if kind.silent_until:
        levels = run_silence(path)
        assert any(start < 0.2 and abs(end - kind.silent_until) < 0.3 for start, end in levels), f"silence: {levels}"


def run_silence(path):
    command = ["ffmpeg", "-v", "info", "-i", str(path), "-af", "silencedetect=n=-50dB:d=0.3", "-f", "null", "-"]
    text = subprocess.run(command, capture_output=True, text=True).stderr
    starts = [float(value) for value in re.findall(r"silence_start: (-?[\d.]+)", text)]
    ends = [float(value) for value in re.findall(r"silence_end: ([\d.]+)", text)]
    return list(zip(starts, ends))


def check(system, kind):
    """Runs one kind. Returns the way it ended; fails with what is wrong."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        path = folder / f"{kind.name}.{kind.extension}"
        kind.make(path)
        system.put(path)
        video = system.final(kind.name)
        keys = system.outputs(kind.name)
        if kind.code:
            found = video.get("error", {}).get("code", video["status"])
            assert found == kind.code, f"{found} instead of {kind.code}: {video.get('error')}"
            assert not keys, f"a failed job has stored {keys}"
            return kind.code
        assert video["status"] == "ready", f"{video.get('error')}"
        for key in check_playlists(system, kind, keys):
            target = folder / pathlib.Path(key).name
            target.write_bytes(system.read(key))
            tag = int(target.stem.rpartition("_")[2])
            check_file(target, kind, HEIGHTS[tag] if min(kind.size) >= HEIGHTS[tag] else min(HEIGHTS.values()))
        assert any(key.startswith("assets/Thumbnails/") for key in keys), "no thumbnail"
        return "ready"


def main():
    local, *selection = sys.argv[1:]
    kinds = input_kinds.all_kinds()
    if selection == ["sample"]:
        kinds = [kind for kind in kinds if kind.sample]
    elif selection:
        kinds = [kind for kind in kinds if any(word in f"{kind.family} {kind.name}" for word in selection)]
    ends, faults = collections.defaultdict(collections.Counter), []
    with tempfile.TemporaryDirectory() as folder:
        system = System(local, folder)
        try:
            with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                checks = {pool.submit(check, system, kind): kind for kind in kinds}
                for done in concurrent.futures.as_completed(checks):
                    kind = checks[done]
                    try:
                        ends[kind.family][done.result()] += 1
                    except AssertionError as error:
                        ends[kind.family]["wrong"] += 1
                        faults.append(f"{kind.family}, {kind.name}: {error}")
                        print(faults[-1], flush=True)
            if left := system.work_files():
                faults.append(f"left in the work folder: {left}")
        finally:
            system.stop()
        text = (system.folder / "log").read_text(errors="replace")
        if "panicked" in text:
            faults.append(text)
    for family in dict.fromkeys(kind.family for kind in kinds):
        count = sum(ends[family].values())
        print(f"| {family} | {count} | {', '.join(f'{n} {end}' for end, n in sorted(ends[family].items()))} |")
    print("\n".join(faults) if faults else "passed")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
