"""Every format comes out byte for byte; what is damaged, encrypted or foreign is one sentence, no more."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.projects import is_video_name
from workflow_scripts.step1.extraction import extract
from workflow_scripts.step1.inbox import record_of
from workflow_scripts.step1.members import folded

NAMES = (
    "Été à la mer…  double .mp4",
    "L’heure d'été – “fin”.mov",
    " leading and trailing .mp4",
    "a+b! [x] 100% $(id);rm.mkv",
    "-i.mp4",
    "concat:x.mp4",
    "*.mp4",
    "\u202egnp.mp4",
    "e\u0301 decomposed.mp4",
    "日本語.webm",
    "x" * 251 + ".mp4",
)
FILES = {name: os.urandom(100 + 7000 * n) for n, name in enumerate(NAMES)} | {"empty.mp4": b""}


def pack_zst(path: Path, make: Any) -> Path:
    from backports import zstd

    plain = make.tar(path.with_name("plain"), FILES)
    path.write_bytes(zstd.compress(plain.read_bytes()))
    plain.unlink()
    return path


FORMATS: dict[str, Any] = {
    "zip": lambda path, make: make.zip(path, FILES),
    "tar": lambda path, make: make.tar(path, FILES),
    "tar.gz": lambda path, make: make.tar(path, FILES, "w:gz"),
    "tgz": lambda path, make: make.tar(path, FILES, "w:gz"),
    "tar.bz2": lambda path, make: make.tar(path, FILES, "w:bz2"),
    "tar.xz": lambda path, make: make.tar(path, FILES, "w:xz"),
    "tar.zst": pack_zst,
    "7z": lambda path, make: make.seven_zip(path, FILES),
}
every_format = pytest.mark.parametrize("suffix", FORMATS)


@every_format
def test_names_and_bytes_are_kept(suffix: str, work: Any, make: Any) -> None:
    source = FORMATS[suffix](work.inbox / f"My Show .{suffix}", make)
    made = work.extract(source)
    assert made.project == work.projects / "My Show "
    assert make.tree(made.project) == {f"docs/{name}": data for name, data in FILES.items()}
    assert (made.files, made.videos, made.size) == (len(FILES), len(FILES), sum(map(len, FILES.values())))
    assert source.exists() and work.left() == ["My Show "]


@every_format
def test_s6_the_content_decides_not_the_suffix(suffix: str, work: Any, make: Any) -> None:
    source = FORMATS[suffix](work.inbox / "x", make).rename(work.inbox / "Show.zip")
    made = work.extract(source)
    assert made.project.name == "Show" and made.videos == len(FILES)


@every_format
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_truncated_archive_is_one_sentence_and_leaves_nothing(
    suffix: str, share: float, work: Any, make: Any
) -> None:
    source = FORMATS[suffix](work.inbox / f"x.{suffix}", make)
    with source.open("r+b") as stream:
        stream.truncate(int(source.stat().st_size * share))
    with pytest.raises(RefusedError, match=r"^x\.\S+: the archive is (cut off|damaged)"):
        work.extract(source)
    assert work.left() == [] and source.exists()


@pytest.mark.parametrize("suffix", [suffix for suffix in FORMATS if suffix not in ("tar", "tar.zst")])
def test_a_flipped_byte_in_the_middle_is_noticed_where_the_format_has_checksums(
    suffix: str, work: Any, make: Any
) -> None:
    source = FORMATS[suffix](work.inbox / f"x.{suffix}", make)
    data = bytearray(source.read_bytes())
    data[len(data) // 2] ^= 0x10
    source.write_bytes(data)
    with pytest.raises(RefusedError, match="damaged"):
        work.extract(source)
    assert work.left() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 0.999), bit=st.integers(0, 7), suffix=st.sampled_from(["zip", "tar", "tar.gz", "7z"]))
def test_any_flipped_bit_gives_a_project_or_a_sentence(
    at: float, bit: int, suffix: str, make: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    small = {"a.mp4": b"video" * 50, "Show/b.mp4": b"other"}
    build = {"zip": make.zip, "tar": make.tar, "7z": make.seven_zip}.get(suffix)
    source = build(folder / f"x.{suffix}", small) if build else make.tar(folder / "x.tar.gz", small, "w:gz")
    data = bytearray(source.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    source.write_bytes(data)
    projects = folder / "projects"
    try:
        made = extract(source, record_of(source), projects, make.limits, lambda *_: None)
    except RefusedError as error:
        assert source.name in str(error) or "'" in str(error)
        assert [p.name for p in projects.iterdir()] == [".step1.lock"]
    else:
        assert made.videos >= 1 and (made.project / "docs").is_dir()


def test_a_tar_with_a_damaged_header_in_the_middle_does_not_lose_the_rest_silently(work: Any, make: Any) -> None:
    source = make.tar(work.inbox / "x.tar", {"a.mp4": b"video", "b.mp4": b"video"})
    data = bytearray(source.read_bytes())
    data[1024 + 3] ^= 0xFF
    source.write_bytes(data)
    with pytest.raises(RefusedError, match="bad header"):
        work.extract(source)


def test_a_tar_without_its_end_mark_is_taken_as_cut_off(work: Any, make: Any) -> None:
    source = make.tar(work.inbox / "x.tar", {"a.mp4": b"video", "b.mp4": b"video"})
    with source.open("r+b") as stream:
        stream.truncate(1024)
    with pytest.raises(RefusedError, match="without its end mark"):
        work.extract(source)


def test_two_tars_in_one_file_do_not_lose_the_second(work: Any, make: Any) -> None:
    source = make.tar(work.inbox / "x.tar", {"a.mp4": b"video"})
    source.write_bytes(source.read_bytes() * 2)
    with pytest.raises(RefusedError, match="behind its end mark"):
        work.extract(source)


def test_a_zip64_archive_comes_out(work: Any, make: Any) -> None:
    source = work.inbox / "x.zip"
    with zipfile.ZipFile(source, "w") as archive, archive.open("a.mp4", "w", force_zip64=True) as stream:
        stream.write(b"video")
    table = source.read_bytes()
    at = table.index(b"PK\5\6")
    entries, size, offset = struct.unpack_from("<10xH2L", table, at)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    source.write_bytes(table[:at] + record + locator + end)
    assert make.tree(work.extract(source).project) == {"docs/a.mp4": b"video"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_zip_method_of_the_library_comes_out(method: int, work: Any, make: Any) -> None:
    source = work.inbox / "x.zip"
    data = os.urandom(3_000_000) + bytes(3_000_000)
    with zipfile.ZipFile(source, "w", method) as archive:
        archive.writestr("a.mp4", data)
    assert make.tree(work.extract(source).project) == {"docs/a.mp4": data}


def test_deflate64_as_explorer_writes_it_comes_out(work: Any, make: Any) -> None:
    import inflate64

    data = os.urandom(100_000) + b"abc" * 100_000
    packer = inflate64.Deflater()
    packed = packer.deflate(data) + packer.flush()
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"a.mp4", data, method=9, packed=packed))
    assert make.tree(work.extract(source).project) == {"docs/a.mp4": data}
    broken = make.raw_zip(work.inbox / "y.zip", make.entry(b"a.mp4", data, method=9, packed=packed, crc=1))
    with pytest.raises(RefusedError, match="damaged"):
        work.extract(broken)


def test_a_zip_method_that_is_not_read_is_named(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"a.mp4", method=93))
    with pytest.raises(RefusedError, match=r"'a\.mp4' is packed with method 93"):
        work.extract(source)


def test_a_wrong_crc_in_a_zip_is_a_sentence(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"a.mp4"), make.entry(b"b.mp4", crc=1))
    with pytest.raises(RefusedError, match=r"x\.zip: the archive is damaged \(Bad CRC-32 for file 'b\.mp4'\)"):
        work.extract(source)
    assert work.left() == []


@pytest.mark.parametrize(
    ("stored", "extra", "flags", "name"),
    [
        ("été.mp4".encode(), b"", 0x800, "été.mp4"),
        ("été.mp4".encode(), b"", 0, "été.mp4"),
        ("À la fête.mp4".encode("cp850"), b"", 0, "À la fête.mp4"),
        (b"plain.mp4", b"", 0, "plain.mp4"),
        (
            b"?t?.mp4",
            struct.pack("<2HBL", 0x7075, 5 + 9, 1, zlib.crc32(b"?t?.mp4")) + "été.mp4".encode(),
            0,
            "été.mp4",
        ),
        (b"old.mp4", struct.pack("<2HBL", 0x7075, 5 + 9, 1, 1) + "été.mp4".encode(), 0, "old.mp4"),
    ],
    ids=["flag", "UTF-8 without flag", "Explorer", "ASCII", "Unicode Path", "stale Unicode Path"],
)
def test_zip_names_are_read_in_the_encoding_they_were_written_in(
    stored: bytes, extra: bytes, flags: int, name: str, work: Any, make: Any
) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(stored, extra=extra, flags=flags))
    assert list(make.tree(work.extract(source).project)) == [f"docs/{name}"]


def test_an_encrypted_zip_is_a_sentence(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"a.mp4", flags=1))
    with pytest.raises(RefusedError, match="is encrypted"):
        work.extract(source)


@pytest.mark.parametrize("header", [False, True], ids=["data", "header too"])
def test_an_encrypted_7z_is_a_sentence(header: bool, work: Any) -> None:
    import py7zr

    source = work.inbox / "x.7z"
    with py7zr.SevenZipFile(source, "w", password="secret", header_encryption=header) as archive:
        archive.writestr(b"video", "a.mp4")
    with pytest.raises(RefusedError, match="is encrypted"):
        work.extract(source)
    assert work.left() == []


def test_a_7z_method_whose_output_cannot_be_bounded_is_refused(work: Any) -> None:
    import py7zr

    source = work.inbox / "x.7z"
    with py7zr.SevenZipFile(source, "w", filters=[{"id": py7zr.FILTER_ZSTD, "level": 3}]) as archive:
        archive.writestr(b"video", "a.mp4")
    with pytest.raises(RefusedError, match="packed with the method 04f71101"):
        work.extract(source)


@pytest.mark.parametrize("method", ["FILTER_COPY", "FILTER_BZIP2", "FILTER_DEFLATE", "FILTER_LZMA"])
def test_the_other_7z_methods_come_out(method: str, work: Any, make: Any) -> None:
    import py7zr

    data = os.urandom(1_500_000) + bytes(3_000_000)
    source = work.inbox / "x.7z"
    with py7zr.SevenZipFile(source, "w", filters=[{"id": getattr(py7zr, method)}]) as archive:
        archive.writestr(data, "a.mp4")
        archive.writestr(b"", "empty.mp4")
        archive.writestr(b"second", "b.mp4")
    made = work.extract(source)
    assert make.tree(made.project) == {"docs/a.mp4": data, "docs/b.mp4": b"second", "docs/empty.mp4": b""}


def test_a_part_of_a_split_archive_is_a_sentence(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "x.zip", {"a.mp4": os.urandom(1000)})
    first = work.inbox / "y.zip.001"
    first.write_bytes(source.read_bytes()[:500])
    with pytest.raises(RefusedError, match="one part of a split archive"):
        work.extract(first)
    last = make.raw_zip(work.inbox / "z.zip", make.entry(b"a.mp4"), disk=3)
    with pytest.raises(RefusedError, match="last part of a split archive"):
        work.extract(last)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"Rar!\x1a\x07\x01\x00", "RAR archive"),
        (b"just some text", "neither an archive"),
        (b"", "neither an archive"),
        (gzip.compress(b"no tar in here" * 100), "holds no tar archive"),
        (bz2.compress(b"no tar in here" * 100), "holds no tar archive"),
        (lzma.compress(b""), "holds no tar archive"),
        (b"PK\3\4", "cut off"),
        (b"PK\5\6" + bytes(18), "holds no video"),
        (b"7z\xbc\xaf\x27\x1c", "cut off|damaged"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "cut off|damaged"),
        (b"\x1f\x8b", "cut off|damaged"),
        (b"\x28\xb5\x2f\xfd", "cut off|damaged"),
    ],
)
def test_s6_what_is_no_archive_is_a_sentence(content: bytes, sentence: str, work: Any) -> None:
    source = work.inbox / "x.zip"
    source.write_bytes(content)
    with pytest.raises(RefusedError, match=sentence):
        work.extract(source)
    assert work.left() == [] and source.exists()


def test_an_archive_without_a_video_is_refused_and_told_about_archives_inside(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "x.zip", {"inner.zip": b"PK"})
    with pytest.raises(RefusedError, match=r"no video.*unpack it first"):
        work.extract(source)


def test_files_are_written_with_the_rights_of_the_user_not_those_in_the_archive(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"a.mp4", attributes=(stat.S_IFREG | 0o6777) << 16))
    mode = (work.extract(source).project / "docs" / "a.mp4").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | 0o111)


def test_a_tar_of_the_folder_itself_comes_out(work: Any, make: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.mp4").write_bytes(b"video")
    (tmp_path / "in" / "b.mp4").write_bytes(b"video")
    source = work.inbox / "x.tgz"
    with tarfile.open(source, "w:gz") as archive:
        archive.add(tmp_path / "in", ".")
    assert set(make.tree(work.extract(source).project)) == {"docs/a.mp4", "docs/b.mp4"}


component = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\"), min_size=1, max_size=10
).filter(lambda name: name not in (".", "..") and not name.startswith((".", "__MACOSX")) and ":" not in name)
files = st.dictionaries(
    component.map(lambda name: f"{name}.mp4"), st.binary(max_size=300), min_size=1, max_size=6
).filter(lambda found: len({folded(name) for name in found}) == len(found))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=files, suffix=st.sampled_from(["zip", "tar", "tar.gz", "7z"]), root=st.sampled_from(["", "Show/"]))
def test_whatever_safe_names_are_packed_the_tree_is_the_input(
    content: dict[str, bytes], suffix: str, root: str, make: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    packed = {root + name: data for name, data in content.items()}
    build = {"zip": make.zip, "tar": make.tar, "7z": make.seven_zip}.get(suffix)
    source = build(folder / f"x.{suffix}", packed) if build else make.tar(folder / "x.tar.gz", packed, "w:gz")
    made = extract(source, record_of(source), folder / "projects", make.limits, lambda *_: None)
    assert make.tree(made.project) == {f"docs/{name}": data for name, data in content.items()}
    assert all(is_video_name(name) for name in content)
