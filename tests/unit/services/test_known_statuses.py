"""Statuses that are kept are those that reading everything again would give."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.known_statuses import KnownStatuses
from services.status import project_status
from workflow_scripts.common.projects import Video
from workflow_scripts.common.run import failure_path

KEYS = ["STEP2", "STEP3", "STEP4"]


def overwrite(video: Video) -> None:
    """Change an output without changing its size or its time of change."""
    path = video.delivered(".csv")
    before = path.stat()
    path.write_text("other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def fail(video: Video) -> None:
    """Record a failure."""
    failure_path(video.workflow, "STEP4").write_text('{"message": "No sound.", "hint": ""}')


CHANGES: list[Callable[[Video], Any]] = [
    lambda video: video.delivered(".csv").write_text("something else"),
    lambda video: video.delivered(".csv").unlink(),
    lambda video: (video.workflow / "STEP3.json").unlink(),
    lambda video: (video.workflow / "STEP3.json").write_text("{"),
    lambda video: video.path.write_bytes(b"another picture"),
    lambda video: video.path.with_name("new.mp4").write_bytes(b"x"),
    lambda video: video.path.unlink(),
    fail,
]


@pytest.fixture
def video(make_converted: Any, finish: Any, monkeypatch: pytest.MonkeyPatch) -> Video:
    """A video of which two steps are done, long ago."""
    video: Video = make_converted("P", "a.mp4")
    video.delivered(".csv").write_text("shots")
    finish(video, "STEP3", {"scenes": video.delivered(".csv")})
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr("services.known_statuses.time.time_ns", lambda: later)
    return video


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_file_shows_at_once(video: Video, change: Callable[[Video], Any]) -> None:
    known = KnownStatuses()
    assert known.of(video.project, KEYS) == project_status(video.project, KEYS)
    change(video)
    assert known.of(video.project, KEYS) == project_status(video.project, KEYS)


def test_nothing_is_read_again_while_nothing_changes(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownStatuses()
    (first,) = known.of(video.project, KEYS)
    monkeypatch.setattr("services.known_statuses.video_status", lambda video, keys: pytest.fail("read again"))
    assert known.of(video.project, KEYS) == [first]


def test_what_has_just_changed_is_not_kept(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.known_statuses.time.time_ns", lambda: video.path.stat().st_ctime_ns + 1)
    known = KnownStatuses()
    assert known.of(video.project, KEYS)[0].steps["STEP3"].state == "succeeded"
    overwrite(video)
    fail(video)
    assert known.of(video.project, KEYS)[0].steps["STEP4"].state == "failed"


def test_only_so_many_are_kept(video: Video, make_converted: Any) -> None:
    known = KnownStatuses(largest=2)
    for name in ("b.mp4", "c.mp4"):
        make_converted("P", name)
    assert known.of(video.project, KEYS) == project_status(video.project, KEYS)
    assert known.of(video.project, KEYS) == project_status(video.project, KEYS)


def test_a_video_that_waits_for_conversion_is_there_under_its_own_name(video: Video, data_folder: Path) -> None:
    (video.project.docs / "b.MOV").write_bytes(b"x")
    (video.project.docs / "a.avi").write_bytes(b"x")
    assert [one.video.name for one in KnownStatuses().of(video.project, KEYS)] == ["a.mp4", "b.MOV"]
