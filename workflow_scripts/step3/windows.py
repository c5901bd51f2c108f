"""Frames to windows and back: 100 frames each, of which the central 50 count, as TransNetV2 was trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Height and width of the pictures the network takes.
HEIGHT, WIDTH = 27, 48
LENGTH, STRIDE = 100, 50
#: Frames before and after the central part of a window.
MARGIN = (LENGTH - STRIDE) // 2


@dataclass(frozen=True)
class Window:
    """One input of the network: `frames` uint8 (100, 27, 48, 3); the first `valid` central ones are real."""

    frames: npt.NDArray[np.uint8]
    valid: int = STRIDE

    def central(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The scores that count: of (100,) the central (valid,)."""
        return scores[MARGIN : MARGIN + self.valid]


def windows_of(frames: Iterable[bytes]) -> Iterator[Window]:
    """Windows over a stream of frames, holding never more than one window of them.

    The stream is continued with its first frame before and its last frame after, as the reference does, so
    that every frame lies in the central part of exactly one window: `ceil(n / 50)` windows for n frames.

    Args:
        frames: each `27 * 48 * 3` bytes of RGB.
    """
    buffer: list[npt.NDArray[np.uint8]] = []
    left = 0  # frames that have not been in the central part of a window
    for raw in frames:
        frame = np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH, 3)
        if not buffer:
            buffer = [frame] * MARGIN
        buffer.append(frame)
        left += 1
        if len(buffer) == LENGTH:
            yield Window(np.stack(buffer))
            left -= STRIDE
            del buffer[:STRIDE]
    while left > 0:
        buffer += [buffer[-1]] * (LENGTH - len(buffer))
        yield Window(np.stack(buffer), min(left, STRIDE))
        left -= STRIDE
        del buffer[:STRIDE]
