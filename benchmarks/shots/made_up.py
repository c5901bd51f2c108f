"""Sequences of pictures whose transitions are known because they were made: cut fast, dissolved, faded.

They are made of the clean shots of real videos, and always the same of the same shots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.shots.clean_shots import CleanShot
from benchmarks.shots.pictures import Frames

Light = npt.NDArray[np.float32]

#: Snippets of a fast sequence, their lengths in frames (from, to), and the speeds at which they are played.
_SNIPPETS, _LENGTHS, _SPEEDS = 65, ((3, 4), (5, 7), (8, 11), (12, 16)), (1, 1, 2, 3)
#: Transitions of a slow sequence, their lengths in frames, and frames of a shot between two of them (from, to).
_TRANSITIONS, _MIXED, _HELD = 16, ((6, 8, 10, 12, 16), (20, 25, 30, 40, 50)), (20, 60)
#: Pictures that are joined differ by so much at least, mean absolute difference of 255: nobody would tell two takes
#: of one view apart.
_UNLIKE = 10.0
#: A shot that is darker than this is black.
_BLACK = 10.0
#: How often pieces are chosen for each that is needed, before a sequence stays shorter.
_TRIES = 20


@dataclass(frozen=True, eq=False)
class MadeUp:
    """A sequence, what kind it is, and its transitions as `services/bench/shot_truth.py` tells them."""

    group: str
    frames: Frames
    hard: tuple[int, ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()


def fast_sequences(shots: Sequence[CleanShot]) -> Iterator[MadeUp]:
    """Snippets of a few frames joined by hard cuts, a sequence for each range of lengths."""
    moving = [shot for shot in shots if shot.moves]
    for low, high in _LENGTHS:
        rng = np.random.default_rng(low)
        snippets: list[Frames] = []
        last = None
        for _ in range(_TRIES * _SNIPPETS):
            length, speed = int(rng.integers(low, high + 1)), int(rng.choice(_SPEEDS))
            shot, frames = _piece(moving, length * speed, rng)
            if not snippets or (shot is not last and _unlike(snippets[-1][-1], frames[0])):
                snippets.append(frames[::speed])
                last = shot
            if len(snippets) == _SNIPPETS:
                break
        cuts = np.cumsum([len(snippet) for snippet in snippets])[:-1]
        yield MadeUp(f"cuts, shots of {low}-{high} frames", np.concatenate(snippets), hard=tuple(map(int, cuts)))


def slow_sequences(shots: Sequence[CleanShot]) -> Iterator[MadeUp]:
    """Shots joined by one kind of gradual transition, for each kind a sequence of short and one of long ones."""
    lit = [shot for shot in shots if shot.frames.mean() >= _BLACK]
    for kind in ("dissolves", "fades through black", "fades to black, then a cut"):
        for lengths in _MIXED:
            yield _slow_sequence(kind, lengths, lit, np.random.default_rng((len(kind), lengths[0])))


def _slow_sequence(
    kind: str, lengths: Sequence[int], shots: Sequence[CleanShot], rng: np.random.Generator
) -> MadeUp:
    parts: list[Frames] = []
    spans: list[tuple[int, int]] = []
    last, before = _piece(shots, max(lengths) + _HELD[1], rng)
    for _ in range(_TRIES * _TRANSITIONS):
        length = int(rng.choice(lengths))
        shot, after = _piece(shots, 2 * max(lengths) + int(rng.integers(*_HELD)), rng)
        if shot is not last and _unlike(before[-length], after[length]):
            mixed, used = _mix(kind, before[-length:], after)
            start = sum(map(len, parts)) + len(before) - length
            parts += [before[:-length], mixed]
            spans.append((start, start + len(mixed) - 1))
            last, before = shot, after[used:]
        if len(spans) == _TRANSITIONS:
            break
    frames = np.concatenate([*parts, before])
    return MadeUp(f"{kind}, {lengths[0]}-{lengths[-1]} frames", frames, gradual=tuple(spans))


def _mix(kind: str, before: Frames, after: Frames) -> tuple[Frames, int]:
    """A transition from all of `before`, and how many frames of `after` it uses up."""
    length = len(before)
    share = np.linspace(0, 1, length + 2, dtype=np.float32)[1:-1, None, None, None]
    if kind == "dissolves":
        return (before * (1 - share) + after[:length] * share).astype(np.uint8), length
    if kind == "fades to black, then a cut":
        return (before * (1 - share)).astype(np.uint8), 0
    half = length // 2
    light: Light = np.linspace(1, 0, half, dtype=np.float32)[:, None, None, None]
    return np.concatenate([before[:half] * light, after[:half] * light[::-1]]).astype(np.uint8), half


def _piece(shots: Sequence[CleanShot], length: int, rng: np.random.Generator) -> tuple[CleanShot, Frames]:
    """One of the shots and so many frames of it; of one that is too short forwards and backwards.

    Raises:
        ValueError: none is long enough for that.
    """
    fitting = [shot for shot in shots if 2 * len(shot) >= length]
    if not fitting:
        raise ValueError(f"no shot of the videos is fit for {length} frames")
    shot = fitting[rng.integers(len(fitting))]
    frames = shot.frames if len(shot) >= length else np.concatenate([shot.frames, shot.frames[::-1]])
    start = int(rng.integers(len(frames) - length + 1))
    return shot, frames[start : start + length]


def _unlike(one: Frames, other: Frames) -> bool:
    return float(np.abs(one.astype(np.int16) - other).mean()) >= _UNLIKE
