"""Files of a project as one zip, written while it is sent: nothing of it lies in memory or on the disk."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from services.projects import Artifact, UnknownName, find_file
from workflow_scripts.common.events import printable
from workflow_scripts.common.projects import Project, is_video_name

#: What is packed already, besides videos.
_PACKED = (".gz", ".zip", ".7z", ".jpg", ".jpeg", ".png", ".webp", ".npz", ".mp3", ".m4a")
_BLOCK = 1 << 18


def chosen(
    artifacts: Iterable[Artifact], *, video: str | None = None, step: str | None = None, videos: bool = False
) -> list[Artifact]:
    """Some artifacts of a project.

    Args:
        artifacts: all there are.
        video: only those of the video of this name.
        step: only those that this step left.
        videos: whether videos are wanted too; they are large.
    """
    return [
        artifact
        for artifact in artifacts
        if video in (None, artifact.video)
        and step in (None, artifact.step)
        and (videos or not is_video_name(artifact.path.name))
    ]


def located(project: Project, artifacts: Iterable[Artifact]) -> list[tuple[Path, str]]:
    """Where each artifact lies, and what it is called in a zip; those that lead out of the project are left out."""
    found: list[tuple[Path, str]] = []
    taken: set[str] = set()
    for artifact in artifacts:
        try:
            path = find_file(project, artifact.key)
        except UnknownName:
            continue
        name = _free(_name_inside(artifact.path), taken)
        taken.add(name)
        found.append((path, name))
    return found


def zipped(files: Iterable[tuple[Path, str]]) -> Iterator[bytes]:
    """A zip of files under the names given, in pieces.

    What is packed already is stored as it is. A file that cannot be read ends the zip in an error before its
    directory is written, so that one that is not whole never looks whole.

    Raises:
        OSError: a file cannot be read.
    """
    sink = _Sink()
    with ZipFile(sink, "w", allowZip64=True) as archive:
        for path, name in files:
            entry = ZipInfo.from_file(path, name, strict_timestamps=False)
            packed = path.suffix.lower() in _PACKED or is_video_name(path.name)
            entry.compress_type = ZIP_STORED if packed else ZIP_DEFLATED
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while block := source.read(_BLOCK):
                    target.write(block)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What a zip is written to; it cannot be sought in, and forgets what was taken from it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _name_inside(path: Path) -> str:
    """A path as a zip may hold it: nothing in it steers a terminal or is taken for a folder by another system."""
    return PurePosixPath(*(printable(part).replace("\\", "_") for part in path.parts)).as_posix()


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it where that is taken already."""
    path, number = PurePosixPath(name), 2
    while name in taken:
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        number += 1
    return name
