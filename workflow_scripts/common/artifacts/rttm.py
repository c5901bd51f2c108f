"""RTTM, `<stem>.rttm`: speaker turns in the format diarization tools exchange (NIST RT-09)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.common.artifacts.files import open_text
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Turn


def write_rttm(path: Path, video_name: str, turns: Sequence[Turn]) -> None:
    """Write turns, one `SPEAKER` line each, in seconds with millisecond precision.

    RTTM fields are separated by white space, so white space in the video's name becomes `_`.
    """
    uri = re.sub(r"\s", "_", Path(video_name).stem) or "_"
    with atomic_writer(path) as stream:
        for turn in sorted(turns):
            length = max(0.001, round(turn.end, 3) - round(turn.start, 3))  # readers refuse a turn of no length
            stream.write(f"SPEAKER {uri} 1 {turn.start:.3f} {length:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n")


def read_rttm(path: Path) -> tuple[Turn, ...]:
    """The turns of an RTTM file, in order of their start; other line types are passed over.

    Raises:
        ArtifactError: a SPEAKER line without start, duration and name.
    """
    turns = []
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            fields = line.split()
            if not fields or fields[0] != "SPEAKER":
                continue
            try:
                start, length = float(fields[3]), float(fields[4])
                turns.append(Turn(start, start + length, fields[7]))
            except (ValueError, IndexError) as error:
                raise ArtifactError(path, f"line {number} is no speaker turn.") from error
    return tuple(sorted(turns))
