"""Summaries of projects: never shown when they may be wrong, and not read again while they are right."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services import status
from services.summaries import AGE_S, LARGEST_AGE_S, Summaries, Summary
from workflow_scripts.common.manifest import Fallback
from workflow_scripts.common.projects import Video

KEYS = ("STEP2", "STEP3")
PLENTY = 60.0
Age = Callable[[], None]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock of the summaries."""
    return Clock()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The projects that were read, by name."""
    found: list[str] = []
    real = status.project_status

    def read(project: Any, keys: Any) -> Any:
        found.append(project.name)
        return real(project, keys)

    monkeypatch.setattr("services.summaries.project_status", read)
    return found


@pytest.fixture
def age(data_folder: Path) -> Age:
    """`age()` makes all folders look as if nothing had changed for an hour."""

    def make() -> None:
        past = time.time() - 3600
        for folder in (data_folder / "projets_extraits").rglob("*"):
            if folder.is_dir():
                os.utime(folder, (past, past))

    return make


def one(found: Summaries, budget: float = PLENTY) -> Summary | None:
    """The summary of the only project."""
    (line,) = found.look(KEYS, budget)
    return line.summary


def test_a_project_stands_as_its_worst_video_does(make_converted: Any, finish: Any, clock: Clock) -> None:
    first, second = (make_converted("P", f"{name}.mp4") for name in "ab")
    summary = one(Summaries(clock))
    assert summary is not None
    assert (summary.state, summary.videos, summary.done, summary.total) == ("pending", 2, 2, 4)
    for video in (first, second):
        video.delivered(".csv").write_text("x")
        finish(
            video, "STEP3", {"shots": video.delivered(".csv")}, state="degraded" if video is first else "succeeded"
        )
    summary = one(Summaries(clock))
    assert summary is not None
    assert (summary.state, summary.done) == ("degraded", 4)
    assert summary.steps["STEP3"].counts == {"degraded": 1, "succeeded": 1}
    (first.workflow / "STEP3.failed.json").write_text("damaged")
    summary = one(Summaries(clock))
    assert summary is not None and summary.state == "failed"


def test_a_project_without_videos_is_to_be_done(data_folder: Path, clock: Clock) -> None:
    (data_folder / "projets_extraits" / "P" / "docs").mkdir(parents=True)
    summary = one(Summaries(clock))
    assert summary is not None and (summary.state, summary.videos, summary.total) == ("pending", 0, 0)


def test_what_has_not_changed_is_not_read_again(
    make_converted: Any, clock: Clock, reads: list[str], age: Age
) -> None:
    make_converted("P", "a.mp4")
    age()
    found = Summaries(clock)
    assert one(found) == one(found)
    assert reads == ["P"]


@pytest.mark.parametrize("change", ["manifest", "failure", "video", "artifact gone", "original gone"])
def test_what_has_changed_is_read_again_at_once(
    make_converted: Any, finish: Any, clock: Clock, reads: list[str], age: Age, change: str
) -> None:
    video: Video = make_converted("P", "a.mp4")
    video.project.originals.mkdir()
    (video.project.originals / "a.mov").write_text("x")
    age()
    found = Summaries(clock)
    before = one(found)
    if change == "manifest":
        finish(video, "STEP3", {"video": video.path})
    elif change == "failure":
        (video.workflow / "STEP3.failed.json").write_text("x")
    elif change == "video":
        (video.project.docs / "b.mp4").write_text("x")
    elif change == "artifact gone":
        video.path.unlink()
    else:
        (video.project.originals / "a.mov").unlink()
    after = one(found)
    assert reads == ["P", "P"]
    assert (after == before) is (change == "original gone")


def test_what_has_just_changed_may_change_unseen_and_is_read_every_time(
    make_converted: Any, clock: Clock, reads: list[str]
) -> None:
    make_converted("P", "a.mp4")
    found = Summaries(clock)
    one(found), one(found)
    assert reads == ["P", "P"]


def test_a_change_within_a_file_is_seen_in_time_and_nobody_is_shown_what_is_too_old(
    make_converted: Any, clock: Clock, age: Age
) -> None:
    video = make_converted("P", "a.mp4")
    age()
    found = Summaries(clock)
    before = one(found)
    video.path.write_bytes(b"changed in place, which no folder tells")
    assert one(found) == before
    clock.now = LARGEST_AGE_S + 1
    assert one(found, budget=0) is None
    clock.now = AGE_S + 1
    one(found)
    after = one(found)
    assert before is not None and after is not None
    assert (before.state, after.state) == ("pending", "outdated")


def test_without_time_nothing_is_read_and_what_is_not_known_is_said_to_be_so(
    make_converted: Any, clock: Clock, reads: list[str], age: Age
) -> None:
    for name in ("A", "B"):
        make_converted(name, "a.mp4")
    age()
    found = Summaries(clock)
    assert [(line.name, line.summary) for line in found.look(KEYS, 0.0)] == [("A", None), ("B", None)]
    assert reads == []
    assert all(line.summary for line in found.look(KEYS, PLENTY))
    assert all(line.summary for line in found.look(KEYS, 0.0))


def test_a_project_that_is_gone_is_not_shown_and_a_new_one_is(make_converted: Any, clock: Clock) -> None:
    gone = make_converted("A", "a.mp4")
    found = Summaries(clock)
    assert one(found)
    shutil.rmtree(gone.project.root)
    make_converted("B", "a.mp4")
    assert [line.name for line in found.look(KEYS, PLENTY)] == ["B"]


def test_a_result_of_the_cpu_counts_as_fallback_only_where_a_gpu_was_wanted(
    make_converted: Any, finish: Any, clock: Clock
) -> None:
    cases: tuple[dict[str, Any], ...] = (
        {"device_asked": "auto"},
        {"device_asked": "cuda"},
        {"device_asked": "auto", "fallbacks": (Fallback("cuda (batch 8)", "cpu (batch 8)", "no memory"),)},
        {"device_asked": "cuda", "device_used": "cuda", "warnings": ("w",)},
    )
    for number, fields in enumerate(cases):
        video = make_converted("P", f"{number}.mp4")
        finish(video, "STEP3", {"video": video.path}, **fields)
    summary = one(Summaries(clock))
    assert summary is not None
    assert (summary.steps["STEP3"].on_cpu, summary.steps["STEP3"].warnings) == (2, 1)


def test_a_project_is_done_without_an_optional_step_that_nobody_asked_for(make_converted: Any, finish: Any) -> None:
    video = make_converted("P", "a.mp4")
    look = partial(Summaries().look, ["STEP2", "STEP4B"], 5.0)
    (line,) = look({"STEP4B"})
    assert line.summary is not None
    assert (line.summary.state, line.summary.done, line.summary.total) == ("succeeded", 1, 1)
    (line,) = look()
    assert line.summary is not None and (line.summary.state, line.summary.total) == ("pending", 2)
    finish(video, "STEP4B", {}, state="degraded")
    (line,) = look({"STEP4B"})
    assert line.summary is not None and (line.summary.state, line.summary.total) == ("degraded", 2)
