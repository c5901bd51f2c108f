"""Who truly speaks when in the recordings of a folder, as the RTTM files beside them tell (NIST RT-09).

`talk.rttm` tells it of `talk.wav`, `talk.mp4`, …; whatever its lines call the recording. An RTTM file beside which
no recording of its name lies may tell of several: `dev00` in its lines is `dev00.wav`, or `…_dev00.wav`. A UEM file
of the same name as the RTTM file says which parts of a recording were listened to; without it all of it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from workflow_scripts.common.artifacts.files import open_text
from workflow_scripts.common.errors import ArtifactError, UsageError
from workflow_scripts.common.projects import is_video_name
from workflow_scripts.common.timeline import Segment, Turn

SegmentT = TypeVar("SegmentT", bound=Segment)

SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".wma", ".sph", ".aif", ".aiff")


@dataclass(frozen=True)
class SoundTruth:
    """A recording, the turns of its speakers, and the parts that were listened to; None is all of it."""

    path: Path
    turns: tuple[Turn, ...]
    extent: tuple[Segment, ...] | None

    @property
    def speakers(self) -> int:
        """How many people speak in the parts that were listened to."""
        heard = self.extent
        return len(
            {
                turn.speaker
                for turn in self.turns
                if heard is None or any(turn.start < part.end and part.start < turn.end for part in heard)
            }
        )


def load_sound_truths(folder: Path) -> list[SoundTruth]:
    """All recordings of a folder whose turns are known, by name.

    Raises:
        UsageError: there are none.
        ArtifactError: an RTTM or UEM file is garbled.
    """
    sounds = sorted(path for path in folder.iterdir() if is_sound(path))
    found: dict[Path, SoundTruth] = {}
    for rttm in sorted(folder.glob("*.rttm")):
        turns = _by_recording(rttm, _turn)
        uem = rttm.with_suffix(".uem")
        extents = _by_recording(uem, _extent) if uem.is_file() else {}
        for name, own in turns.items():
            extent = tuple(sorted(extents[name])) if name in extents else None
            for path in _told_of(rttm, name, len(turns), sounds):
                found[path] = SoundTruth(path, tuple(sorted(own)), extent)
    if not found:
        raise UsageError(
            f"{folder}: no recording here has its turns beside it.",
            hint="An RTTM file of the same name tells them: talk.rttm of talk.wav.",
        )
    return [found[path] for path in sorted(found)]


def is_sound(path: Path) -> bool:
    """Whether a name is that of a sound or video."""
    return path.suffix.lower() in SOUND_SUFFIXES or is_video_name(path.name)


def _told_of(rttm: Path, name: str, names: int, sounds: Sequence[Path]) -> list[Path]:
    """The files that the lines of one recording in an RTTM file tell of."""
    beside = [path for path in sounds if path.stem == rttm.stem]
    if beside:
        return beside if names == 1 or name == rttm.stem else []
    return [path for path in sounds if path.stem == name or path.stem.endswith(f"_{name}")]


def _by_recording(path: Path, read: Callable[[Sequence[str]], SegmentT | None]) -> dict[str, list[SegmentT]]:
    """What `read` makes of the words of each line, by the recording that its second or first word names."""
    found: dict[str, list[SegmentT]] = defaultdict(list)
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            words = line.split()
            try:
                if words and (one := read(words)) is not None:
                    found[words[1] if words[0] == "SPEAKER" else words[0]].append(one)
            except (ValueError, IndexError) as error:
                raise ArtifactError(path, f"line {number} cannot be understood.") from error
    return found


def _turn(words: Sequence[str]) -> Turn | None:
    if words[0] != "SPEAKER":
        return None
    start, length = float(words[3]), float(words[4])
    return Turn(start, start + length, words[7])


def _extent(words: Sequence[str]) -> Segment | None:
    return None if words[0].startswith(";") else Segment(float(words[2]), float(words[3]))
