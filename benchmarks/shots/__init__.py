"""Shot detectors side by side, for `scripts/bench shots`: one module per detector.

Each is run as `<env>/bin/python -m benchmarks.shots.<module> VIDEO` in the repository's folder, and prints one JSON
object as its last line (`measured.py` says what is in it).
"""
