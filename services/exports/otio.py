"""OpenTimelineIO (`.otio`): a timeline with one clip per shot, by opentimelineio itself.

A track of pictures and, where the video has sound, one of sound. Every clip refers to the whole file and is a
range of it. A gradual transition is footage, no edit: the cut stays where it is, and a marker names it; what else
is known about the transition that opens a shot is in the clip's metadata, under `workflow`.
"""

from __future__ import annotations

from dataclasses import asdict

from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, ExternalReference, Marker, MarkerColor, Timeline, Track, TrackKind

from services.exports.shot_list import ShotList
from workflow_scripts.common.timeline import Shot

METADATA = "workflow"


def render_otio(shot_list: ShotList) -> str:
    """The shots as an OpenTimelineIO document."""
    timeline = Timeline(shot_list.title, global_start_time=_range(0, 1, shot_list).start_time)
    tracks = {"V1": TrackKind.Video} if shot_list.sound is None else {"V1": TrackKind.Video, "A1": TrackKind.Audio}
    for name, kind in tracks.items():
        track = Track(name, kind=kind)
        track.extend(_clip(number, shot, shot_list) for number, shot in enumerate(shot_list.shots, 1))
        timeline.tracks.append(track)
    return f"{timeline.to_json_string(indent=1)}\n"


def _clip(number: int, shot: Shot, shot_list: ShotList) -> Clip:
    """A shot as a clip, with a reference of its own to the file: few programs understand a shared one."""
    reference = ExternalReference(shot_list.url, _range(0, shot_list.clock.frames, shot_list))
    reference.name = shot_list.name
    opening = shot_list.opening.get(shot.start)
    known = {"shot": number, "transition": asdict(opening) if opening else None}
    clip = Clip(shot_list.name, reference, _range(shot.start, len(shot), shot_list), {METADATA: known})
    if shot_list.gradual(shot):
        marked = _range(shot.start, 1, shot_list)
        clip.markers.append(Marker("Gradual transition", marked, MarkerColor.YELLOW))
    return clip


def _range(start: int, frames: int, shot_list: ShotList) -> TimeRange:
    rate = float(shot_list.clock.fps)
    return TimeRange(RationalTime(start, rate), RationalTime(frames, rate))
