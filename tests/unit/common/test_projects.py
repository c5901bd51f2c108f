"""Projects and videos: what is found, under which names, byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.projects import (
    VIDEO_SUFFIXES,
    Project,
    Video,
    find_videos,
    is_video_name,
    projects_in,
)

HOSTILE = [
    "space at the end .mp4",
    "L'été – “Débat”…  (2) + [x]!.mp4",
    "e\u0301te\u0301.mp4",  # decomposed accents
    "line\nend.mp4",
    'quote".mp4',
    "-i.mp4",
    "a:b.mp4",
    "concat:x.mp4",
    "$(id).mp4",
    ";rm.mp4",
    "%03d.mp4",
    "*.mp4",
    "\u202egp4.mp4",
    "back\\slash.mp4",
    "x" * 251 + ".mp4",
]


def put(*paths: Path) -> None:
    """Empty files, and the folders they need."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(*targets: object) -> list[Path]:
    """The paths of the videos that targets name."""
    return [video.path for video in find_videos([str(target) for target in targets])]


@pytest.fixture
def projects(data_folder: Path) -> Path:
    """Two projects, and what is none."""
    folder = data_folder / "projets_extraits"
    put(folder / "B" / "docs" / "2.mp4", folder / "B" / "docs" / "1.MOV", folder / "B" / "docs" / "1.csv")
    put(folder / "A" / "docs" / "3.mkv", folder / "A" / "originals" / "3.avi", folder / "A" / "loose.mp4")
    put(folder / ".hidden" / "docs" / "4.mp4", folder / "no project" / "5.mp4", folder / "6.mp4")
    return folder


def test_without_a_target_every_video_of_every_project_is_found(projects: Path) -> None:
    assert found() == [projects / "A/docs/3.mkv", projects / "B/docs/1.MOV", projects / "B/docs/2.mp4"]


def test_without_projects_nothing_is_found(data_folder: Path) -> None:
    assert find_videos([]) == [] and projects_in(data_folder) == []


def test_a_project_is_named_by_name_by_path_or_by_its_docs(projects: Path) -> None:
    videos = [projects / "B/docs/1.MOV", projects / "B/docs/2.mp4"]
    assert found("B") == found(projects / "B") == found(projects / "B" / "docs") == videos
    assert {video.root for video in find_videos([str(projects / "B" / "docs")])} == {projects / "B"}


def test_a_folder_of_projects_holds_their_videos(projects: Path) -> None:
    assert found(projects) == found()


def test_a_file_is_itself_and_belongs_to_its_project(projects: Path) -> None:
    video = find_videos([str(projects / "A/docs/3.mkv")])[0]
    assert video.path == projects / "A/docs/3.mkv" and video.root == projects / "A"


def test_a_plain_folder_of_videos_is_a_project_of_its_own(tmp_path: Path) -> None:
    put(tmp_path / "flat" / "b.mp4", tmp_path / "flat" / "a.mp4", tmp_path / "flat" / "notes.txt")
    videos = find_videos([str(tmp_path / "flat")])
    assert [video.name for video in videos] == ["a.mp4", "b.mp4"]
    assert videos[0].root == videos[0].project.docs == tmp_path / "flat"
    assert videos[0].workflow == tmp_path / "flat" / ".workflow" / "a"


def test_targets_may_be_relative(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(projects / "B")
    assert found("docs/2.mp4") == [projects / "B/docs/2.mp4"]
    assert found(".") == [projects / "B/docs/1.MOV", projects / "B/docs/2.mp4"]


def test_each_video_comes_once_in_the_order_it_was_named(projects: Path) -> None:
    targets = [projects / "B/docs/2.mp4", "A", "B", projects / "A/docs/3.mkv"]
    assert found(*targets) == [projects / "B/docs/2.mp4", projects / "A/docs/3.mkv", projects / "B/docs/1.MOV"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nothing", "nothing: there is no such video, project or folder"),
        ("B/docs/1.csv", "not a video; known suffixes are mp4, mov"),
        ("A/originals/none.mp4", "there is no such video"),
        ("empty", "empty: no video in this folder"),
    ],
)
def test_a_target_that_names_no_video_is_refused(projects: Path, target: str, reason: str) -> None:
    (projects / "empty").mkdir()
    with pytest.raises(UsageError) as error:
        found(target)
    assert reason in str(error.value)


def test_projects_without_videos_are_no_error(data_folder: Path) -> None:
    (data_folder / "projets_extraits" / "A" / "docs").mkdir(parents=True)
    assert found(data_folder / "projets_extraits") == []


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_kept_byte_for_byte(tmp_path: Path, name: str) -> None:
    put(tmp_path / "P" / "docs" / name)
    assert [path.name for path in (tmp_path / "P" / "docs").iterdir()] == [name]
    for target in (tmp_path / "P", tmp_path / "P" / "docs" / name):
        (video,) = find_videos([str(target)])
        assert video.path.is_file() and video.name == name
        assert video.stem == name[:-4]
        assert video.delivered("_audio.json").name == name[:-4] + "_audio.json"
        assert video.workflow.name == name[:-4]
        assert video.converted == video


def test_a_name_that_is_not_utf_8_is_found(tmp_path: Path) -> None:
    put(path := tmp_path / "P" / "docs" / os.fsdecode(b"\xff\xfe.mp4"))
    assert found(tmp_path / "P") == [path]


@pytest.mark.parametrize("suffix", [*VIDEO_SUFFIXES, *(suffix.upper() for suffix in VIDEO_SUFFIXES), "Mp4"])
def test_video_suffixes_are_known_whatever_their_case(suffix: str) -> None:
    assert is_video_name(f"x.{suffix}") and is_video_name(f"x.y.{suffix}") and is_video_name(f" .{suffix}")


@pytest.mark.parametrize(
    "name", ["x", "x.txt", ".mp4", "._x.mp4", ".hidden.mp4", "mp4", "x.mp4 ", "x.mp4.part", ""]
)
def test_other_names_are_no_videos(name: str) -> None:
    assert not is_video_name(name)


def test_a_converted_video_has_the_same_stem_and_records(tmp_path: Path) -> None:
    video = Video(Project.at(tmp_path), "a.b .MOV")
    assert video.converted.name == "a.b .mp4"
    assert (video.converted.stem, video.converted.workflow) == (video.stem, video.workflow)


def test_a_folder_named_like_a_video_is_none(tmp_path: Path) -> None:
    (tmp_path / "P" / "docs" / "x.mp4").mkdir(parents=True)
    assert Project.at(tmp_path / "P").videos() == []
