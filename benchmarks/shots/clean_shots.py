"""Pictures of videos whose cuts are known that surely hold no cut: what made-up sequences are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.shots.pictures import Frames, pictures_of
from services.bench.shot_truth import CutTruth

#: Frames left out on either side of a gradual transition and of any other cut, which may be off by as many.
_BESIDE_GRADUAL, _BESIDE_CUT = 12, 1
#: Shorter rests are not used.
_SHORTEST = 15
#: Neighbouring frames of a shot that moves differ by so much: mean absolute difference, of 255.
_MOTION = 0.5


@dataclass(frozen=True, eq=False)
class CleanShot:
    """Part of one shot: the name of its video, and its frames, uint8 (n, 27, 48, 3)."""

    video: str
    frames: Frames

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def moves(self) -> bool:
        """Whether it is more than a still."""
        return bool(np.abs(np.diff(self.frames.astype(np.int16), axis=0)).mean() >= _MOTION)


def clean_shots(folder: Path, truths: Mapping[str, CutTruth]) -> list[CleanShot]:
    """The clean shots of all videos of a folder whose cuts are known, in order."""
    return [shot for name, truth in truths.items() for shot in _split(name, pictures_of(folder / name), truth)]


def _split(name: str, frames: Frames, truth: CutTruth) -> list[CleanShot]:
    """The rests of one video between all that is, or may be, a transition."""
    clean = np.ones(len(frames), bool)
    for first, last in truth.gradual:
        clean[max(0, first - _BESIDE_GRADUAL) : last + _BESIDE_GRADUAL + 1] = False
    for cut in (*truth.hard, *truth.excused):
        clean[max(0, cut - _BESIDE_CUT) : cut + _BESIDE_CUT] = False
    edges = np.flatnonzero(np.diff(np.pad(clean, 1).astype(np.int8))).reshape(-1, 2)
    return [CleanShot(name, frames[start:end]) for start, end in edges if end - start >= _SHORTEST]
