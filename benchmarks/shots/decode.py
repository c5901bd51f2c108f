"""Decoding alone, to the 48x27 pictures that TransNetV2 takes: what no detector on them can be faster than."""

from __future__ import annotations

from pathlib import Path

from benchmarks.shots.measured import Detection, Stopwatch, report
from workflow_scripts.common.ffmpeg import decode_rgb24


def detect(video: Path, stopwatch: Stopwatch) -> Detection:
    """Count the frames and find nothing."""
    with stopwatch:
        frames = sum(1 for _ in decode_rgb24(video, 48, 27))
    return Detection(frames)


if __name__ == "__main__":
    report(detect)
