"""Scenes CSV, `<stem>.csv`: the shots, as the cutting script reads them by position."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.common.artifacts.files import open_text
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock, timecode
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Shot

HEADER = ("No", "Timecode In", "Timecode Out", "Frame In", "Frame Out")


def write_scenes(path: Path, shots: Sequence[Shot], clock: FrameClock) -> None:
    """Write shots as CSV: UTF-8 without BOM, CRLF, frames 1-based and inclusive.

    Both timecodes are `(frame - 1) / fps`, so "Timecode Out" is the start of the last frame.

    Raises:
        ValueError: the shots do not cover the clock's frames one after the other.
    """
    check_shots(shots, clock.frames)
    with atomic_writer(path) as stream:
        stream.write(",".join(HEADER) + "\r\n")
        for number, shot in enumerate(shots, 1):
            begin, last = timecode(clock.time(shot.start)), timecode(clock.time(shot.end - 1))
            stream.write(f"{number},{begin},{last},{shot.start + 1},{shot.end}\r\n")


def check_shots(shots: Sequence[Shot], frames: int) -> None:
    """Make sure that shots are contiguous from frame 0 to the last.

    Raises:
        ValueError: they are not.
    """
    edges = [0, *(shot.end for shot in shots)]
    if [shot.start for shot in shots] != edges[:-1] or edges[-1] != frames:
        raise ValueError(f"shots must cover frames 0 to {frames} without gap or overlap")


def read_scenes(path: Path) -> tuple[Shot, ...]:
    """The shots of a scenes CSV, contiguous and half-open.

    Raises:
        ArtifactError: another header (`t;scene` of an older tool, for example), a row that is no shot, or
            shots that leave a gap, overlap or do not begin at frame 1.
    """
    with open_text(path) as stream:
        try:
            rows = [row for row in csv.reader(stream) if row]
        except csv.Error as error:
            raise ArtifactError(path, f"is no scenes file ({error}).") from error
    if not rows or tuple(cell.strip() for cell in rows[0]) != HEADER:
        found = ",".join(rows[0]) if rows else "nothing"
        raise ArtifactError(path, f"is no scenes file: its header is {found[:60]!r}.")
    shots = []
    for line, row in enumerate(rows[1:], 2):
        try:
            shots.append(Shot(int(row[3]) - 1, int(row[4])))
        except (ValueError, IndexError) as error:
            raise ArtifactError(path, f"line {line} is no shot: {','.join(row)[:60]!r}.") from error
        expected = shots[-2].end if len(shots) > 1 else 0
        if shots[-1].start != expected:
            raise ArtifactError(path, f"line {line} begins at frame {row[3]}, not at {expected + 1}.")
    if not shots:
        raise ArtifactError(path, "holds no shot.")
    return tuple(shots)
