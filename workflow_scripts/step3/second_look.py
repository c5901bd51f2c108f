"""Where the network is shown the pictures again, at another speed.

TransNetV2 was trained on shots of some seconds and transitions of less than one. At half the frame rate a slow
dissolve looks to it like one it knows, and repeated four times each, the pictures of a shot of five frames do. Both
looks are cheap, because they are only taken where the first one, or the pictures themselves, give a reason to.
The figures here were found on made-up sequences, not on films; docs/measurements.md has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.step3.windows import Window, Windowing

Frames = npt.NDArray[np.uint8]

#: Spans that are looked at again: at half the frame rate each is one window of the network.
SPANS = Windowing(length=200, stride=100, padding=50)
#: How often a picture is shown in slow motion, and how many pictures make a window of 100 then.
_SLOWNESS = 4
_PICTURES = 100 // _SLOWNESS
#: A change is abrupt when it is so many times greater than the two before and the two after it, ...
_ABRUPT = 1.75
#: ... and at least so great: mean absolute difference of two pictures, of 255.
_LEAST_CHANGE = 4.0
#: Below this two pictures are one that is shown again, as in animation drawn on twos or threes.
_REPEATED = 0.3
#: Frames that a flash or something passing before the camera may last.
_FLASH = 6


@dataclass(frozen=True)
class SlowLook:
    """A window in slow motion around the change from frame `index` of the span to the next.

    `frames` is uint8 (100, 27, 48, 3); the score of the change is that of frame `position`.
    """

    index: int
    frames: Frames
    position: int = (_PICTURES // 2 + 1) * _SLOWNESS - 1


def half_rate(span: Window) -> Frames:
    """Every second frame of a span: uint8 (100, 27, 48, 3)."""
    return span.frames[::2]


def slow_looks(span: Window) -> list[SlowLook]:
    """A look in slow motion at every abrupt change in the central part of a span."""
    change = np.abs(np.diff(span.frames.astype(np.int16), axis=0)).mean((1, 2, 3))
    ends = np.flatnonzero(change >= _REPEATED)  # the last frame that shows each picture, but for the last picture
    pictures = span.frames[np.append(ends, len(span.frames) - 1)]
    looks = []
    for number in _abrupt(change[ends]):
        index = int(ends[number])
        central = span.padding <= index < span.padding + span.valid
        if central and not _comes_back(span.frames, index, change[index]):
            near = np.arange(number - _PICTURES // 2, number + _PICTURES // 2 + 1).clip(0, len(pictures) - 1)
            looks.append(SlowLook(index, np.repeat(pictures[near], _SLOWNESS, axis=0)))
    return looks


def _comes_back(frames: Frames, index: int, change: float) -> bool:
    """Whether a picture soon after a change is like one shortly before it: a flash, or something passing by."""
    before = frames[index - _FLASH : index + 1].astype(np.int16)
    after = frames[index + 1 : index + 2 + _FLASH].astype(np.int16)
    return any(bool((np.abs(before - picture).mean((1, 2, 3)) < change / 2).any()) for picture in after)


def _abrupt(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """The numbers of the changes that stand out among those around them."""
    around = np.pad(sizes, 2)
    greatest = np.max([around[:-4], around[1:-3], around[3:-1], around[4:]], axis=0)
    return np.flatnonzero((sizes >= _LEAST_CHANGE) & (sizes >= _ABRUPT * greatest))
