"""Runs the signed round trip of doctor.py against a running edge.

Usage: round_trip.py ENDPOINT TOKEN. Prints `passed`, or the doctor's message.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "deploy"))

import doctor  # noqa: E402

try:
    doctor.round_trip(*sys.argv[1:])
except doctor.CheckFailed as error:
    print(f"{error}; {error.fix}")
else:
    print("passed")
