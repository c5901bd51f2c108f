"""CMX 3600 edit decision list (`.edl`): one video event per shot, source and record times alike.

Written here and not by opentimelineio's adapter, which writes no `FCM` line, lets timecode wrap at 24 hours without
a word, turns to drop-frame timecode by itself at some rates, and takes time with the square of the number of shots
(10,000: eight seconds). It reads the result, and the tests hold it to that.

The reel is `AX`, the name for a source that is no tape; the file is told by `FROM CLIP NAME`, with its suffix, as
editing programs match it. Event numbers grow past 999 where there are more shots than the original format counts,
which editing programs accept. A gradual transition is footage, no edit: it stays where it is, and a locator names
it.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.exports.shot_list import ShotList, frame_timecode
from workflow_scripts.common.errors import VideoError

_DAY_S = 24 * 3600
#: A timecode has two digits for the frame.
_HIGHEST_RATE = 99
_INSTEAD = "Export it as fcpxml or otio."


def render_edl(shot_list: ShotList) -> str:
    """The shots as an EDL; lines end in CRLF.

    Raises:
        VideoError: timecode cannot count the video: no whole number of frames a second, or a day or longer.
    """
    _check(shot_list)
    return "".join(f"{line}\r\n" for line in _lines(shot_list))


def _check(shot_list: ShotList) -> None:
    clock, name = shot_list.clock, shot_list.name
    if clock.fps.denominator != 1 or clock.fps > _HIGHEST_RATE:
        text = f"{name}: an EDL counts 1 to {_HIGHEST_RATE} whole frames a second, this video has {clock.fps}."
        raise VideoError(text, hint=_INSTEAD)
    if clock.duration >= _DAY_S:
        hours = float(clock.duration / 3600)
        raise VideoError(f"{name}: an EDL ends at 24 hours, this video at {hours:.1f}.", hint=_INSTEAD)


def _lines(shot_list: ShotList) -> Iterator[str]:
    yield f"TITLE: {shot_list.title}"
    yield "FCM: NON-DROP FRAME"
    yield ""
    for number, shot in enumerate(shot_list.shots, 1):
        begin, end = (frame_timecode(frame, shot_list.clock.fps) for frame in (shot.start, shot.end))
        yield f"{number:03d}  AX       V     C        {begin} {end} {begin} {end}"
        yield f"* FROM CLIP NAME:  {shot_list.name}"
        if shot_list.gradual(shot):
            yield f"* LOC: {begin} YELLOW  GRADUAL TRANSITION"
