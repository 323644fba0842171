"""The doctor's signed round trip against a running edge.

Usage: round_trip.py ENDPOINT TOKEN. Says `content`, or what the doctor would say.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "deploy"))

import doctor  # noqa: E402

try:
    doctor.round_trip(*sys.argv[1:])
except doctor.Trouble as trouble:
    print(f"{trouble}; {trouble.mend}")
else:
    print("content")
