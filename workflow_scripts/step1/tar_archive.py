"""Reading tar archives, plain or packed with gzip, bzip2, xz or zstd.

A packed tar has no table of contents: it is read once for the list, counted against the limits while
nothing is written, and once more for the bytes. tarfile takes a damaged header in the middle, or a missing
end mark, for the end of the archive; here both are damage, since a member that is lost silently would be lost
for good when the archive is put away.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.limits import Meter
from workflow_scripts.step1.members import Kind, Member, shown
from workflow_scripts.step1.reading import CHUNK, Format, Receiver, telling_damage

#: A header that only carries a long name or attributes is read into memory whole and searched in time that
#: grows with its square; honest ones take a few kB.
_MAX_HEADER_BYTES = 1 << 16
_HEADER_TYPES = {
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
}  # fmt: skip
_SPARSE = "a sparse file, which is not read here: pack without --sparse"
#: Bytes unpacked at a time.
_BUFFER = 1 << 18
#: The largest window a zstd frame may ask for, as a power of two: 2 GiB, what `zstd --long=31` writes.
_ZSTD_WINDOW_LOG = 31


class _DamagedTarError(Exception):
    """Raised where tarfile would take damage for the end; not a tarfile.HeaderError, so it passes through."""


class _StrictTarInfo(tarfile.TarInfo):
    """A header that is right, is the end mark, or is damage."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Any:
        """Read the next header; damage is an error, wherever it is."""
        try:
            info = super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            cut = type(error).__name__ in ("EmptyHeaderError", "TruncatedHeaderError")
            raise _DamagedTarError("it ends without its end mark" if cut else f"a bad header, {error}") from error
        if info.size < 0:  # the next header would be looked for before this one, and found for ever
            raise _DamagedTarError("a negative size")
        return info

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0:
            raise _DamagedTarError("a negative size")
        if self.type in _HEADER_TYPES and self.size > _MAX_HEADER_BYTES:
            raise _DamagedTarError("a header of over 64 kB")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise _DamagedTarError(_SPARSE)
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member

    def _proc_gnusparse_10(self, next: Any, pax_headers: Any, archive: Any) -> None:
        raise _DamagedTarError(_SPARSE)


class TarArchive:
    """An open tar archive; `members` is complete, the bytes are read anew."""

    def __init__(self, path: Path, kind: Format, meter: Meter) -> None:
        self.packed = path.stat().st_size
        self._path = path
        self._kind = kind
        self.members = [member for _, member, _ in self._walk(meter)]

    def pour(self, receiver: Receiver) -> None:
        """Give the bytes of every file, then read to the end, where packers keep their checksum."""
        with telling_damage(self._path.name):
            for index, member, stream in self._walk(None):
                if index >= len(self.members) or self.members[index] != member:
                    raise _DamagedTarError("it changed while it was read")
                if stream is None:
                    continue
                receiver.begin(index)
                while data := stream.read(CHUNK):
                    receiver.write(data)
                receiver.end()

    def _walk(self, meter: Meter | None) -> Iterator[tuple[int, Member, IO[bytes] | None]]:
        """Each member with its index and, for a file, its bytes, which must be read before the next."""
        with ExitStack() as stack:
            unpacked = stack.enter_context(_unpacked(self._path, self._kind))
            if meter is not None and self._kind != "tar":
                unpacked = _Counted(unpacked, meter)
            archive = _open(self._path, self._kind, unpacked)
            stack.enter_context(archive)
            for index, info in enumerate(archive):
                if meter is not None:
                    meter.check_entries(index + 1)
                member = Member(info.name, info.size, _kind(info))
                yield index, member, archive.extractfile(info) if member.kind == "file" else None
            _read_to_the_end(archive)


@contextmanager
def open_tar(path: Path, kind: Format, meter: Meter) -> Iterator[TarArchive]:
    """Open a tar archive and list it.

    Raises:
        RefusedError: damaged, cut off, no tar inside, too many entries, or a limit passed while unpacking.
    """
    with telling_damage(path.name):
        archive = TarArchive(path, kind, meter)
    yield archive


@contextmanager
def _unpacked(path: Path, kind: Format) -> Iterator[Any]:
    with ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("rb"))
        if kind == "tar":
            yield stream
        elif kind == "gz":
            yield stack.enter_context(gzip.GzipFile(fileobj=stream))
        elif kind == "bz2":
            yield stack.enter_context(bz2.BZ2File(stream))
        elif kind == "xz":
            yield stack.enter_context(lzma.LZMAFile(stream))
        else:
            yield stack.enter_context(_zstd_reader(stream))


def _zstd_reader(stream: Any) -> Any:
    from backports import zstd

    return zstd.ZstdFile(stream, options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


def _open(path: Path, kind: Format, stream: Any) -> tarfile.TarFile:
    mode: Literal["r:", "r|"] = "r:" if kind == "tar" else "r|"
    try:
        return tarfile.open(
            None,
            mode,
            fileobj=stream,
            bufsize=_BUFFER,
            tarinfo=_StrictTarInfo,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except _DamagedTarError as error:
        if kind == "tar":
            raise
        raise RefusedError(
            f"{shown(path.name)}: a packed file ({kind}) that is damaged or holds no tar archive ({error}).",
            hint="Pack it as zip, tar or 7z.",
        ) from error


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """Read what follows the end mark: nothing but zeros, and the checksum of the packer after them."""
    stream: Any = archive.fileobj
    while data := stream.read(CHUNK):
        if data.count(0) != len(data):
            raise _DamagedTarError("there is more behind its end mark")


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.issparse():
        return "other"
    if info.type in tarfile.REGULAR_TYPES:
        return "file"
    if info.isdir():
        return "folder"
    if info.islnk() or info.issym():
        return "link"
    return "device" if info.isdev() else "other"


class _Counted(io.RawIOBase):
    """A stream whose bytes are counted before anybody sees them."""

    def __init__(self, stream: IO[bytes], meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._meter.begin()
        self._meter.add(len(data))
        return data
