"""What a source is, by its first bytes; its suffix is not trusted."""

from __future__ import annotations

import re
import tarfile
from contextlib import AbstractContextManager
from pathlib import Path

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.folder_source import open_folder, open_video
from workflow_scripts.step1.limits import Limits, Meter
from workflow_scripts.step1.members import shown
from workflow_scripts.step1.reading import PARTS_HINT, Archive, Format
from workflow_scripts.step1.seven_zip_archive import open_seven_zip
from workflow_scripts.step1.tar_archive import open_tar
from workflow_scripts.step1.zip_archive import open_zip

#: What is taken off an archive's name to name its project, the longest first.
ARCHIVE_SUFFIXES = (
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.zstd",
    ".tgz", ".tbz2", ".tbz", ".txz", ".tzst", ".tar", ".zip", ".7z",
)  # fmt: skip

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"Rar!\x1a\x07", "rar"),
)
#: One file of an archive that was split: x.zip.001, x.7z.002, x.z01.
_PART = re.compile(r"\.(\d{3}|z\d{2})$", re.IGNORECASE)


def format_of(path: Path) -> Format | None:
    """The format of a file by its content; None when it is no archive.

    The compressed ones (gz, bz2, xz, zst) are taken for archives here; whether there is a tar inside is seen
    when they are read.
    """
    with path.open("rb") as stream:
        head = stream.read(tarfile.BLOCKSIZE)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return "tar" if _is_tar_header(head) else None


def open_source(path: Path, limits: Limits, room: int) -> AbstractContextManager[Archive]:
    """Open an archive, a folder or a single video for reading.

    Args:
        path: the source.
        limits: `limits.entries` holds while the list is read; all of them while a compressed tar is listed,
            since listing one means unpacking it.
        room: bytes that the disk can take.

    Raises:
        RefusedError: not an archive that can be read here; encrypted, damaged, cut off or one of several parts.
    """
    meter = Meter(path.name, limits, path.stat().st_size, room)
    if path.is_dir():
        return open_folder(path, meter)
    kind = format_of(path)
    if _PART.search(path.name) and kind is not None:
        raise RefusedError(f"{shown(path.name)}: this is one part of a split archive.", hint=PARTS_HINT)
    if kind == "zip":
        return open_zip(path, meter)
    if kind == "7z":
        return open_seven_zip(path, meter)
    if kind == "rar":
        raise RefusedError(
            f"{shown(path.name)}: this is a RAR archive, which is not read here.", hint="Pack it as zip, tar or 7z."
        )
    if kind is not None:
        return open_tar(path, kind, meter)
    return open_video(path)


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
