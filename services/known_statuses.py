"""The status of videos, read again only where a file that it depends on has changed."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from services.status import VideoStatus, video_status
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.run import failure_path

#: Videos whose status is kept, all projects together: about 60 MB.
LARGEST = 1000
#: A file that changed less than so many nanoseconds ago may change again without its times telling.
_UNSETTLED_NS = 2_000_000_000

#: What tells a file from what it was before; None where there is none. Its last part is when it was changed.
Mark = tuple[int, int, int, int] | None


class _Known(NamedTuple):
    status: VideoStatus
    marks: dict[str, Mark]


class KnownStatuses:
    """The statuses of videos, each as `video_status` would give it now. May be used from any thread.

    A status depends on manifests, records of failures, and the files that manifests name; whether one of those has
    changed is asked of the file system every time.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._known: OrderedDict[tuple[Path, str, tuple[str, ...]], _Known] = OrderedDict()
        self._lock = Lock()

    def of(self, project: Project, keys: Sequence[str]) -> list[VideoStatus]:
        """The status of every video of a project; as `project_status`."""
        found = project.videos()
        videos = {video.stem: video for video in found}
        videos |= {video.stem: video for video in found if video.name == video.converted.name}
        return [self.of_video(video, keys) for video in videos.values()]

    def of_video(self, video: Video, keys: Sequence[str]) -> VideoStatus:
        """The status of one video; as `video_status`."""
        name = (video.project.docs, video.name, tuple(keys))
        with self._lock:
            known = self._known.get(name)
        if known is None or any(_mark(path) != mark for path, mark in known.marks.items()):
            known = _look(video, keys)
            if not _settled(known.marks.values()):
                return known.status
        self._keep(name, known)
        return known.status

    def _keep(self, name: tuple[Path, str, tuple[str, ...]], known: _Known) -> None:
        with self._lock:
            self._known[name] = known
            self._known.move_to_end(name)
            while len(self._known) > self._largest:
                self._known.popitem(last=False)


def _look(video: Video, keys: Sequence[str]) -> _Known:
    status = video_status(video, keys)
    paths = [video.workflow / f"{key}.json" for key in keys]
    paths += [failure_path(video.workflow, key) for key in keys]
    for step in status.steps.values():
        if step.manifest is not None:
            records = (*step.manifest.outputs.values(), *step.manifest.inputs.values())
            paths += [record.located(video.root) for record in records]
    return _Known(status, {name: _mark(name) for name in map(str, paths)})


def _mark(path: str) -> Mark:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a Path for each takes three times as long
    except (OSError, ValueError):
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _settled(marks: Iterable[Mark]) -> bool:
    """Whether all changes are so old that another one would show."""
    limit = time.time_ns() - _UNSETTLED_NS
    return all(mark is None or mark[3] < limit for mark in marks)


#: Those of this process.
STATUSES = KnownStatuses()
