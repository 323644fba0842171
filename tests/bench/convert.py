"""Measures the local MediaConvert with job.json on a source of 60 s at 1080p, beside ffmpeg alone.

Usage: convert.py URL PID FOLDER RESULT. URL is the page of a running `local`, PID its process. Three ways to the same
outputs, each from the same file: the job; one ffmpeg command with one decoder and each encoding once; one ffmpeg for
each output. Prints a table and writes the numbers to RESULT.
"""

import json
import pathlib
import subprocess
import sys
import time
import urllib.request

import boto3

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "python"))
from job_json import with_destinations  # noqa: E402

URL, PID, FOLDER, RESULT = sys.argv[1:]
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "locallocal", "region_name": "us-east-1"}
ROOT = pathlib.Path(__file__).parents[2]
RATES = {360: 1_000_000, 540: 2_000_000, 720: 3_000_000, 1080: 4_500_000}


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-nostdin", *map(str, args)], check=True, cwd=FOLDER)


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def encoder(rate):
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-crf", 23, "-maxrate", rate),
        *("-bufsize", rate * 2, "-g", 60, "-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", 0),
        *("-bf", 2, "-refs", 3, "-c:a", "aac", "-b:a", 96000, "-ar", 48000, "-flags", "+global_header"),
    ]


def hls(height):
    return f"f=hls:hls_time=6:hls_list_size=0:hls_segment_filename=h{height}_%05d.ts]h{height}.m3u8"


def single_command(source):
    """All outputs by one ffmpeg, as an expert would write it."""
    heights = list(RATES)
    graph = f"[0:v]split={len(heights) + 2}" + "".join(f"[s{height}]" for height in heights) + "[st][sb];"
    graph += "".join(f"[s{height}]scale=-2:{height}[v{height}];" for height in heights)
    graph += "[st]select='lt(selected_n,3)*(isnan(prev_selected_t)+gte(t-prev_selected_t,3))',scale=1280:720[t];"
    graph += "[sb]select='lt(selected_n,100)*(isnan(prev_selected_t)+gte(t-prev_selected_t,10))',scale=160:90[b]"
    args = ["-i", source, "-filter_complex", graph]
    for height, rate in RATES.items():
        mp4 = "" if height == 360 else f"|[f=mp4:movflags=+faststart]m{height}.mp4"
        args += ["-map", f"[v{height}]", "-map", "0:a", *encoder(rate), "-f", "tee", f"[{hls(height)}{mp4}"]
    args += ["-map", "[t]", "-fps_mode", "passthrough", "t.%07d.jpg"]
    ffmpeg(*args, "-map", "[b]", "-fps_mode", "passthrough", "b.%07d.jpg")


def command_per_output(source):
    for height, rate in RATES.items():
        options = ["-i", source, "-vf", f"scale=-2:{height}", "-map", "0:v", "-map", "0:a", *encoder(rate)]
        ffmpeg(*options, "-f", "tee", f"[{hls(height)}")
        if height != 360:
            ffmpeg(*options, "-movflags", "+faststart", f"n{height}.mp4")
    ffmpeg("-i", source, "-vf", "fps=1/3,scale=1280:720", "-frames:v", 3, "u.%07d.jpg")
    ffmpeg("-i", source, "-vf", "fps=1/10,scale=160:90", "c.%07d.jpg")


def job(endpoints, source):
    """Returns the seconds from the call to the last output, and to an HLS playlist that can be played."""
    s3 = boto3.client("s3", endpoint_url=endpoints["s3"], **KEYS)
    s3.upload_file(source, "uploads", "bench/source.mp4")
    with open(ROOT / "job.json", encoding="utf-8") as file:
        settings = with_destinations(json.load(file), "s3://uploads/bench/source.mp4", "media", "bench")
    api = boto3.client("mediaconvert", endpoint_url=endpoints["mediaconvert"], **KEYS)
    start = time.monotonic()
    playable = None
    id = api.create_job(Role="arn:aws:iam::000000000000:role/local", Settings=settings)["Job"]["Id"]
    while True:
        state = api.get_job(Id=id)["Job"]
        if state["Status"] in ("COMPLETE", "ERROR", "CANCELED"):
            assert state["Status"] == "COMPLETE", state
            return time.monotonic() - start, playable
        if playable is None and "Contents" in s3.list_objects_v2(Bucket="media", Prefix="assets/HLS/bench.m3u8"):
            playable = time.monotonic() - start
        time.sleep(0.1)


def peak_memory():
    """The largest resident set of the server, without ffmpeg, in MB."""
    with open(f"/proc/{PID}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def main():
    pathlib.Path(FOLDER).mkdir(parents=True, exist_ok=True)
    source = str(pathlib.Path(FOLDER) / "source.mp4")
    # Drawing it takes ten times as long as it lasts, so it is drawn for 6 s and repeated.
    scene, picture = f"{source}.scene.mp4", "mandelbrot=s=1920x1080:r=30:end_scale=0.0001"
    ffmpeg(
        *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=b=4", "-t", 6, "-c:v", "libx264"),
        *("-preset", "ultrafast", "-crf", 20, "-pix_fmt", "yuv420p", "-c:a", "aac", scene),
    )
    ffmpeg("-stream_loop", -1, "-i", scene, "-t", 60, "-c", "copy", source)
    with urllib.request.urlopen(f"{URL}/healthz") as response:
        endpoints = json.load(response)["endpoints"]
    whole, playable = job(endpoints, source)
    memory = peak_memory()
    seconds = {
        "job.json by the local MediaConvert": whole,
        "one ffmpeg command by hand": timed(lambda: single_command(source)),
        "one ffmpeg for each output": timed(lambda: command_per_output(source)),
    }
    base = seconds["one ffmpeg command by hand"]
    for name, value in seconds.items():
        print(f"{name:36} {value:7.1f} s  {value / base:5.2f}")
    print(f"{'  its HLS can be played after':36} {playable or whole:7.1f} s")
    print(f"{'  peak memory without ffmpeg':36} {memory:7.1f} MB")
    with open(RESULT, "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "playable_s": playable, "server_peak_mb": memory}, file, indent=2)


main()
