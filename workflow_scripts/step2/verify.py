"""Checking a converted video against its source, as figures; pure."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.errors import VideoError
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.media_info import MediaInfo
from workflow_scripts.step2.plan import Convert, Untouched, plan

FRAME_S = 0.04


def gates(source: MediaInfo, work: Convert, result: MediaInfo, sound_lags: Mapping[str, float]) -> tuple[Gate, ...]:
    """The figures by which a conversion is judged.

    `sound_lags` holds seconds by which the sound came later than in the source, where it could be measured.
    """
    length = abs(result.duration - source.duration)
    tracks = result.video_streams + result.cover_pictures + len(result.audio)
    checks = [
        Gate.equals("frames", result.frames, work.frames),
        Gate.at_most("length against source (s)", round(float(length), 4), FRAME_S),
        Gate.equals("first picture (s)", round(float(result.start), 4), 0.0),
        Gate.equals("streams", tracks, 2 if work.sound else 1),
    ]
    if work.sound and result.audio:
        end = abs(result.audio[0].end - result.start - result.duration)
        checks.append(Gate.at_most("end of sound against picture (s)", round(float(end), 4), FRAME_S))
        worst = max((abs(lag) for lag in sound_lags.values()), default=None)
        name, limit = "sound against picture (s)", f"<= {FRAME_S:g}"
        checks.append(Gate(name, worst, limit, None if worst is None else worst <= FRAME_S))
    return tuple(checks)


def require_usable(name: str, work: Convert, result: MediaInfo) -> None:
    """Make sure that a result may take the source's place.

    Raises:
        VideoError: it is not what later steps expect, or its length is off by more than a frame.
    """
    verdict = plan(result, suffix="mp4", can_tone_map=True)
    if not isinstance(verdict, Untouched):
        flaws = ", ".join(verdict.reasons)
        raise VideoError(f"{name}: the converted video failed its check ({flaws}).", retry=True)
    if abs(result.frames - work.frames) > 1 or result.fps != WORKING_RATE:
        raise VideoError(
            f"{name}: the converted video holds {result.frames} pictures instead of {work.frames}.",
            hint="The source was left where it is; it may be damaged.",
        )
