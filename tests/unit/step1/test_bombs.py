"""S3 and S4: limits are counted on what really comes out, and bombs are stopped early."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.limits import Limits, Meter
from workflow_scripts.step1.writer import Writer

GIB = 1 << 30
MB = 10**6


@contextmanager
def stopped_early(work: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails unless the extraction inside takes under 5 s of this process and 64 MB of memory, writes under
    150 MB, and leaves nothing."""
    written = []
    write = Writer.write

    def counting(self: Writer, data: bytes) -> None:
        write(self, data)
        written.append(len(data))

    monkeypatch.setattr(Writer, "write", counting)
    start = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5
    assert peak < 64 * MB
    assert sum(written) < 150 * MB
    assert work.left() == []


PIECE = bytes(16 << 20)


def repeated(compress: Any, count: int = GIB // len(PIECE)) -> bytes:
    """Zeros, a gibibyte by default, as so many compressed streams one after the other."""
    return bytes(compress(PIECE)) * count


def deflated_zeros() -> bytes:
    """A gibibyte of zeros as zip packs it: 1 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(PIECE) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (GIB // len(PIECE)) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def tar_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf()


def test_s4_a_gibibyte_of_zeros_in_a_zip_is_stopped(work: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = deflated_zeros()
    entry = make.entry(b"a.mp4", b"", method=8, packed=packed, size=GIB, crc=0)
    source = make.raw_zip(work.inbox / "x.zip", entry)
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="more than 200 times its size"):
        work.extract(source)


def test_s4_a_zip_that_lies_about_its_size_gives_no_more_than_it_declares(
    work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = deflated_zeros()
    source = make.raw_zip(
        work.inbox / "x.zip", make.entry(b"a.mp4", b"", method=8, packed=packed, size=50 * MB, crc=0)
    )
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="damaged"):
        work.extract(source)


@pytest.mark.parametrize("method", ["bzip2", "lzma", "deflate64"])
def test_s4_zip_methods_that_unpack_a_lot_at_once_stay_within_memory(
    method: str, work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "deflate64":
        packed, number = deflated_zeros(), 9
    else:
        number = zipfile.ZIP_BZIP2 if method == "bzip2" else zipfile.ZIP_LZMA
        filters = [{"id": lzma.FILTER_LZMA1, "preset": 0}]
        properties = b"\x09\x04\x05\x00" + lzma._encode_filter_properties(filters[0])  # type: ignore[attr-defined]
        data = PIECE * 8
        packed = bz2.compress(data) if method == "bzip2" else lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
        packed = packed if method == "bzip2" else properties + packed
    source = make.raw_zip(
        work.inbox / "x.zip", make.entry(b"a.mp4", b"", method=number, packed=packed, size=90 * MB, crc=0)
    )
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="damaged"):
        work.extract(source)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_s4_a_packed_tar_of_zeros_is_stopped(suffix: str, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from backports import zstd

    packers: Any = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lambda data: lzma.compress(data, preset=0),
        "zst": zstd.compress,
    }
    source = work.inbox / f"x.tar.{suffix}"
    source.write_bytes(packers[suffix](tar_header("a.mp4", GIB)) + repeated(packers[suffix]))
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="more than 200 times its size"):
        work.extract(source)


def test_s4_zeros_after_the_end_of_a_packed_tar_are_counted_too(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = work.inbox / "x.tgz"
    source.write_bytes(gzip.compress(tar_header("a.mp4", 0) + bytes(1024)) + repeated(gzip.compress))
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="more than 200 times its size"):
        work.extract(source)


def test_s4_a_tar_header_that_asks_for_memory_is_refused(work: Any) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    source = work.inbox / "x.tar"
    source.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    with pytest.raises(RefusedError, match="damaged"):
        work.extract(source)


def test_s4_a_tar_entry_of_negative_size_does_not_read_for_ever(work: Any) -> None:
    info = tarfile.TarInfo("a.mp4")
    info.size = -2048
    source = work.inbox / "x.tar"
    source.write_bytes(tar_header("b.mp4", 0) * 4 + info.tobuf(tarfile.GNU_FORMAT) + bytes(10240))
    with pytest.raises(RefusedError, match="negative size"):
        work.extract(source)


def test_s4_a_negative_size_in_a_pax_header_does_not_read_for_ever(work: Any) -> None:
    source = work.inbox / "x.tar"
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.mp4")
        info.pax_headers = {"size": "-2048"}
        archive.addfile(info)
    with pytest.raises(RefusedError, match="negative size"):
        work.extract(source)


@pytest.mark.parametrize("version", ["old", "1.0"])
def test_s4_a_sparse_file_in_a_tar_is_refused(version: str, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = work.inbox / "x.tar.gz"
    info = tarfile.TarInfo("a.mp4")
    if version == "old":
        info.type, header = tarfile.GNUTYPE_SPARSE, b""
    else:
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        header = info.create_pax_header(info.get_info(), "utf-8")
    source.write_bytes(gzip.compress(header or info.tobuf(tarfile.GNU_FORMAT)) + repeated(gzip.compress))
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="sparse file"):
        work.extract(source)


def test_s4_zeros_in_a_7z_are_stopped_while_they_come_out(
    work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import py7zr

    zeros_file = tmp_path / "zeros"
    with zeros_file.open("wb") as stream:
        stream.truncate(GIB // 4)
    source = work.inbox / "x.7z"
    with py7zr.SevenZipFile(source, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        archive.write(zeros_file, "a.mp4")
    monkeypatch.setattr("workflow_scripts.step1.extraction._check_declared", lambda *_: None)
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="more than 200 times its size"):
        work.extract(source)


def test_s4_a_nested_bomb_stays_packed(work: Any, make: Any) -> None:
    inner = make.zip(work.inbox / "inner.zip", {"b.mp4": bytes(20 * MB)}).read_bytes()
    source = make.zip(work.inbox / "x.zip", {"a.mp4": b"video", "inner.zip": inner})
    made = work.extract(source)
    assert make.tree(made.project) == {"docs/a.mp4": b"video", "docs/inner.zip": inner}


@pytest.mark.parametrize("kind", ["zip", "tar", "7z"])
def test_s4_ten_thousand_and_one_entries_are_refused(
    kind: str, work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{n}.mp4": b"" for n in range(10_001)}
    build = {"zip": make.zip, "tar": make.tar, "7z": make.seven_zip}[kind]
    source = build(work.inbox / f"x.{kind}", files)
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="more than 10,000 entries"):
        work.extract(source)


def test_s4_a_zip_table_of_a_million_entries_is_refused_before_it_is_read(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = work.inbox / "x.zip"
    table = 60 * MB
    with source.open("wb") as stream:
        stream.write(b"PK\3\4")
        stream.truncate(table)
        stream.seek(table)
        stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, table - 4, 4, 0))
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="entries"):
        work.extract(source)


def test_s4_entries_that_share_their_bytes_are_refused(
    work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [make.entry(b"a.mp4", bytes(1000)) for _ in range(50)]
    named = [replace(entry, name=b"a%02d.mp4" % n) for n, entry in enumerate(entries)]
    source = make.raw_zip(work.inbox / "x.zip", *named, offsets=dict.fromkeys(range(1, 50), 0))
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="overlaps another"):
        work.extract(source)


def test_s4_an_entry_that_quotes_the_next_header_is_refused(
    work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = make.entry(b"b.mp4", bytes(1000))
    first = make.entry(b"a.mp4", b"", packed=b"")
    source = make.raw_zip(work.inbox / "x.zip", first, second)
    data = bytearray(source.read_bytes())
    at = data.index(b"PK\1\2") + 20
    struct.pack_into("<2L", data, at, 500, 500)
    source.write_bytes(data)
    with stopped_early(work, monkeypatch), pytest.raises(RefusedError, match="overlaps another"):
        work.extract(source)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        (Limits(total=1000, keep_free=0), "unpacks to over 1.0 kB"),
        (Limits(single=500, keep_free=0), "holds a file of over 500 bytes"),
        (Limits(entries=2, keep_free=0), "more than 2 entries"),
        (Limits(keep_free=1 << 60), "what the disk can take"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar", "7z", "folder"])
def test_s3_each_limit_is_a_setting(kind: str, limits: Limits, sentence: str, work: Any, make: Any) -> None:
    files = {f"{n}.mp4": bytes(range(256)) * 3 for n in range(3)}
    if kind == "folder":
        source = work.inbox / "x"
        source.mkdir()
        for name, data in files.items():
            (source / name).write_bytes(data)
    else:
        build = {"zip": make.zip, "tar": make.tar, "7z": make.seven_zip}[kind]
        source = build(work.inbox / f"x.{kind}", files)
    with pytest.raises(RefusedError, match=sentence):
        work.extract(source, limits)
    assert work.left() == []


def test_s3_the_ratio_counts_only_past_the_first_hundred_megabytes() -> None:
    meter = Meter("x.zip", Limits(), packed=1000, room=GIB)
    meter.add(100 * MB)
    with pytest.raises(RefusedError, match="200 times"):
        meter.add(1)
    honest = Meter("x.zip", Limits(), packed=MB, room=GIB)
    honest.add(200 * MB)
    with pytest.raises(RefusedError, match="200 times"):
        honest.add(1)


def test_s3_a_limit_holds_before_the_bytes_are_written(work: Any, make: Any) -> None:
    source: Path = make.zip(work.inbox / "x.zip", {"a.mp4": bytes(2000)})
    with pytest.raises(RefusedError):
        work.extract(source, Limits(total=1999, keep_free=0))
    assert work.left() == [] and source.exists()
