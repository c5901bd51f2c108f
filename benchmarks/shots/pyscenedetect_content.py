"""PySceneDetect's `ContentDetector` with its defaults: colour change against a threshold."""

from __future__ import annotations

from pathlib import Path

from scenedetect import ContentDetector

from benchmarks.shots.measured import Detection, Stopwatch, report
from benchmarks.shots.pyscenedetect import detect_with


def detect(video: Path, stopwatch: Stopwatch) -> Detection:
    """Run it on the file."""
    return detect_with(ContentDetector(), video, stopwatch)


if __name__ == "__main__":
    report(detect)
