"""Reading zip archives: names as stored, entries that do not overlap, bytes as a stream.

Names. With the UTF-8 flag the name is UTF-8. Without it the standard says code page 437, which hardly any
packer writes, so in this order: the Unicode Path extra field (0x7075) when its checksum fits the stored name;
UTF-8 when the stored bytes are valid UTF-8 (macOS and many tools write it and leave the flag out); else code
page 850, which Explorer writes on Western European Windows. It agrees with 437 on all French letters that 437
has, and holds letters (À, Ê, È, Ô …) where 437 has line drawings.
"""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.limits import Meter
from workflow_scripts.step1.members import Kind, Member, shown
from workflow_scripts.step1.reading import CHUNK, PARTS_HINT, Receiver, telling_damage

_DEFLATE64 = 9
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, _DEFLATE64}
#: zipfile unpacks a piece of LZMA input at once; 4 kB of it can hold 30 MB.
_LZMA_PIECE = 4096
_Unpack = Callable[[bytes], Iterator[bytes]]
#: More than any honest entry of the table of contents takes: name, extra fields and comment, in bytes.
_TABLE_BYTES_PER_ENTRY = 2048
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF8 = 0x800
_REPARSE_POINT = 0x400
_LOCAL_HEADER = struct.Struct("<4s22x2H")
_UNICODE_PATH = 0x7075


class ZipArchive:
    """An open zip archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, stream: BinaryIO) -> None:
        self.members = [Member(_name(info), info.file_size, _kind(info)) for info in archive.infolist()]
        self.packed = path.stat().st_size
        self._path = path
        self._archive = archive
        self._stream = stream
        self._starts = _data_starts(path.name, archive, stream)

    def pour(self, receiver: Receiver) -> None:
        """Give the bytes of every file; the CRC of each is checked before its end."""
        with telling_damage(self._path.name):
            for index, (info, member) in enumerate(zip(self._archive.infolist(), self.members, strict=True)):
                if member.kind != "file":
                    continue
                receiver.begin(index)
                for data in self._chunks(info):
                    receiver.write(data)
                receiver.end()

    def _chunks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.compress_type in _BOUNDED:
            yield from self._bounded(info, *_BOUNDED[info.compress_type])
            return
        piece = _LZMA_PIECE if info.compress_type == zipfile.ZIP_LZMA else CHUNK
        with self._archive.open(info) as stream:
            while data := stream.read(piece):
                yield data

    def _bounded(self, info: zipfile.ZipInfo, method: Callable[[], _Unpack], piece: int) -> Iterator[bytes]:
        unpack = method()
        checksum, came, left = 0, 0, info.compress_size
        self._stream.seek(self._starts[info.header_offset])
        while left:
            packed = self._stream.read(min(piece, left))
            if not packed:
                raise EOFError("the file ends inside a member")
            left -= len(packed)
            for data in unpack(packed):
                checksum, came = zlib.crc32(data, checksum), came + len(data)
                yield data
        if checksum != info.CRC or came != info.file_size:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.orig_filename!r}")


def _bzip2() -> _Unpack:
    """bzip2 in pieces of bounded size: 4 kB of it can hold 4 GB, and zipfile unpacks its input at once."""
    unpacker = bz2.BZ2Decompressor()

    def unpack(packed: bytes) -> Iterator[bytes]:
        yield unpacker.decompress(packed, CHUNK)
        while not (unpacker.needs_input or unpacker.eof):
            yield unpacker.decompress(b"", CHUNK)

    return unpack


def _deflate64() -> _Unpack:
    """What Explorer writes for files past 2 GB; zipfile does not read it."""
    import inflate64

    unpacker = inflate64.Inflater()

    def unpack(packed: bytes) -> Iterator[bytes]:
        yield unpacker.inflate(packed)

    return unpack


#: Methods that are unpacked here, and how many bytes of input at a time: 1 kB of deflate64 can hold 29 MB.
_BOUNDED: dict[int, tuple[Callable[[], _Unpack], int]] = {
    zipfile.ZIP_BZIP2: (_bzip2, 1 << 16),
    _DEFLATE64: (_deflate64, 1024),
}


@contextmanager
def open_zip(path: Path, meter: Meter) -> Iterator[ZipArchive]:
    """Open a zip archive and read its table of contents.

    Raises:
        RefusedError: damaged, cut off, encrypted, one of several parts, entries that overlap, or too many.
    """
    with path.open("rb") as stream:
        with telling_damage(path.name):
            _check_table(path.name, stream, meter)
            archive = zipfile.ZipFile(stream)
        with archive:
            meter.check_entries(len(archive.infolist()))
            _check_methods(path.name, archive)
            with telling_damage(path.name):
                opened = ZipArchive(path, archive, stream)
            yield opened


def _check_table(name: str, stream: BinaryIO, meter: Meter) -> None:
    """Look at the end record before zipfile reads the whole table of contents into memory."""
    end = stream.seek(0, 2)
    tail_start = max(0, end - 65_557 - 76)
    stream.seek(tail_start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise RefusedError(
            f"{shown(name)}: the archive is cut off: the table of contents at its end is missing.",
            hint="Copy or download it again; if it is one of several parts, join them first.",
        )
    disk, table_disk, _, entries, size = struct.unpack_from("<4x4HL", tail, at)
    if tail[max(0, at - 20) : at].startswith(b"PK\x06\x07") and at >= 76:
        disk, table_disk, _, entries, size = struct.unpack_from("<16x2L3Q", tail, at - 76)
    if disk or table_disk:
        raise RefusedError(f"{shown(name)}: the last part of a split archive.", hint=PARTS_HINT)
    meter.check_entries(max(entries, size // _TABLE_BYTES_PER_ENTRY))


def _check_methods(name: str, archive: zipfile.ZipFile) -> None:
    for info in archive.infolist():
        if info.flag_bits & _ENCRYPTED:
            raise RefusedError(
                f"{shown(name)}: the archive is encrypted ('{shown(_name(info))}').",
                hint="Pack without a password.",
            )
        if info.compress_type not in _READABLE:
            raise RefusedError(
                f"{shown(name)}: '{shown(_name(info))}' is packed with method {info.compress_type}, "
                "which is not read here.",
                hint="Pack with the usual method (deflate), or none.",
            )


def _data_starts(name: str, archive: zipfile.ZipFile, stream: BinaryIO) -> dict[int, int]:
    """Where the bytes of each entry begin (header offset -> data offset); no byte may belong to two entries.

    One stretch of packed data behind many entries is the trick of the most compact bombs.
    """
    starts: dict[int, int] = {}
    before = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        stream.seek(info.header_offset)
        header = stream.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise zipfile.BadZipFile(f"no header for '{_name(info)}'")
        _, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if info.header_offset < before or start + info.compress_size > archive.start_dir:
            raise RefusedError(
                f"{shown(name)}: the entry '{shown(_name(info))}' overlaps another one, as only bombs and "
                "damaged archives have it."
            )
        before = start + info.compress_size
        starts[info.header_offset] = start
    return starts


def _kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode) or info.external_attr & _REPARSE_POINT:
        return "link"
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        return "device"
    if info.orig_filename.endswith("/") or stat.S_ISDIR(mode):
        return "folder" if info.file_size == 0 else "other"
    return "file"


def _name(info: zipfile.ZipInfo) -> str:
    """The name as stored: before zipfile cuts it at a NUL, and decoded as the module's docstring says."""
    if info.flag_bits & _UTF8:
        return info.orig_filename
    stored = info.orig_filename.encode("cp437")
    unicode_path = _unicode_path(info.extra, stored)
    for data, encoding in ((unicode_path, "utf-8"), (stored, "utf-8"), (stored, "cp850")):
        try:
            if data is not None:
                return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnicodeError(f"a name that is no text: {stored!r}")


def _unicode_path(extra: bytes, stored: bytes) -> bytes | None:
    while len(extra) >= 4:
        field, size = struct.unpack_from("<HH", extra)
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if field == _UNICODE_PATH and len(data) > 5 and data[0] == 1:
            (checksum,) = struct.unpack_from("<L", data, 1)
            return data[5:] if checksum == zlib.crc32(stored) else None
    return None
