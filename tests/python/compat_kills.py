"""Kills the local system at random moments while it converts: after each restart every video becomes ready, complete.

Usage: compat_kills.py LOCAL COUNT [SEED]. Prints the seed, each fault, and `passed` at the end.
"""

import os
import pathlib
import random
import sys
import tempfile
import time

import compat_inputs
import input_kinds

# In each round; more than one run at once, or wait for each other.
VIDEOS = 2


def outputs(system, name):
    """The sizes of a video's outputs, by their names without that of the video."""
    keys = system.outputs(name)
    sizes = {key.replace(name, "NAME"): len(system.read(key)) for key in keys}
    for key in keys:
        if key.endswith(".mp4"):
            path = system.folder / "output.mp4"
            path.write_bytes(system.read(key))
            seconds = float(compat_inputs.probe(path)["format"]["duration"])
            assert abs(seconds - 4) < 0.2, f"{key} has {seconds} s"
    return sizes


def processes_in(folder):
    """Programs that run in a folder."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        except OSError:
            continue
    return found


def main():
    local, count, *seed = sys.argv[1:]
    seed = int(seed[0]) if seed else random.randrange(1_000_000)
    chance = random.Random(seed)
    print(f"seed {seed}", flush=True)
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        clip = pathlib.Path(folder) / "clip.mp4"
        input_kinds.made(source=input_kinds.picture(seconds=4), audio=input_kinds.tone(4))(clip)
        system = compat_inputs.System(local, folder)
        try:
            started = time.monotonic()
            system.put(clip)
            assert system.final("clip")["status"] == "ready"
            longest = VIDEOS * (time.monotonic() - started)
            expected = outputs(system, "clip")
            for round_number in range(int(count)):
                names = [f"round{round_number}-{index}" for index in range(VIDEOS)]
                for name in names:
                    copy = clip.with_name(f"{name}.mp4")
                    copy.write_bytes(clip.read_bytes())
                    system.put(copy)
                    copy.unlink()
                time.sleep(chance.uniform(0, longest))
                system.kill()
                system.start()
                for name in names:
                    try:
                        video = system.final(name)
                        assert video["status"] == "ready", video
                        found = outputs(system, name)
                        assert found.keys() == expected.keys(), f"outputs differ by {found.keys() ^ expected.keys()}"
                        # The encoders' threads, and so the last bytes, depend on what else runs.
                        short = [key for key, size in found.items() if size < expected[key] * 0.8]
                        assert not short, f"partial outputs: {short}"
                    except AssertionError as error:
                        faults.append(f"{name}: {error}")
                        print(faults[-1], flush=True)
            if left := system.work_files() + processes_in(folder):
                faults.append(f"left: {left}")
        finally:
            system.stop()
        log = (system.folder / "log").read_text(errors="replace")
        if "panicked" in log:
            faults.append(log)
    print("\n".join(faults) if faults else "passed")
    sys.exit(bool(faults))


main()
