"""Videos that can be shown to the frame: those that STEP2 has measured, unchanged since; and what browsers play.

Before STEP2 a video may have a variable rate, any codec, a rotation or no picture at all; its frames have no
numbers that an artifact could refer to. Such a video is not shown: a sentence says so.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from services.names import name_of
from services.projects import UnknownName, find_project
from services.viewing.playable_cache import readable
from workflow_scripts.common.errors import PreconditionError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.manifest import read_manifest
from workflow_scripts.common.media import open_media
from workflow_scripts.common.media_info import MediaInfo, read_media
from workflow_scripts.common.projects import Project, Video, is_video_name

#: What browsers decode without effort: 1920x1080, upright or lying.
LONG_SIDE, SHORT_SIDE = 1920, 1080
#: Frames between two keyframes beyond which jumping to a frame takes noticeably long.
LONGEST_GOP = 250

Stamp = tuple[int, int, int]


class NotMeasured(PreconditionError):
    """Raised when the frames of a video have no numbers, because STEP2 has not measured the file that is there."""


@dataclass(frozen=True)
class Film:
    """A video as STEP2 measured it: constant 25 frames a second from second 0, upright, in square pixels.

    Decoded frame `n`, from 0, is shown during `[n/fps, (n+1)/fps)` seconds; `stamp` tells this file from any that
    takes its name later.
    """

    video: Video
    media: MediaInfo
    stamp: Stamp

    def __hash__(self) -> int:
        return hash(self.stamp)

    @property
    def version(self) -> str:
        """Changes whenever the content does; 16 hexadecimal digits."""
        return self.media.sha256[:16]

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(self.media.frames / self.media.fps)


def find_film(project: str, video: str) -> Film:
    """The video of these keys.

    Raises:
        UnknownName: there is no such project or video.
        NotMeasured: STEP2 has not measured it as it is now.
    """
    found = _find(find_project(project), video)
    workflow = found.workflow
    read = (found.path, workflow / "STEP2.json", workflow / "media.json")
    verdict = _measured(found, tuple(map(_stamp, read)))
    if isinstance(verdict, WorkflowError):
        raise NotMeasured(verdict.message, hint=verdict.hint)
    return verdict


def is_playable(film: Film) -> bool:
    """Whether browsers play the file itself, and are quick to show any frame of it."""
    media = film.media
    sides = sorted((media.width, media.height))
    fits = sides[0] <= SHORT_SIDE and sides[1] <= LONG_SIDE
    is_plain = (media.codec, media.pix_fmt) == ("h264", "yuv420p") and "mp4" in media.container
    return fits and is_plain and _longest_gop(film) <= LONGEST_GOP


def require_unchanged(film: Film) -> None:
    """Make sure that the file is still the one that was measured; asked after reading it, before that is believed.

    Raises:
        NotMeasured: another has taken its name.
    """
    if _stamp(film.video.path) != film.stamp:
        raise _changed(film.video)


def _changed(video: Video) -> NotMeasured:
    text = f"{printable(video.name)}: it has changed since STEP2 measured it."
    return NotMeasured(text, hint="Run STEP2 on it again.")


def _find(project: Project, key: str) -> Video:
    """A video by the key of its file, or of the file that STEP2 makes of it."""
    name = name_of(key)
    if name is not None and is_video_name(name):
        if (video := Video(project, name)).path.is_file():
            return video
        for video in project.videos():
            if video.converted.name == name:
                return video
    raise UnknownName("There is no such video in this project.")


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


@functools.lru_cache(256)
def _measured(video: Video, stamps: tuple[Stamp | None, ...]) -> Film | WorkflowError:
    """The film that a video is, or why it is none; the stamps are those of the files that tell, the video first."""
    file = stamps[0]
    done = read_manifest(video.workflow / "STEP2.json")
    record = done.outputs.get("video") if done else None
    shown = printable(video.name)
    if file is None or record is None or video.root / record.path != video.path:
        return NotMeasured(
            f"{shown}: it has not been converted yet, so its frames have no numbers.", hint="Run STEP2 on it."
        )
    if not record.matches(video.root):
        return _changed(video)
    try:
        found = read_media(video.workflow / "media.json")
    except WorkflowError as error:
        return error
    if found.sha256 != record.sha256:
        return NotMeasured(f"{shown}: what STEP2 measured is of another file.", hint="Run STEP2 on it again.")
    return Film(video, found, file)


_gop_lock = threading.Lock()


def _longest_gop(film: Film) -> int:
    with _gop_lock:  # a page asks several times at once
        return _measure_gop(film)


@functools.lru_cache(256)
def _measure_gop(film: Film) -> int:
    """The most frames from one keyframe to the next, or to the end."""
    with readable(film.video.path) as path, open_media(path) as container:
        entries = container.streams.video[0].index_entries
        keys = [number for number, entry in enumerate(entries) if entry.is_keyframe]
        return max((later - earlier for earlier, later in pairwise([*keys, len(entries)])), default=0)
