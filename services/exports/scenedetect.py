"""The table that PySceneDetect's `list-scenes` writes (`-Scenes.csv`), to the letter: its `load-scenes` reads it.

First a line with the timecodes of all cuts, empty where there is none; then a header and a row per scene. Frames
are 1-based and inclusive, but the end *time* is that of the frame after the last. UTF-8, comma, LF.
"""

from __future__ import annotations

import csv
import io

from services.exports.shot_list import ShotList
from workflow_scripts.common.clock import FrameClock, timecode

HEADER = (
    "Scene Number",
    "Start Frame",
    "Start Timecode",
    "Start Time (seconds)",
    "End Frame",
    "End Timecode",
    "End Time (seconds)",
    "Length (frames)",
    "Length (timecode)",
    "Length (seconds)",
)


def render_scenes(shot_list: ShotList) -> str:
    """The shots as PySceneDetect lists scenes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    clock, shots = shot_list.clock, shot_list.shots
    cuts = [timecode(clock.time(shot.start)) for shot in shots[1:]]
    writer.writerow(["Timecode List:", *cuts] if cuts else [])
    writer.writerow(HEADER)
    for number, shot in enumerate(shots, 1):
        begin, end, length = (_moment(frame, clock) for frame in (shot.start, shot.end, len(shot)))
        writer.writerow([number, shot.start + 1, *begin, shot.end, *end, len(shot), *length])
    return text.getvalue()


def _moment(frame: int, clock: FrameClock) -> tuple[str, str]:
    """When a frame begins: as a timecode, and in seconds."""
    seconds = clock.time(frame)
    return timecode(seconds), f"{float(seconds):.3f}"
