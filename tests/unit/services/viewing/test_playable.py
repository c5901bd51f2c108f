"""Which videos can be shown to the frame, and which of them browsers play as they are."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from services.projects import UnknownName
from services.viewing.playable import LONGEST_GOP, NotMeasured, find_film, is_playable
from services.viewing.playable_cache import cache_folder, readable
from workflow_scripts.common.media_info import read_media, write_media
from workflow_scripts.common.projects import Project, Video


def test_a_video_as_step2_leaves_it_is_played_as_it_is(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 10)
    film = find_film("P", "a.mp4")
    assert (film.video, film.media.frames, film.seconds) == (video, 10, 0.4)
    assert film.version == read_media(video.workflow / "media.json").sha256[:16]
    assert is_playable(film)


@pytest.mark.parametrize(
    ("change", "plays"),
    [
        ({}, True),
        ({"width": 1080, "height": 1920}, True),
        ({"width": 1922}, False),
        ({"width": 1920, "height": 1088}, False),
        ({"pix_fmt": "yuv420p10le"}, False),
        ({"codec": "hevc"}, False),
        ({"container": "matroska,webm"}, False),
    ],
)
def test_what_browsers_cannot_play_is_told_from_what_was_measured(
    make_film: Any, change: dict[str, Any], plays: bool
) -> None:
    make_film("P", "a.mp4", 10)
    film = find_film("P", "a.mp4")
    assert is_playable(dataclasses.replace(film, media=dataclasses.replace(film.media, **change))) is plays


def test_a_video_with_keyframes_far_apart_is_not_played_as_it_is(make_film: Any, monkeypatch: Any) -> None:
    make_film("P", "near.mp4", 40)
    make_film("P", "far.mp4", LONGEST_GOP + 1, 1)
    assert is_playable(find_film("P", "near.mp4"))
    assert is_playable(find_film("P", "far.mp4"))  # its encoder puts a keyframe at every 250th frame
    monkeypatch.setattr("services.viewing.playable.LONGEST_GOP", LONGEST_GOP - 1)
    assert not is_playable(find_film("P", "far.mp4"))


def test_a_video_that_step2_has_not_measured_is_refused_with_what_to_do(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 5)
    (video.workflow / "STEP2.json").rename(video.workflow / "elsewhere")
    with pytest.raises(NotMeasured, match="not been converted yet") as refused:
        find_film("P", "a.mp4")
    assert refused.value.hint == "Run STEP2 on it."


def test_a_video_that_has_changed_since_is_refused(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 5)
    find_film("P", "a.mp4")
    other = make_film("Q", "a.mp4", 6)
    video.path.write_bytes(other.path.read_bytes())
    with pytest.raises(NotMeasured, match="changed since STEP2"):
        find_film("P", "a.mp4")


def test_a_video_that_was_only_copied_is_the_same(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 5)
    os.utime(video.path, (1, 1))
    assert find_film("P", "a.mp4").media.frames == 5


def test_measurements_of_another_file_are_refused(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 5)
    path = video.workflow / "media.json"
    write_media(path, dataclasses.replace(read_media(path), sha256="0" * 64))
    with pytest.raises(NotMeasured, match="another file"):
        find_film("P", "a.mp4")


def test_measurements_that_cannot_be_read_are_a_sentence(make_film: Any) -> None:
    video = make_film("P", "a.mp4", 5)
    (video.workflow / "media.json").write_text("{")
    with pytest.raises(NotMeasured, match=r"media\.json"):
        find_film("P", "a.mp4")


@pytest.mark.parametrize(("project", "video"), [("none", "a.mp4"), ("P", "b.mp4"), ("P", ".."), ("P", "a.csv")])
def test_a_name_that_is_not_there_is_unknown(make_film: Any, project: str, video: str) -> None:
    made = make_film("P", "a.mp4", 5)
    made.delivered(".csv").write_text("shots")
    with pytest.raises(UnknownName):
        find_film(project, video)


def test_what_was_made_of_a_former_content_is_thrown_away(make_film: Any) -> None:
    make_film("P", "a.mp4", 5)
    before = cache_folder(find_film("P", "a.mp4"))
    (before / "proxy.mp4").write_bytes(b"old")
    make_film("P", "a.mp4", 6)
    after = cache_folder(find_film("P", "a.mp4"))
    assert after != before and not before.exists()
    assert after.parent == Video(Project.at(before.parents[3]), "a.mp4").workflow / "viewer"


def test_what_is_made_of_a_project_that_cannot_be_written_is_kept_in_the_data_folder(
    make_film: Any, data_folder: Path
) -> None:
    video = make_film("P", "a.mp4", 5)
    (video.workflow / "viewer").write_text("in the way")
    folder = cache_folder(find_film("P", "a.mp4"))
    assert folder.is_dir() and folder.parent == data_folder / ".viewer-cache"


def test_a_file_of_any_name_can_be_read(tmp_path: Path) -> None:
    for name in ("plain.mp4", os.fsdecode(b"caf\xe9 \xff.mp4"), os.fsdecode(b"a.\xff")):
        (tmp_path / name).write_text(name[:1])
        with readable(tmp_path / name) as path:
            str(path).encode()
            assert path.read_text() == name[:1]
