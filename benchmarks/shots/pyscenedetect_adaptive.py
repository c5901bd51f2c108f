"""PySceneDetect's `AdaptiveDetector` with its defaults: colour change against a rolling average."""

from __future__ import annotations

from pathlib import Path

from scenedetect import AdaptiveDetector

from benchmarks.shots.measured import Detection, Stopwatch, report
from benchmarks.shots.pyscenedetect import detect_with


def detect(video: Path, stopwatch: Stopwatch) -> Detection:
    """Run it on the file."""
    return detect_with(AdaptiveDetector(), video, stopwatch)


if __name__ == "__main__":
    report(detect)
