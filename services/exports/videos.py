"""Exporting videos: from a finished STEP3 to files for editing programs, without losing any that lie there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.exports.formats import Format
from services.exports.shot_list import ShotList, Sound
from services.status import video_status
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.transitions import NAME as TRANSITIONS
from workflow_scripts.common.artifacts.transitions import read_transitions
from workflow_scripts.common.atomic import atomic_writer, remove_leftovers
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.displaced import keep_displaced
from workflow_scripts.common.errors import BlockedError, ClockError, UsageError, VideoError
from workflow_scripts.common.media_info import AudioStream, read_media
from workflow_scripts.common.projects import Video

#: What becomes of files that a new export replaces: a folder beside them.
REPLACED = "replaced"
_STEP = "STEP3"


@dataclass(frozen=True)
class Exported:
    """What became of one file: `path` holds the shots now, or `problem` says why not.

    `written` is False where the file held the same before; `kept` are sentences about what was there instead.
    """

    path: Path
    written: bool = False
    problem: str = ""
    kept: tuple[str, ...] = ()


def export_videos(
    videos: Sequence[Video],
    formats: Sequence[Format],
    folder: Path | None = None,
) -> Iterator[tuple[Video, list[Exported] | VideoError]]:
    """Export videos one after the other; what fails for one stops neither the others nor its other formats.

    Args:
        videos: under the names STEP2 leaves behind, each once.
        formats: what to write for each.
        folder: where to; None is `exports/` in each video's project.

    Yields:
        each video with what became of its files, or with why it cannot be exported at all.

    Raises:
        UsageError: two videos would get the same file; nothing was written.
    """
    _refuse_same_names(videos, folder)
    return ((video, _export_one(video, formats, folder)) for video in videos)


def _refuse_same_names(videos: Sequence[Video], folder: Path | None) -> None:
    first: dict[str, Video] = {}
    for video in videos if folder is not None else ():
        other = first.setdefault(video.stem, video)
        if other is not video:
            raise UsageError(
                f"{video.name} of {video.project.name} and of {other.project.name} would be one file in {folder}.",
                hint="Export one project at a time, each to a folder of its own.",
            )


def _export_one(video: Video, formats: Sequence[Format], folder: Path | None) -> list[Exported] | VideoError:
    try:
        shot_list = shots_of(video)
    except VideoError as error:
        return error
    place = folder or video.project.root / "exports"
    return [_write(shot_list, one, place / f"{video.stem}{one.suffix}", video) for one in formats]


def shots_of(video: Video) -> ShotList:
    """The shots that a finished STEP3 left for a video.

    Raises:
        BlockedError: STEP3 has not finished for the video as it is now.
        ArtifactError: its file, or what STEP2 measured, cannot be read.
        ClockError: they speak of different numbers of frames.
    """
    status = video_status(video, [_STEP]).steps[_STEP]
    if status.state not in ("succeeded", "degraded"):
        why = f" ({status.message.rstrip('.')})" if status.message else ""
        text = f"{video.name}: {_STEP} has not finished for this video{why}."
        raise BlockedError(text, hint=f"Run {_STEP} first.")
    media = read_media(video.workflow / "media.json")
    clock, shots = FrameClock(media.fps, media.frames), read_scenes(video.delivered(".csv"))
    if shots[-1].end != clock.frames:
        raise ClockError(
            f"{video.name}: its shots end at frame {shots[-1].end}, STEP2 measured {clock.frames}.",
            hint=f"Run {_STEP} again for this video.",
        )
    return ShotList(
        video.path.absolute(),
        clock,
        media.display_width,
        media.display_height,
        shots,
        _sound(media.audio),
        read_transitions(video.workflow / TRANSITIONS),
    )


def _sound(tracks: Sequence[AudioStream]) -> Sound | None:
    return next((Sound(track.rate, track.channels) for track in tracks if track.decodable), None)


def _write(shot_list: ShotList, one: Format, path: Path, video: Video) -> Exported:
    """Write one file; what lay there with other content goes to `replaced/` beside it."""
    kept: list[str] = []
    try:
        content = one.render(shot_list).encode()
        if path.is_file() and path.read_bytes() == content:
            return Exported(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        with (
            keep_displaced([path], video.workflow, path.parent / REPLACED, kept.append),
            atomic_writer(path, "wb") as stream,
        ):
            stream.write(content)
    except VideoError as error:
        return Exported(path, problem=str(error))
    except OSError as error:
        return Exported(path, problem=f"{path}: cannot be written ({error.strerror}).", kept=tuple(kept))
    return Exported(path, written=True, kept=tuple(kept))
