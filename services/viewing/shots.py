"""The shots of a video for a viewer, and the scores behind them at any zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from services.viewing.build_shots import KINDS
from services.viewing.index import Index


@dataclass(frozen=True)
class ShotView:
    """A shot, half-open, 0-based. What begins it: the kind of transition, its first and last frame, both inclusive,
    and the score that decided; None where the file does not say, as for the first shot."""

    start: int
    end: int
    kind: Literal["hard", "gradual"] | None = None
    score: float | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Scores:
    """Scores from frame `start` to `end`, half-open: the largest of every `step` of them."""

    start: int
    end: int
    step: int
    single: list[float]
    many: list[float]


def shots(index: Index) -> list[ShotView]:
    """All shots, in order."""
    return [_shot(row) for row in index["shots"].tolist()]


def scores(index: Index, start: int, end: int, points: int) -> Scores:
    """Scores of a range in about as many points as asked for.

    Groups of frames lie on multiples of `step`, so that they stay the same while the range moves; `start` is
    moved down to one.
    """
    frames = max((len(index.arrays[name]) for name in ("single", "many") if name in index.arrays), default=0)
    end = min(end, frames)
    start = min(start, end)
    step = max(1, -(-(end - start) // points))
    start -= start % step
    single, many = (_pooled(index.arrays.get(name), start, end, step) for name in ("single", "many"))
    return Scores(start, end, step, single, many)


def _shot(row: tuple[Any, ...]) -> ShotView:
    start, end, kind, first, last, score = row
    if not kind:
        return ShotView(start, end)
    return ShotView(start, end, KINDS[kind], round(score, 4), first, last)  # type: ignore[arg-type]


def _pooled(values: NDArray[np.float32] | None, start: int, end: int, step: int) -> list[float]:
    if values is None or start >= min(end, len(values)):
        return []
    part = values[start:end]
    largest = np.maximum.reduceat(part, np.arange(0, len(part), step))
    return [float(value) for value in np.round(largest.astype(np.float64), 4)]
