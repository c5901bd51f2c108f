"""The indexes of all videos: opened at once where they are there, else made in the background."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import OrderedDict
from functools import partial
from pathlib import Path

from services.projects import UnknownName
from services.viewing.building import build
from services.viewing.index import Index, index_path, open_index, remove_stale
from services.viewing.jobs import Jobs, Preparing, Progress
from services.viewing.sources import WORD_OF, Kind, Source, source_of
from workflow_scripts.common.errors import VideoError, WorkflowError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video

#: Bytes of artifacts from which they are read in a process of its own, so that other pages are not slowed down.
_OWN_PROCESS_FROM = 2_000_000
#: How many open indexes, and how many reasons why one could not be made, are remembered.
_REMEMBERED = 64
#: How often at most a file is looked at again that changes while it is being read.
_ATTEMPTS = 3


class Indexes:
    """Gives the index of any result of any video; of each only the one that fits its files as they are now.

    Args:
        jobs: where they are made.
    """

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, Index] = OrderedDict()
        self._broken: OrderedDict[Path, WorkflowError] = OrderedDict()

    def get(self, video: Video, kind: Kind, of: str | None = None, *, wait_s: float = 0.4) -> Index | Preparing:
        """The index of what a video has now, or `of` an earlier result; how far it is while it is being made.

        Args:
            wait_s: seconds to wait for one that has to be made.

        Raises:
            UnknownName: the video has no such data, or no such earlier result.
            ArtifactError: a file cannot be read.
            VideoError: the index cannot be written.
        """
        for _ in range(_ATTEMPTS):
            source = source_of(video, kind, of)
            if source is None:
                raise UnknownName(f"This video has no {WORD_OF[kind]} yet.")
            path = index_path(source.folder, kind, source.name, source.signature())
            found = self._remembered(path)
            if found is not None:
                return found
            answer = self._jobs.ensure(path, partial(self._make, source, path), what=kind, wait_s=wait_s)
            if isinstance(answer, Preparing):
                return answer
        return Preparing(kind, 0.0)

    def _remembered(self, path: Path) -> Index | None:
        with self._lock:
            if (failure := self._broken.get(path)) is not None:
                raise failure
            if (found := self._open.get(path)) is not None:
                self._open.move_to_end(path)
                return found
        if (found := open_index(path)) is not None:
            with self._lock:
                self._open[path] = found
                while len(self._open) > _REMEMBERED:
                    self._open.popitem(last=False)
        return found

    def _make(self, source: Source, path: Path, progress: Progress) -> None:
        """Make an index unless it is there; one of files that changed meanwhile is thrown away."""
        if path.is_dir():
            return
        try:
            if source.size < _OWN_PROCESS_FROM:
                build(source.kind, source.files, path, progress.tell)
            else:
                _build_apart(source, path, progress)
            remove_stale(path, source.results())
        except OSError as error:
            text = f"The view of {source.folder.parents[1].name} cannot be prepared ({error.strerror or error})."
            raise VideoError(text, hint="Check free space and permissions.", retry=True) from error
        except WorkflowError as error:
            if not error.retry:
                self._note(path, error)
            raise
        finally:
            now = index_path(source.folder, source.kind, source.name, source.signature())
            if now != path:
                shutil.rmtree(path, ignore_errors=True)

    def _note(self, path: Path, error: WorkflowError) -> None:
        """Remember why these very files can never be read."""
        with self._lock:
            self._broken[path] = error
            while len(self._broken) > _REMEMBERED:
                self._broken.popitem(last=False)


def _build_apart(source: Source, path: Path, progress: Progress) -> None:
    """Build in a process of its own, which ends with this one."""
    roles = [f"{role}={file}" for role, file in source.files.items()]
    command = [sys.executable, "-m", "services.viewing.building", source.kind, str(path), *roles]
    said: dict[str, object] = {}
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            progress.tell(float(str(said.get("share", 0.0))))
            if progress.ended:
                process.kill()
                break
    if process.returncode == 0:
        return
    if isinstance(number := said.get("errno"), int):
        raise OSError(number, os.strerror(number))
    if process.returncode < 0 or "message" not in said:
        raise VideoError(f"Reading the {WORD_OF[source.kind]} ended unexpectedly.", retry=True)
    raise VideoError(str(said["message"]), hint=str(said.get("hint", "")))
