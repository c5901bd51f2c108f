"""Cutting speech into the windows whose voices are compared.

A *stretch* is speech between two pauses or two changes of the leading voice; no window crosses its ends.
Frames are 10 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.speaker_embedding import WINDOW_FRAMES

STEP_FRAMES = 40
"""Distance of two windows: 0.4 s, a quarter of a window."""
SHORTEST_FRAMES = 20
"""Shorter stretches are not compared: 0.2 s hold too little of a voice."""
NO_SPEECH = -2
SPEECH_MEL_POWER = 0.05
"""Mean mel power of speech as loud as the encoder was trained on."""
PIECE_FRAMES = 4096
"""Frames of a stretch that are looked at together, so that a long one takes no more memory than a short one."""


@dataclass(frozen=True)
class Windows:
    """Windows in order of time: int64 `(n,)` each of first frame, frame after the last, and stretch."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    stretch: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, chosen: NDArray[np.int64]) -> Windows:
        return Windows(self.start[chosen], self.end[chosen], self.stretch[chosen])


def windows_of(voice: NDArray[np.int64]) -> Windows:
    """Cut the stretches of `voice`, int64 `(frames,)` with NO_SPEECH where nothing is to be compared."""
    edges = np.concatenate([[0], np.nonzero(np.diff(voice))[0] + 1, [len(voice)]]) if len(voice) else [0]
    found: list[tuple[int, int, int]] = []
    stretch = 0
    for begin, end in pairwise(edges):
        if voice[begin] == NO_SPEECH or end - begin < SHORTEST_FRAMES:
            continue
        count = 1 + max(0, -(-(end - begin - WINDOW_FRAMES) // STEP_FRAMES))
        starts = np.rint(np.linspace(begin, max(begin, end - WINDOW_FRAMES), count)).astype(np.int64)
        found += [(int(s), int(min(end, s + WINDOW_FRAMES)), stretch) for s in starts]
        stretch += 1
    table = np.array(found, np.int64).reshape(-1, 3)
    return Windows(table[:, 0], table[:, 1], table[:, 2])


class Mel(Protocol):
    """Mel frames, sliced as float32 `(frames, 40)`."""

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]: ...


class MelWindows:
    """The mel frames of windows, cut when they are asked for: float32 `(160, 40)` each.

    Every stretch is brought to one level: how loud somebody is recorded says nothing about the voice, and the
    encoder hears power. A short window is repeated until it is full: that says more about a voice than silence or
    a neighbour's voice would.
    """

    def __init__(self, mel: Mel, windows: Windows) -> None:
        self._mel = mel
        self._windows = windows
        self._gains: dict[int, np.float32] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        if index >= len(self):
            raise IndexError(index)
        start, end = int(self._windows.start[index]), int(self._windows.end[index])
        piece: NDArray[np.float32] = self._mel[start:end] * self._gain(int(self._windows.stretch[index]))
        if len(piece) < WINDOW_FRAMES:
            piece = np.tile(piece, (-(-WINDOW_FRAMES // len(piece)), 1))[:WINDOW_FRAMES]
        return piece

    def _gain(self, stretch: int) -> np.float32:
        """What brings a stretch to the level of speech."""
        if stretch not in self._gains:  # two threads may both find it; they find the same
            first, last = np.searchsorted(self._windows.stretch, [stretch, stretch + 1])
            power = _mean_power(self._mel, int(self._windows.start[first]), int(self._windows.end[last - 1]))
            self._gains[stretch] = np.float32(SPEECH_MEL_POWER / max(power, 1e-12))
        return self._gains[stretch]


def _mean_power(mel: Mel, start: int, end: int) -> float:
    """The mean of some frames, however many."""
    edges = [*range(start, end, PIECE_FRAMES), end]
    means = [float(mel[first:last].mean()) for first, last in pairwise(edges)]
    return float(np.average(means, weights=np.diff(edges)))
