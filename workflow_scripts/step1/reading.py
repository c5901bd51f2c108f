"""The one way to read every kind of source: what its members are, and their bytes as a stream."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, Protocol

from workflow_scripts.common.errors import RefusedError, WorkflowError
from workflow_scripts.step1.members import Member, shown

Format = Literal["zip", "7z", "tar", "gz", "bz2", "xz", "zst", "rar"]

#: Bytes handed on at a time; memory does not grow with the size of a member.
CHUNK = 1 << 20

#: What to do about one part of a split archive.
PARTS_HINT = "Join the parts into one archive first, or unpack them and drop the folder."
_DAMAGE_HINT = "Copy or download it again."


class Receiver(Protocol):
    """Takes the bytes of an archive's files: begin, any number of writes, end, then the next file."""

    def begin(self, index: int) -> None:
        """The file `archive.members[index]` follows."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Its next bytes, at most a few `CHUNK`s."""

    def end(self) -> None:
        """The file is complete, and its checksum is right where the format has one."""


class Archive(Protocol):
    """An archive, or a folder, that is open for reading."""

    @property
    def members(self) -> Sequence[Member]:
        """Every entry in stored order, names as stored."""

    @property
    def packed(self) -> int:
        """Size of the source in bytes."""

    def pour(self, receiver: Receiver) -> None:
        """Give the bytes of every file, once and in any order of files."""


@contextmanager
def telling_damage(name: str) -> Iterator[None]:
    """Turn whatever a reader raises on a damaged archive into one sentence.

    Readers of archives raise what Python raises when a header makes no sense (IndexError, struct.error,
    MemoryError, …), so every Exception counts; only our own pass, and those that end the process.
    """
    try:
        yield
    except WorkflowError:
        raise
    except (EOFError, tarfile.ReadError) as error:
        raise RefusedError(
            f"{shown(name)}: the archive is cut off or damaged ({_reason(error)}).", hint=_DAMAGE_HINT
        ) from error
    except MemoryError as error:
        raise RefusedError(
            f"{shown(name)}: unpacking needs more memory than there is.", hint="Pack with a smaller dictionary."
        ) from error
    except Exception as error:
        raise RefusedError(
            f"{shown(name)}: the archive is damaged ({_reason(error)}).", hint=_DAMAGE_HINT
        ) from error


def _reason(error: Exception) -> str:
    text = shown(str(error)).strip().rstrip(".")
    return text or type(error).__name__
