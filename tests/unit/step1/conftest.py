"""Sources for STEP1, honest and hostile, and a way to extract them."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow_scripts.step1.extraction import ORIGIN, Extraction, extract
from workflow_scripts.step1.inbox import record_of
from workflow_scripts.step1.limits import Limits

#: Enough of a disk for a test machine that is nearly full.
LIMITS = Limits(keep_free=0)


@dataclass(frozen=True)
class Entry:
    """One entry of a zip archive written byte by byte, as zipfile would refuse or change it."""

    name: bytes
    data: bytes = b"video"
    flags: int = 0
    attributes: int = 0
    method: int = 0
    packed: bytes | None = None
    extra: bytes = b""
    crc: int | None = None
    size: int | None = None


def raw_zip(path: Path, *entries: Entry, offsets: Mapping[int, int] | None = None, disk: int = 0) -> Path:
    """Write a zip archive; `offsets` maps an entry to another one whose local header it claims."""
    body, table, starts = bytearray(), bytearray(), []
    for index, entry in enumerate(entries):
        packed = entry.data if entry.packed is None else entry.packed
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) if entry.size is None else entry.size
        head = struct.pack("<4H", 20, entry.flags, entry.method, 0) + struct.pack(
            "<H3L2H", 0x21, crc, len(packed), size, len(entry.name), len(entry.extra)
        )
        starts.append(len(body))
        start = starts[(offsets or {}).get(index, index)]
        body += b"PK\3\4" + head + entry.name + entry.extra + packed
        table += b"PK\1\2" + struct.pack("<H", 0x031E) + head
        table += struct.pack("<3H2L", 0, 0, 0, entry.attributes, start) + entry.name + entry.extra
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, len(entries), len(entries), len(table), len(body), 0)
    path.write_bytes(bytes(body + table + end))
    return path


def plain_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip archive as zipfile writes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def plain_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """A tar archive as tarfile writes it; the mode says how it is packed (`w:gz`, …)."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def plain_seven_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """A 7z archive, all files in one solid stream; names that py7zr would not write are put in afterwards."""
    import py7zr

    with py7zr.SevenZipFile(path, "w") as archive:
        for index, data in enumerate(files.values()):
            archive.writestr(data, f"{index}")
        for entry, name in zip(archive.header.files_info.files, files, strict=True):
            entry["filename"] = name
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, without what STEP1 itself writes."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if Path(name) != ORIGIN}


class Workplace:
    """An inbox, a folder of projects, and STEP1 between them."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "inbox"
        self.projects = folder / "projets_extraits"
        self.inbox.mkdir()

    def extract(self, source: Path, limits: Limits = LIMITS) -> Extraction:
        """Extract one source."""
        return extract(source, record_of(source), self.projects, limits, lambda *_: None)

    def left(self) -> list[str]:
        """What lies among the projects besides the lock."""
        return sorted(p.name for p in self.projects.iterdir() if p.name != ".step1.lock")


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    """A fresh workplace."""
    return Workplace(tmp_path)


@pytest.fixture
def make() -> SimpleNamespace:
    """The builders above."""
    return SimpleNamespace(
        entry=Entry,
        raw_zip=raw_zip,
        zip=plain_zip,
        tar=plain_tar,
        seven_zip=plain_seven_zip,
        tree=tree,
        limits=LIMITS,
    )
