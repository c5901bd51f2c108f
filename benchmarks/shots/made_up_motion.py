"""Sequences without any transition in which a lot happens: fast motion, animation, flashes, things passing by.

They are made of the clean shots of real videos, and always the same of the same shots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.shots.clean_shots import CleanShot
from benchmarks.shots.made_up import MadeUp
from benchmarks.shots.pictures import Frames

Light = npt.NDArray[np.float64]

#: How many times as fast a shot is played, and for how many frames each picture of an animation is shown.
_SPEEDS, _HELD = (1, 2, 4, 6), (2, 3, 5)
#: Frames of a sequence, at most and at least.
_LONGEST, _SHORTEST = 50, 12
#: In a sequence of the longest something happens from this frame on.
_MOMENT = 20
#: The noise that coding leaves between pictures that are the same: standard deviation, of 255.
_NOISE = 0.15


def uncut_sequences(shots: Sequence[CleanShot]) -> Iterator[MadeUp]:
    """Every kind of sequence, a sequence of each shot that moves and is long enough."""
    moving = [shot for shot in shots if shot.moves]
    for speed in _SPEEDS:
        yield from _uncut(f"motion, {speed}x", (shot.frames[::speed][:_LONGEST] for shot in moving))
    for times in _HELD:
        rng = np.random.default_rng(times)
        yield from _uncut(f"pictures held {times} frames", (_held(shot.frames, times, rng) for shot in moving))
    for name, happen in _EVENTS.items():
        rng = np.random.default_rng(0)
        long = (shot.frames[:_LONGEST] for shot in moving if len(shot) >= _LONGEST)
        yield from _uncut(name, (_with_event(frames, happen, rng) for frames in long))


def _uncut(group: str, sequences: Iterator[Frames]) -> Iterator[MadeUp]:
    yield from (MadeUp(group, frames) for frames in sequences if len(frames) >= _SHORTEST)


def _held(frames: Frames, times: int, rng: np.random.Generator) -> Frames:
    """Some pictures only, each so often that the speed stays, as in animation drawn on twos or threes."""
    held = np.repeat(frames[::times], times, axis=0)[:_LONGEST]
    return _pictures(held + rng.normal(0, _NOISE, held.shape))


def _with_event(
    frames: Frames, happen: Callable[[Light, np.random.Generator], None], rng: np.random.Generator
) -> Frames:
    """A copy in which something happens from the middle on."""
    changed = frames.astype(np.float64)
    happen(changed[_MOMENT:], rng)
    return _pictures(changed)


def _flash(frames: Light, _: np.random.Generator) -> None:
    frames[:3] = frames[:3] * 0.2 + 255 * 0.8


def _dying_flash(frames: Light, _: np.random.Generator) -> None:
    share = 0.8 * np.exp(-np.arange(len(frames)) / 6)[:, None, None, None]
    frames[:] = frames * (1 - share) + np.array([255, 230, 180]) * share


def _light_off(frames: Light, _: np.random.Generator) -> None:
    frames *= 0.45


def _knock(frames: Light, rng: np.random.Generator) -> None:
    for picture in frames[:6]:
        picture[:] = np.roll(picture, (int(rng.integers(-4, 5)), int(rng.integers(-6, 7))), (0, 1))


def _passing(frames: Light, rng: np.random.Generator) -> None:
    frames[:8, :, 10:40] = rng.integers(0, 255, (8, 1, 1, 3))


_EVENTS: dict[str, Callable[[Light, np.random.Generator], None]] = {
    "flash of 3 frames": _flash,
    "flash that dies away": _dying_flash,
    "light switched off": _light_off,
    "camera knocked": _knock,
    "something passes by": _passing,
}


def _pictures(values: Light) -> Frames:
    return values.round().clip(0, 255).astype(np.uint8)
