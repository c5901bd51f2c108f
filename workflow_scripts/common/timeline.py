"""Values on a time line: segments and speaker turns in seconds, shots in frame indices."""

from __future__ import annotations

from dataclasses import dataclass


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

    `speaker` is `SPEAKER_00`, `SPEAKER_01`, … in order of first appearance.
    """

    speaker: str


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
