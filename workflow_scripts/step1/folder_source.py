"""Reading a folder, or a single video, as if it were an archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.projects import VIDEO_SUFFIXES, is_video_name
from workflow_scripts.step1.limits import Meter
from workflow_scripts.step1.members import Kind, Member, shown
from workflow_scripts.step1.reading import CHUNK, Receiver


class FolderSource:
    """Files that lie in a folder; `members` are ordered by name."""

    def __init__(self, folder: Path, members: Sequence[Member]) -> None:
        self.members = members
        self.packed = sum(member.size for member in members if member.kind == "file")
        self._folder = folder

    def pour(self, receiver: Receiver) -> None:
        """Give the bytes of every file."""
        for index, member in enumerate(self.members):
            if member.kind != "file":
                continue
            receiver.begin(index)
            with (self._folder / member.name).open("rb") as stream:
                while data := stream.read(CHUNK):
                    receiver.write(data)
            receiver.end()


@contextmanager
def open_folder(folder: Path, meter: Meter) -> Iterator[FolderSource]:
    """Open a folder; links in it are listed as links, never followed.

    Raises:
        RefusedError: too many entries.
    """
    members = []
    for member in _walk(folder):
        members.append(member)
        meter.check_entries(len(members))
    yield FolderSource(folder, sorted(members, key=lambda member: member.name))


@contextmanager
def open_video(path: Path) -> Iterator[FolderSource]:
    """Open a single video as a folder that holds nothing else.

    Raises:
        RefusedError: it has no video suffix (what is inside is STEP2's to find out).
    """
    if not is_video_name(path.name):
        raise RefusedError(
            f"{shown(path.name)}: neither an archive that can be read here (zip, tar, 7z) nor a video.",
            hint=f"Videos end in {', '.join(VIDEO_SUFFIXES)}.",
        )
    yield FolderSource(path.parent, [Member(path.name, path.stat().st_size, "file")])


def _walk(folder: Path) -> Iterator[Member]:
    def fail(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=fail):
        for name in folders + files:
            path = Path(root, name)
            status = path.lstat()
            yield Member(path.relative_to(folder).as_posix(), status.st_size, _kind(status.st_mode))


def _kind(mode: int) -> Kind:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "device"
