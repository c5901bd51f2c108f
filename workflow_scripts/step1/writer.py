"""Writes what comes out of an archive into a partial folder, counted before it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from workflow_scripts.common.errors import RefusedError, VideoError
from workflow_scripts.step1.layout import Layout
from workflow_scripts.step1.limits import Meter, in_words
from workflow_scripts.step1.members import Member, shown

#: Called with bytes written, bytes declared by the source and the unit.
Progress = Callable[[int, int | None, str], None]


class Writer:
    """A receiver that writes each file to its place in the layout; use as a context manager.

    Files are created new, never opened, so nothing that exists is followed or overwritten; each is on the disk
    (fsync) before its `end` returns. Dropped files are counted and checked, but not written.

    Attributes:
        files, size: how many files were written, and their bytes.
        digests: index of each member that came -> sha256 of its bytes.
    """

    def __init__(
        self, source: str, members: Sequence[Member], layout: Layout, folder: Path, meter: Meter, progress: Progress
    ) -> None:
        self.files = 0
        self.size = 0
        self.digests: dict[int, str] = {}
        self._source = shown(source)
        self._members = members
        self._layout = layout
        self._folder = folder
        self._meter = meter
        self._progress = progress
        self._declared = sum(member.size for member in members if member.kind == "file")
        self._index = -1
        self._came = 0
        self._digest = hashlib.sha256()
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def begin(self, index: int) -> None:
        """Make the file of a member."""
        self._meter.begin()
        self._index, self._came, self._digest = index, 0, hashlib.sha256()
        target = self._layout.targets.get(index)
        if target is None:
            return
        try:
            path = self._folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("xb")
        except OSError as error:
            raise self._cannot_write(error) from error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Count bytes, then write them.

        Raises:
            RefusedError: a limit is passed, or more comes than the member declares.
            VideoError: the disk is full or cannot be written to.
        """
        self._meter.add(len(data))
        self._came += len(data)
        if self._came > self._members[self._index].size:
            raise self._wrong_size()
        self._digest.update(data)
        if self._stream is not None:
            try:
                self._stream.write(data)
            except OSError as error:
                raise self._cannot_write(error) from error
        self._progress(self._meter.total, self._declared, "bytes")

    def end(self) -> None:
        """Close the file of a member, once it is on the disk."""
        if self._came != self._members[self._index].size or self._index in self.digests:
            raise self._wrong_size()
        self.digests[self._index] = self._digest.hexdigest()
        if self._stream is None:
            return
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._close()
        except OSError as error:
            raise self._cannot_write(error) from error
        self.files += 1
        self.size += self._came

    def check_complete(self) -> None:
        """Make sure that every file of the archive has come.

        Raises:
            RefusedError: one has not.
        """
        for index, member in enumerate(self._members):
            if member.kind == "file" and index not in self.digests:
                raise RefusedError(
                    f"{self._source}: the archive is damaged ('{shown(member.name)}' did not come out).",
                    hint="Copy or download it again.",
                )

    def _close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.close()

    def _wrong_size(self) -> RefusedError:
        member = self._members[self._index]
        return RefusedError(
            f"{self._source}: the archive is damaged ('{shown(member.name)}' has not the size it declares).",
            hint="Copy or download it again.",
        )

    def _cannot_write(self, error: OSError) -> VideoError:
        member = self._members[self._index]
        return VideoError(
            f"{self._source}: '{shown(member.name)}' cannot be written after {in_words(self._meter.total)} "
            f"({error.strerror}); nothing of it was kept.",
            hint="Free some space, or mend the permissions, and run STEP1 again.",
            retry=True,
        )
