"""The one frame clock of a video: decoded frames of the 25 fps file that STEP2 leaves behind.

Frame indices are 0-based and rates are exact fractions; seconds and 1-based numbers exist only at the edges.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from workflow_scripts.common.timeline import Segment

_TIMECODE = re.compile(r"([0-9]{2,}):([0-5][0-9]):([0-5][0-9]\.[0-9]{3})")

#: What STEP2 makes of every video.
WORKING_RATE = Fraction(25)


@dataclass(frozen=True)
class FrameClock:
    """`frames` pictures at `fps` pictures a second; frame `i` is shown during `[i/fps, (i+1)/fps)`."""

    fps: Fraction
    frames: int

    def __post_init__(self) -> None:
        if self.fps <= 0 or self.frames < 0:
            raise ValueError(f"a frame clock needs fps > 0 and frames >= 0, got {self.fps}, {self.frames}")

    @property
    def duration(self) -> Fraction:
        """Exact length in seconds."""
        return self.frames / self.fps

    def time(self, index: int) -> Fraction:
        """When frame `index` begins, in exact seconds."""
        return index / self.fps

    def timecode_sec(self, index: int) -> float:
        """When frame `index` begins, in seconds rounded to a millisecond, as the audio JSON holds it."""
        return round(float(self.time(index)), 3)

    def frames_of(self, segment: Segment) -> range:
        """The frames a segment marks: those whose span overlaps it by at least half a frame."""
        # Frame i overlaps [s, e) by at least half a frame at its edges iff s*fps <= i + 1/2 and e*fps >= i + 1/2.
        start, end = Fraction(segment.start) * self.fps, Fraction(segment.end) * self.fps
        first = max(0, math.ceil(start - Fraction(1, 2)))
        last = min(self.frames - 1, math.floor(end - Fraction(1, 2)))
        if end - start < Fraction(1, 2):  # shorter than half a frame: it marks none
            return range(0)
        return range(first, max(first, last + 1))

    def mask(self, segments: Iterable[Segment]) -> bytearray:
        """One byte per frame, 1 where any of the segments marks it."""
        marks = bytearray(self.frames)
        for segment in segments:
            marked = self.frames_of(segment)
            marks[marked.start : marked.stop] = b"\x01" * len(marked)
        return marks


def timecode(seconds: Fraction) -> str:
    """`HH:MM:SS.mmm` of exact seconds, rounded half up to a millisecond; hours grow past 99."""
    milliseconds = math.floor(seconds * 1000 + Fraction(1, 2))
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def parse_timecode(text: str) -> Fraction:
    """Exact seconds of `HH:MM:SS.mmm`.

    Raises:
        ValueError: the text is no such timecode.
    """
    found = _TIMECODE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is no timecode HH:MM:SS.mmm")
    hours, minutes, seconds = found.groups()
    return Fraction(int(hours) * 3600 + int(minutes) * 60) + Fraction(seconds)
