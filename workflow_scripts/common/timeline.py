"""Values on a time line: segments and speaker turns in seconds, shots and transitions in frame indices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, order=True)
class Segment:
    """A stretch of time, half-open `[start, end)`, in seconds from the first frame of the picture."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a segment needs 0 <= start < end, got [{self.start}, {self.end})")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, order=True)
class Turn(Segment):
    """A segment in which one speaker talks; turns of different speakers may overlap.

    `speaker` is `SPEAKER_00`, `SPEAKER_01`, … in order of first appearance. `score`, in 0..1, is how surely
    somebody speaks there, None where nobody said; it is no part of what makes two turns equal.
    """

    speaker: str
    score: float | None = field(default=None, compare=False)


@dataclass(frozen=True, order=True)
class Shot:
    """A run of frames between two cuts, half-open `[start, end)`, 0-based frame indices."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a shot needs 0 <= start < end, got [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Transition:
    """Where one shot gives way to the next; 0-based frame indices.

    Args:
        kind: a hard cut or a gradual transition.
        cut: the first frame of the new shot.
        first, last: the frames of a gradual transition, both inclusive; of a hard cut the two frames around it.
        score: the score that decided, in 0..1.
    """

    kind: Literal["hard", "gradual"]
    cut: int
    first: int
    last: int
    score: float

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last or not self.first < self.cut <= self.last + 1:
            raise ValueError(f"a cut ({self.cut}) lies in its transition [{self.first}, {self.last}]")
