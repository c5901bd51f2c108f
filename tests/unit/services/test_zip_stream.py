"""Zips of artifacts: whole, safe to unpack, and never held in memory."""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from services.projects import Artifact, artifacts
from services.zip_stream import chosen, located, zipped
from workflow_scripts.common.projects import Project, Video


def artifact(path: str, step: str = "STEP3", video: str = "a.mp4") -> Artifact:
    """An artifact of a project."""
    return Artifact(Path(path), 1, datetime.now(UTC), step, "role", video)


def unpacked(files: Any) -> dict[str, bytes]:
    """What is in the zip of files."""
    with ZipFile(io.BytesIO(b"".join(zipped(files)))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def project(data_folder: Path) -> Project:
    """A project without videos."""
    folder = data_folder / "projets_extraits" / "P"
    (folder / "docs").mkdir(parents=True)
    return Project.at(folder)


def test_a_zip_holds_every_file_as_it_is(make_converted: Any, finish: Any) -> None:
    video: Video = make_converted("P", "été.mp4")
    table, data = video.delivered(".csv"), video.workflow / "shots.json"
    table.write_text("shots\n" * 100_000)
    data.write_text("{}")
    finish(video, "STEP3", {"scenes": table, "shots": data})
    found = chosen(artifacts(video.project, ["STEP2", "STEP3"]))
    content = unpacked(located(video.project, found))
    assert content == {"docs/été.csv": table.read_bytes(), ".workflow/été/shots.json": b"{}"}


def test_videos_are_there_only_when_asked_for() -> None:
    found = [artifact("docs/a.mp4", "STEP2"), artifact("docs/a.csv"), artifact("docs/b.csv", "STEP4", "b.mp4")]
    assert chosen(found) == found[1:]
    assert chosen(found, videos=True) == found
    assert chosen(found, video="b.mp4") == found[2:]
    assert chosen(found, step="STEP2", videos=True) == found[:1]


def test_what_is_packed_already_is_not_packed_again(project: Project) -> None:
    for name in ("a.json", "a.json.gz", "a.MP4"):
        (project.docs / name).write_bytes(b"x" * 1000)
    files = located(project, [artifact(f"docs/{name}") for name in ("a.json", "a.json.gz", "a.MP4")])
    with ZipFile(io.BytesIO(b"".join(zipped(files)))) as archive:
        kinds = [entry.compress_type for entry in archive.infolist()]
    assert kinds == [ZIP_DEFLATED, ZIP_STORED, ZIP_STORED]


def test_names_inside_lead_nowhere_else_and_are_each_there_once(project: Project) -> None:
    names = ["..\\..\\evil.csv", ".._.._evil.csv", "new\nline.csv", os.fsdecode(b"caf\xe9.csv"), "100% été ?.csv"]
    for name in names:
        (project.docs / name).write_text(repr(name))
    content = unpacked(located(project, [artifact(f"docs/{name}") for name in names]))
    assert sorted(content.values()) == sorted(repr(name).encode() for name in names)
    assert all("\\" not in name and name.isprintable() and name.startswith("docs/") for name in content)
    assert "docs/100% été ?.csv" in content


def test_what_lies_outside_the_project_is_left_out(project: Project, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (project.docs / "link.csv").symlink_to(tmp_path / "secret")
    asked = ["docs/link.csv", "docs/../../secret", "docs/none.csv", "input/a.csv"]
    assert located(project, [artifact(path) for path in asked]) == []


def test_a_zip_that_is_not_whole_never_looks_whole(project: Project) -> None:
    (project.docs / "a.csv").write_text("a")
    files = [*located(project, [artifact("docs/a.csv")]), (project.docs / "gone.csv", "docs/gone.csv")]
    pieces = zipped(files)
    with pytest.raises(FileNotFoundError):
        while True:
            next(pieces)


def test_a_large_file_comes_in_small_pieces(project: Project) -> None:
    path = project.docs / "large.bin"
    path.write_bytes(bytes(5_000_000))
    path.rename(path.with_suffix(".gz"))  # stored as it is
    sizes = [len(piece) for piece in zipped(located(project, [artifact("docs/large.gz")]))]
    assert sum(sizes) > 5_000_000 and max(sizes) < 400_000


def test_a_file_older_than_zips_can_say_is_packed_all_the_same(project: Project) -> None:
    path = project.docs / "old.csv"
    path.write_text("old")
    os.utime(path, (0, 0))
    assert unpacked(located(project, [artifact("docs/old.csv")])) == {"docs/old.csv": b"old"}
