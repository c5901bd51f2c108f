"""A plain table of the shots (`.shots.csv`), for people, spreadsheets and scripts.

Frames are 0-based and half-open here, as the column names say: `first_frame` belongs to the shot, `end_frame` is
the first that does not. UTF-8, comma, CRLF.
"""

from __future__ import annotations

import csv
import io

from services.exports.shot_list import ShotList, frame_timecode

HEADER = (
    "shot",
    "first_frame",
    "end_frame",
    "frames",
    "start_seconds",
    "end_seconds",
    "start_timecode",
    "end_timecode",
    "opened_by",
)


def render_table(shot_list: ShotList) -> str:
    """The shots as a table with one header line; `opened_by` is hard, gradual, or empty where that is not known."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    clock = shot_list.clock
    for number, shot in enumerate(shot_list.shots, 1):
        opening = shot_list.opening.get(shot.start)
        edges = (shot.start, shot.end)
        seconds = (f"{float(clock.time(frame)):.3f}" for frame in edges)
        timecodes = (frame_timecode(frame, clock.fps) for frame in edges)
        writer.writerow([number, *edges, len(shot), *seconds, *timecodes, opening.kind if opening else ""])
    return text.getvalue()
