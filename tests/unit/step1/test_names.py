"""S1, S2 and S5: names and kinds of entries that refuse the whole archive before the first byte."""

from __future__ import annotations

import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.extraction import extract
from workflow_scripts.step1.inbox import record_of
from workflow_scripts.step1.members import folded, name_fault

BAD_NAMES = {
    "absolute": "/etc/a.mp4",
    "parent": "../a.mp4",
    "parent inside": "docs/../../a.mp4",
    "drive letter": "C:/a.mp4",
    "backslash": "docs\\a.mp4",
    "backslash parent": "..\\a.mp4",
    "control": "a\x1b[31m.mp4",
    "newline": "a\n.mp4",
    "delete": "a\x7f.mp4",
    "C1 control": "a\x9b.mp4",
    "long component": "é" * 127 + ".mp4",
    "long path": "/".join(["folder" * 10] * 20) + "/a.mp4",
}
bad_names = pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())


@bad_names
def test_s1_a_zip_with_one_bad_name_is_refused_whole(name: str, work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"good.mp4"), make.entry(name.encode(), flags=0x800))
    with pytest.raises(RefusedError, match=r"x\.zip: the entry '.*' (has|begins|points)"):
        work.extract(source)
    assert work.left() == [] and source.exists()


@bad_names
def test_s1_a_tar_with_one_bad_name_is_refused_whole(name: str, work: Any, make: Any) -> None:
    source = make.tar(work.inbox / "x.tar.gz", {"good.mp4": b"video", name: b"video"}, "w:gz")
    with pytest.raises(RefusedError, match=r"x\.tar\.gz: the entry '.*' (has|begins|points)"):
        work.extract(source)
    assert work.left() == []


@bad_names
def test_s1_a_7z_with_one_bad_name_is_refused_whole(name: str, work: Any, make: Any) -> None:
    source = make.seven_zip(work.inbox / "x.7z", {"good.mp4": b"video", name: b"video"})
    with pytest.raises(RefusedError, match=r"x\.7z: the entry '.*' (has|begins|points)"):
        work.extract(source)
    assert work.left() == []


def test_s1_a_nul_in_a_zip_name_is_refused_not_cut_off(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"harmless.mp4\0.exe"))
    with pytest.raises(RefusedError, match=r"'harmless\.mp4\\x00\.exe' has a NUL"):
        work.extract(source)
    assert work.left() == []


def test_s1_a_nul_in_a_pax_name_is_refused(work: Any) -> None:
    source = work.inbox / "x.tar"
    with tarfile.open(source, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.mp4")
        info.pax_headers = {"path": "a\0b.mp4"}
        archive.addfile(info)
    with pytest.raises(RefusedError, match="NUL"):
        work.extract(source)


def test_s1_a_tar_name_that_is_no_text_is_refused(work: Any) -> None:
    source = work.inbox / "x.tar"
    with tarfile.open(source, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("caméra.mp4"))
    with pytest.raises(RefusedError, match="not valid text"):
        work.extract(source)


@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK],
    ids=["symlink", "character device", "block device", "FIFO", "socket"],
)
def test_s2_special_entries_of_a_zip_are_refused(mode: int, work: Any, make: Any) -> None:
    source = make.raw_zip(
        work.inbox / "x.zip",
        make.entry(b"a.mp4"),
        make.entry(b"b.mp4", b"/etc/passwd", attributes=(mode | 0o777) << 16),
    )
    with pytest.raises(RefusedError, match=r"'b\.mp4' is a (link|device)"):
        work.extract(source)
    assert work.left() == []


def test_s2_a_windows_reparse_point_is_refused(work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", make.entry(b"b.mp4", attributes=0x400))
    with pytest.raises(RefusedError, match="is a link"):
        work.extract(source)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V"],
    ids=["symlink", "hard link", "character device", "block device", "FIFO", "unknown type"],
)
def test_s2_special_entries_of_a_tar_are_refused(kind: bytes, work: Any) -> None:
    source = work.inbox / "x.tar"
    with tarfile.open(source, "w") as archive:
        archive.addfile(tarfile.TarInfo("a.mp4"))
        info = tarfile.TarInfo("b.mp4")
        info.type, info.linkname = kind, "a.mp4"
        archive.addfile(info)
    with pytest.raises(RefusedError, match=r"'b\.mp4' is (a link|a device|neither)"):
        work.extract(source)
    assert work.left() == []


def test_s2_a_symlink_in_a_7z_is_refused(work: Any, tmp_path: Path) -> None:
    import py7zr

    (tmp_path / "b.mp4").symlink_to("/etc/passwd")
    source = work.inbox / "x.7z"
    with py7zr.SevenZipFile(source, "w") as archive:
        archive.write(tmp_path / "b.mp4", "b.mp4")
    with pytest.raises(RefusedError, match=r"'b\.mp4' is a link"):
        work.extract(source)
    assert work.left() == []


def test_s2_a_symlink_in_a_folder_is_refused(work: Any) -> None:
    source = work.inbox / "Show"
    source.mkdir()
    (source / "a.mp4").symlink_to("/etc/passwd")
    with pytest.raises(RefusedError, match=r"'a\.mp4' is a link"):
        work.extract(source)
    assert work.left() == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "A.MP4"),
        ("é.mp4", "e\u0301.mp4"),
        ("Straße.mp4", "STRASSE.mp4"),
        ("Day/a.mp4", "day/b.mp4"),
        ("a.mp4", "a.mp4"),
        ("a.mp4", "./a.mp4"),
        ("day.mp4", "day.mp4/b.mp4"),
        ("day.mp4/b.mp4", "day.mp4"),
    ],
)
def test_s5_names_that_may_become_one_file_are_refused(one: str, other: str, work: Any, make: Any) -> None:
    source = make.raw_zip(work.inbox / "x.zip", *(make.entry(name.encode(), flags=0x800) for name in (one, other)))
    with pytest.raises(RefusedError, match="would become one file"):
        work.extract(source)
    assert work.left() == []


@given(name=st.text(min_size=1, max_size=40))
def test_s1_a_name_without_a_fault_stays_below_any_folder(name: str) -> None:
    if name_fault(name) is None:
        path = Path("/projects/x", name)
        assert path.is_relative_to("/projects/x") and ".." not in path.parts
        assert "\0" not in name and all(len(part.encode()) <= 255 for part in path.parts)


@given(st.text(max_size=30))
def test_folding_is_stable_under_case_and_composition(name: str) -> None:
    assert folded(folded(name)) == folded(name)


safe_component = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\:"),
    min_size=1,
    max_size=12,
).filter(lambda name: name not in (".", "..") and not name.startswith("._"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    good=st.lists(safe_component, max_size=3),
    bad=st.sampled_from(sorted(BAD_NAMES.values())),
    kind=st.sampled_from(["zip", "tar"]),
    data=st.data(),
)
def test_s1_wherever_the_bad_name_is_nothing_is_written_anywhere(
    good: list[str], bad: str, kind: str, data: Any, make: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outside")
    inside = folder / "deep" / "inside"
    inside.mkdir(parents=True)
    names = data.draw(st.permutations([*good, bad]))
    content = dict.fromkeys(names, b"video")
    source = make.tar(inside / "x.tar", content) if kind == "tar" else None
    if source is None:
        source = make.raw_zip(inside / "x.zip", *(make.entry(n.encode(), flags=0x800) for n in content))
    with pytest.raises(RefusedError):
        extract(source, record_of(source), inside / "projets_extraits", make.limits, lambda *_: None)
    files = sorted(p.name for p in folder.rglob("*") if p.is_file())
    assert files == sorted([source.name, ".step1.lock"])
