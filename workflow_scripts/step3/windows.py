"""Frames to windows and back: of each window only the central frames count, as TransNetV2 was trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Height and width of the pictures the network takes.
HEIGHT, WIDTH = 27, 48


@dataclass(frozen=True)
class Windowing:
    """Windows of `length` frames, one every `stride`, with `padding` frames of context on either side.

    The defaults are the network's: 100, of which the central 50 count.

    Raises:
        ValueError: length is not stride + 2 * padding.
    """

    length: int = 100
    stride: int = 50
    padding: int = 25

    def __post_init__(self) -> None:
        if self.length != self.stride + 2 * self.padding or self.stride < 1 or self.padding < 0:
            raise ValueError(
                f"a window ({self.length}) is its stride ({self.stride}) and twice its padding ({self.padding})"
            )


USUAL_WINDOWS = Windowing()


@dataclass(frozen=True)
class Window:
    """Some frames with their neighbours.

    Args:
        frames: uint8 (length, 27, 48, 3), RGB.
        padding: so many frames of context are before the central ones.
        valid: so many central frames are real; less than the stride only in the last window.
    """

    frames: npt.NDArray[np.uint8]
    padding: int
    valid: int

    def central(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The values that count: of (length,) the central (valid,)."""
        return values[self.padding : self.padding + self.valid]


def windows_of(frames: Iterable[bytes], windowing: Windowing = USUAL_WINDOWS) -> Iterator[Window]:
    """Windows over a stream of frames, holding never more than one window of them.

    The stream is continued with its first frame before and its last frame after, as the reference does, so
    that every frame lies in the central part of exactly one window: `ceil(n / stride)` windows for n frames.

    Args:
        frames: each `27 * 48 * 3` bytes of RGB.
    """
    length, stride, padding = windowing.length, windowing.stride, windowing.padding
    buffer: list[npt.NDArray[np.uint8]] = []
    left = 0  # frames that have not been in the central part of a window
    for raw in frames:
        frame = np.frombuffer(raw, np.uint8).reshape(HEIGHT, WIDTH, 3)
        if not buffer:
            buffer = [frame] * padding
        buffer.append(frame)
        left += 1
        if len(buffer) == length:
            yield Window(np.stack(buffer), padding, stride)
            left -= stride
            del buffer[:stride]
    while left > 0:
        buffer += [buffer[-1]] * (length - len(buffer))
        yield Window(np.stack(buffer), padding, min(left, stride))
        left -= stride
        del buffer[:stride]
