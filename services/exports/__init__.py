"""Shots for editing programs: EDL, Final Cut Pro XML, OpenTimelineIO and two tables; one module per format."""

from __future__ import annotations

from services.exports.formats import FORMATS, Format
from services.exports.shot_list import ShotList, Sound
from services.exports.videos import Exported, export_videos, shots_of

__all__ = ["FORMATS", "Exported", "Format", "ShotList", "Sound", "export_videos", "shots_of"]
