"""What is exported: the shots of one video as a value, with the words every format needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from workflow_scripts.common.artifacts.scenes import check_shots
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.events import printable
from workflow_scripts.common.timeline import Shot, Transition


@dataclass(frozen=True)
class Sound:
    """The sound track of a video: samples a second and channels."""

    rate: int
    channels: int


@dataclass(frozen=True)
class ShotList:
    """The shots of one video, which together are all of it, on its frame clock.

    Args:
        video: the file they are shots of, as an absolute path.
        clock: its rate and number of frames.
        width, height: its pixels as seen.
        shots: half-open, 0-based, contiguous from frame 0 to the last.
        sound: its sound track, None when it has none.
        transitions: what is known about the cuts; may be empty.

    Raises:
        ValueError: the shots do not cover the clock's frames, or the path is relative.
    """

    video: Path
    clock: FrameClock
    width: int
    height: int
    shots: tuple[Shot, ...]
    sound: Sound | None = None
    transitions: Sequence[Transition] = ()

    def __post_init__(self) -> None:
        check_shots(self.shots, self.clock.frames)
        if not self.video.is_absolute():
            raise ValueError(f"a shot list needs an absolute path, got {self.video}")

    @property
    def name(self) -> str:
        """The video's file name on one line, without control characters."""
        return printable(self.video.name)

    @property
    def title(self) -> str:
        """The video's name without its suffix, on one line."""
        return printable(self.video.stem)

    @property
    def url(self) -> str:
        """The video as a `file:` address, percent-encoded byte by byte."""
        return self.video.as_uri()

    @cached_property
    def opening(self) -> Mapping[int, Transition]:
        """The transitions by the frame at which their new shot begins."""
        return {transition.cut: transition for transition in self.transitions}

    def gradual(self, shot: Shot) -> Transition | None:
        """The gradual transition that opens a shot, None where a hard cut, nothing known or the beginning does."""
        found = self.opening.get(shot.start)
        return found if found is not None and found.kind == "gradual" else None


def frame_timecode(frame: int, fps: Fraction) -> str:
    """`HH:MM:SS:FF` of a 0-based frame, non-drop; hours grow past 99.

    Where the rate is no whole number, frames count at the next one, as editing programs do: 24 for 24000/1001.
    """
    seconds, frames = divmod(frame, math.ceil(fps))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"
