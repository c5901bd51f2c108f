"""Reading 7z archives with py7zr, in pieces of bounded size and with names as stored.

py7zr turns backslashes into slashes while it reads the names, asks its unpackers for up to 128 MB at a time,
and reads methods that hand out gigabytes for one piece of input. So the names are read by a stricter class,
the loop that unpacks is our own, and only methods whose output can be bounded are accepted.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.limits import Meter
from workflow_scripts.step1.members import Kind, Member, shown
from workflow_scripts.step1.reading import CHUNK, Receiver, telling_damage

if TYPE_CHECKING:
    import py7zr

#: Methods that unpack, by their id in the format (7-Zip's `DOC/Methods.txt`); a packed stream may use one.
_UNPACKERS = {
    b"\x00",  # Copy
    b"\x03\x01\x01",  # LZMA
    b"\x21",  # LZMA2
    b"\x04\x02\x02",  # BZip2
    b"\x04\x01\x08",  # Deflate
}
#: Methods that turn one byte into one byte: Delta, and the filters for machine code.
_FILTERS = {
    b"\x03",
    b"\x03\x03\x01\x03",  # x86
    b"\x03\x03\x02\x05",  # PowerPC
    b"\x03\x03\x04\x01",  # IA-64
    b"\x03\x03\x05\x01",  # ARM
    b"\x03\x03\x07\x01",  # ARM Thumb
    b"\x03\x03\x08\x05",  # SPARC
}
_AES = b"\x06\xf1\x07\x01"
_REPARSE_POINT = 0x400
_FOLDER_ATTRIBUTE = 0x10
_UNIX_ATTRIBUTES = 0x8000


class SevenZipArchive:
    """An open 7z archive."""

    def __init__(self, path: Path, archive: py7zr.SevenZipFile) -> None:
        self.packed = path.stat().st_size
        self._path = path
        self._archive = archive
        self.members = list(_members(archive))

    def pour(self, receiver: Receiver) -> None:
        """Give the bytes of every file; the CRC of each is checked before its end."""
        with telling_damage(self._path.name):
            worker = _worker(self._archive)
            for file, member in zip(self._archive.files, self.members, strict=True):
                if member.kind == "file":
                    worker.register_filelike(file.id, _to_receiver(receiver, file.id))
            worker.extract(self._archive.fp, None, parallel=False)


@contextmanager
def open_seven_zip(path: Path, meter: Meter) -> Iterator[SevenZipArchive]:
    """Open a 7z archive and read its names.

    Raises:
        RefusedError: damaged, cut off, encrypted, packed with a method that cannot be bounded, or too many
            entries.
    """
    import py7zr

    with path.open("rb") as stream:
        with telling_damage(path.name), _names_as_stored(meter):
            try:
                archive = py7zr.SevenZipFile(stream)
            except py7zr.exceptions.PasswordRequired as error:
                raise _encrypted(path.name) from error
        with archive:
            _check_methods(path.name, archive)
            with telling_damage(path.name):
                opened = SevenZipArchive(path, archive)
            yield opened


@contextmanager
def _names_as_stored(meter: Meter) -> Iterator[None]:
    """Let py7zr read names without changing them, and stop at too many before it makes room for them."""
    from py7zr import archiveinfo

    class StrictFilesInfo(archiveinfo.FilesInfo):
        def _read(self, fp: Any) -> None:
            start = fp.tell()
            meter.check_entries(archiveinfo.read_uint64(fp))
            fp.seek(start)
            super()._read(fp)

        def _read_name(self, buffer: Any) -> None:
            for file in self.files:
                file["filename"] = archiveinfo.read_utf16(buffer)
            if buffer.read(1):
                raise ValueError("more names than entries")

    original = archiveinfo.FilesInfo
    archiveinfo.FilesInfo = StrictFilesInfo  # type: ignore[misc]
    try:
        yield
    finally:
        archiveinfo.FilesInfo = original  # type: ignore[misc]


def _check_methods(name: str, archive: py7zr.SevenZipFile) -> None:
    streams = archive.header.main_streams
    for folder in streams.unpackinfo.folders if streams is not None else ():
        methods = [coder["method"] for coder in folder.coders]
        if _AES in methods:
            raise _encrypted(name)
        unknown = [method.hex() for method in methods if method not in _UNPACKERS and method not in _FILTERS]
        if unknown or sum(method in _UNPACKERS for method in methods) > 1:
            what = f"the method {unknown[0]}" if unknown else "several methods on top of each other"
            raise RefusedError(
                f"{shown(name)}: the archive is packed with {what}, which is not read here.",
                hint="Pack with LZMA2, which is the usual method, or as zip.",
            )


def _encrypted(name: str) -> RefusedError:
    return RefusedError(f"{shown(name)}: the archive is encrypted.", hint="Pack without a password.")


def _members(archive: py7zr.SevenZipFile) -> Iterator[Member]:
    info = archive.header.files_info
    empty_files = iter(info.emptyfiles if info is not None else ())
    for file in archive.files if info is not None else ():
        is_empty_file = next(empty_files, False) if file.emptystream else False
        attributes = file._file_info.get("attributes")
        yield Member(file.filename, file.uncompressed, _kind(attributes, file.emptystream and not is_empty_file))


def _kind(attributes: int | None, looks_like_folder: bool) -> Kind:
    """The kind by the attributes; without any, an entry without data is a folder unless marked as empty file."""
    if attributes is None:
        return "folder" if looks_like_folder else "file"
    mode = attributes >> 16 if attributes & _UNIX_ATTRIBUTES else 0
    if stat.S_ISLNK(mode) or attributes & _REPARSE_POINT:
        return "link"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return "device"
    if attributes & _FOLDER_ATTRIBUTE or stat.S_ISDIR(mode):
        return "folder"
    return "file"


def _worker(archive: py7zr.SevenZipFile) -> Any:
    from py7zr.py7zr import Worker

    class BoundedWorker(Worker):
        """Unpacks at most `CHUNK` bytes at a time."""

        def decompress(
            self, fp: IO[bytes], folder: Any, fq: IO[Any], size: int, compressed_size: int | None, src_end: int,
            q: Any = None,
        ) -> int:  # fmt: skip
            unpacker = folder.get_decompressor(compressed_size)
            left, checksum = size, 0
            while left > 0:
                position = fp.tell()
                data = unpacker.decompress(fp, min(left, CHUNK))
                if not data and fp.tell() == position:
                    raise EOFError("the packed data ends before the file does")
                left -= len(data)
                fq.write(data)
                checksum = zlib.crc32(data, checksum)
            if fp.tell() >= src_end and unpacker.crc is not None and not unpacker.check_crc():
                raise ValueError("bad CRC-32")
            return checksum

    return BoundedWorker(archive.files, archive.afterheader, archive.header)


def _to_receiver(receiver: Receiver, index: int) -> Any:
    """What py7zr writes one file to."""
    from py7zr.io import MemIO, Py7zIO, WriterFactory

    class ToReceiver(Py7zIO):
        def write(self, s: bytes | bytearray) -> int:
            receiver.write(s)
            return len(s)

        def read(self, size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

        def flush(self) -> None:
            return None

        def size(self) -> int:
            return 0

        def close(self) -> None:
            receiver.end()

    class Factory(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            receiver.begin(index)
            return ToReceiver()

    return MemIO(str(index), Factory())
