"""Periods, the figures of a period, and runs that somebody looks for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.database import Database
from services.runs import Clock, PlannedStep, RunDetail, RunRequest, Runs
from services.states import State
from services.statistics import (
    Period,
    RunSearch,
    find_runs,
    oldest_run,
    overview,
    period_of,
    points,
    projects_of_runs,
)
from services.statistics.reasons import Complaint, reasons, shape_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TODAY = date(2026, 5, 4)
STEPS = ("STEP3", "STEP4")


class Past:
    """Runs that were asked for and ended at moments that a test chooses."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, NOON
        self.runs = Runs(database, Clock(lambda: self.now, lambda: 0.0))

    def run(
        self,
        *videos: dict[str, Any],
        step: str = "STEP3",
        project: str = "Été",
        state: State = "succeeded",
        reason: str = "",
        origin: str = "dashboard",
    ) -> RunDetail:
        """A run of one step that told this of its videos."""
        made = self.runs.create(RunRequest((step,), (project,), origin=origin), [PlannedStep(step, project)])
        one = made.steps[0]
        self.runs.steps.claim(one.id, owner="worker", boot_id="boot", slot="cpu", device="cpu")
        self.runs.steps.book(one.id, 1, [("video", video) for video in videos])
        self.runs.steps.finish(one.id, state, seconds=1.0, reason=reason)
        return self.runs.show(made.run.id)

    def ids(self, **wanted: Any) -> list[int]:
        """The numbers of the runs found, as they are listed."""
        return [one.run.id for one in find_runs(self.database, MONTH, RunSearch(**wanted)).runs]


MONTH = period_of(TODAY, 30)


@pytest.fixture
def past() -> Iterator[Past]:
    with closing(Database()) as database:
        yield Past(database)


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def video(name: str = "a.mp4", state: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {"video": name, "state": state, **more}


def test_the_last_seven_days_end_today() -> None:
    assert period_of(TODAY, 7) == Period(date(2026, 4, 28), TODAY)
    assert period_of(TODAY, 7).length == len(period_of(TODAY, 7).days) == 7


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), Period(date(2026, 3, 1), date(2026, 3, 2))),
        (date(2026, 5, 1), None, Period(date(2026, 5, 1), TODAY)),
        (None, date(2026, 3, 31), Period(date(2026, 3, 2), date(2026, 3, 31))),
        (date(2026, 6, 1), None, Period(date(2026, 6, 1), date(2026, 6, 1))),
        (date(1, 1, 1), date(2026, 1, 1), Period(date(2025, 1, 1), date(2026, 1, 1))),
        (date.max, date.max, Period(date(2999, 12, 31), date(2999, 12, 31))),
    ],
)
def test_a_period_is_what_its_ends_say(first: date | None, last: date | None, expected: Period) -> None:
    found = period_of(TODAY, 30, first, last)
    assert found == expected
    assert found.bounds[0] < found.bounds[1]


def test_a_long_period_is_looked_at_by_weeks_from_monday() -> None:
    period = Period(date(2026, 4, 1), date(2026, 5, 4))  # a Wednesday to a Monday
    weeks = [date(2026, 4, 1), *(date(2026, 4, day) for day in (6, 13, 20, 27)), date(2026, 5, 4)]
    assert list(period.stretches) == weeks
    assert Period(date(2026, 4, 4), TODAY).stretches == Period(date(2026, 4, 4), TODAY).days


@pytest.mark.usefixtures("paris")
def test_a_run_belongs_to_the_day_of_this_machines_calendar(past: Past) -> None:
    past.now = datetime(2026, 5, 3, 22, 30, tzinfo=UTC)  # half past midnight in Paris
    past.run(video())
    assert [day.day for day in overview(past.database, MONTH, STEPS).days if day.runs] == [TODAY]
    assert overview(past.database, Period(TODAY, TODAY), STEPS).runs == {"succeeded": 1}


def test_days_without_runs_are_told_too(past: Past) -> None:
    past.run(video())
    past.now += timedelta(days=1)
    past.run(video(state="failed"), state="failed")
    days = overview(past.database, period_of(date(2026, 5, 6), 4), STEPS).days
    assert [dict(day.runs) for day in days] == [{}, {"succeeded": 1}, {"failed": 1}, {}]
    assert oldest_run(past.database) == NOON


def test_figures_that_were_told_before_follow_every_change(past: Past) -> None:
    def states() -> dict[str, int]:
        return dict(overview(past.database, MONTH, STEPS).runs)

    assert states() == {}
    first = past.runs.create(RunRequest(("STEP3",), ("A",)), [PlannedStep("STEP3", "A")])
    assert states() == {"queued": 1}
    past.runs.steps.claim(first.steps[0].id, owner="w", boot_id="b", slot="cpu", device="cpu")
    assert states() == {"running": 1}
    past.runs.steps.book(first.steps[0].id, 1, [("video", video(state="failed", message="bad"))])
    assert overview(past.database, MONTH, STEPS).failures == ()
    past.runs.steps.finish(first.steps[0].id, "failed", seconds=1.0)
    found = overview(past.database, MONTH, STEPS)
    assert (dict(found.runs), [one.shape for one in found.failures]) == ({"failed": 1}, ["bad"])
    past.now += timedelta(days=2)
    past.runs.prune(timedelta(days=1))
    assert states() == {}


def test_the_pace_is_work_for_each_minute_of_video(past: Past) -> None:
    for seconds in (10.0, 20.0, 90.0):
        past.run(video(seconds=seconds, length=120.0))
    past.run(video(seconds=1.0, length=60.0), step="STEP4")
    first, second = overview(past.database, MONTH, STEPS).paces
    assert (first.step, first.device, first.videos, first.seconds, first.length) == ("STEP3", "cpu", 3, 120, 360)
    assert first.median == 10.0
    assert first.slow == pytest.approx(38.0)
    assert (second.step, second.median, second.slow) == ("STEP4", 1.0, 1.0)


def test_work_that_failed_or_that_nobody_measured_has_no_pace(past: Past) -> None:
    past.run(video(state="failed", seconds=3.0, length=60.0), video("b.mp4"), video("c.mp4", length=9.0))
    past.run(video(seconds="soon", length=True), video("b.mp4", seconds=float("inf"), length=0.0))
    found = overview(past.database, MONTH, STEPS)
    assert (found.paces, found.unmeasured, points(past.database, MONTH)) == ((), 4, [])


def test_an_attempt_that_finds_the_work_done_does_not_hide_how_long_it_took(past: Past) -> None:
    past.run(video(seconds=7.0, length=60.0), video(state="up to date"))
    assert [pace.seconds for pace in overview(past.database, MONTH, STEPS).paces] == [7.0]


def test_points_are_the_newest(past: Past) -> None:
    for seconds in (1.0, 2.0, 3.0):
        past.now += timedelta(minutes=1)
        past.run(video(seconds=seconds, length=60.0))
    assert [(one.seconds, one.run_id) for one in points(past.database, MONTH, 2)] == [(3.0, 3), (2.0, 2)]


def test_the_share_of_degraded_videos_counts_what_was_worked_on_alone(past: Past) -> None:
    past.now -= timedelta(days=1)
    past.run(video(), video("b.mp4", "degraded"), video("c.mp4", "up to date"), video("d.mp4", "running"))
    past.now += timedelta(days=1)
    past.run(video(state="failed"), state="failed")
    past.run(video("x.zip", "degraded"), step="STEP1")
    (found,) = overview(past.database, period_of(TODAY, 3), STEPS).quality
    assert (found.step, found.shares) == ("STEP3", (None, 0.5, 0.0))
    assert found.total == {"succeeded": 1, "degraded": 1, "failed": 1}


def complaint(sentence: str, **more: Any) -> Complaint:
    values: dict[str, Any] = {"step": "STEP3", "run_id": 1, "when": NOON, "video": "a.mp4", "project": "Été"}
    return Complaint(sentence, **{**values, **more})


@pytest.mark.parametrize(
    ("sentence", "shape"),
    [
        ("a.mp4: there is no picture.", "there is no picture."),
        ("The sound has 2212 frames, the picture 2375.", "The sound has … frames, the picture …."),
        ("a: No space left (/data/Été/docs).", "No space left (…)."),
        ("“x” of Été: exit status -9", "… of …: exit status …"),
        ("Run STEP4 again, with FP32, at 00:12:01.5", "Run STEP4 again, with FP32, at …"),
        ("largest: 0.42, must be <= 0.4", "largest: …, must be <= …"),
        ("It can't be read, it isn't there", "It can't be read, it isn't there"),
        ("sha256 0123456789abcdef differs", "sha256 … differs"),
        ("a banana is a banana", "… banana is … banana"),
        ("", "…"),
    ],
)
def test_the_shape_of_a_sentence_is_what_stays_the_same(sentence: str, shape: str) -> None:
    assert shape_of(complaint(sentence)) == shape


def test_a_name_that_is_no_utf_8_is_left_out_of_the_shape() -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    assert shape_of(complaint(r"caf\udce9.mp4: is empty", video=name)) == "is empty"


def test_reasons_are_counted_by_shape_with_the_newest_as_example() -> None:
    later = NOON + timedelta(hours=1)
    given = [complaint("b: no."), complaint("1 lost"), complaint("2 lost", step="STEP4", when=later, run_id=2)]
    first, second = reasons(given)
    assert (first.shape, first.count, first.steps, first.newest.run_id) == ("… lost", 2, ("STEP3", "STEP4"), 2)
    assert (second.shape, second.count) == ("b: no.", 1)


def test_a_failed_step_is_told_by_its_videos_or_by_its_own_reason(past: Past) -> None:
    past.run(video(state="failed", message="a.mp4: no picture."), state="failed", reason="Some items failed.")
    past.run(state="failed", reason="The model is missing.")
    past.run(video(state="degraded", message="tracks: 2, must be = 0"), state="degraded")
    found = overview(past.database, MONTH, STEPS)
    assert {one.shape for one in found.failures} == {"no picture.", "The model is missing."}
    assert [one.shape for one in found.complaints] == ["tracks: …, must be = …"]


def test_runs_are_found_by_what_they_are(past: Past) -> None:
    past.run(video())
    past.run(video(), project="Other", step="STEP4", origin="inbox")
    past.run(video(state="failed"), state="failed")
    assert past.ids() == [3, 2, 1]
    assert past.ids(states=("failed",)) == [3]
    assert past.ids(project="Été", step="STEP3") == [3, 1]
    assert past.ids(origin="inbox") == [2]
    assert past.ids(project="Other", step="STEP3") == []
    assert find_runs(past.database, period_of(TODAY, 5, last=date(2026, 5, 3)), RunSearch()).total == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [("#2", [2]), ("ÉTÉ", [1]), ("e\u0301te\u0301", [1]), ("caméra 2", [1]), ("NO SPACE", [2]), ("model", [3])],
)
def test_runs_are_found_by_any_text_about_them(past: Past, text: str, found: list[int]) -> None:
    past.run(video("Caméra 2.mp4"))
    past.run(video(state="failed", message="b.mp4: No space left."), project="x", state="failed")
    past.run(project="y", state="failed", reason="The model is missing.")
    assert past.ids(text=text) == found


def test_names_that_are_no_utf_8_are_found_and_listed(past: Past) -> None:
    name = os.fsdecode(b"caf\xe9")
    past.run(video(f"{name}.mp4"), project=name)
    assert past.ids(project=name) == past.ids(text="caf") == past.ids(text=r"\udce9.mp4") == [1]
    assert projects_of_runs(past.database) == [name]


def test_a_found_run_tells_its_steps_and_what_went_wrong(past: Past) -> None:
    planned = [PlannedStep("STEP3", "A"), PlannedStep("STEP3", "B"), PlannedStep("STEP4", "A")]
    made = past.runs.create(RunRequest(STEPS, ("A", "B")), planned)
    told = {0: [video(state="degraded", message="poor")], 1: [video(state="failed", message="bad")]}
    for step in made.steps[:2]:
        past.runs.steps.claim(step.id, owner="w", boot_id="b", slot="cpu", device="cpu")
        past.runs.steps.book(step.id, 1, [("video", one) for one in told[step.position]])
        past.runs.steps.finish(step.id, "failed" if step.position else "degraded", seconds=1.0)
    past.runs.steps.skip(made.steps[2].id, "STEP3 failed.")
    (found,) = find_runs(past.database, MONTH, RunSearch()).runs
    assert [(one.step, one.state) for one in found.steps] == [("STEP3", "failed"), ("STEP4", "skipped")]
    assert (found.failed, found.degraded, found.trouble) == (1, 1, "bad")


def test_a_page_that_is_not_there_is_the_last(past: Past) -> None:
    for _ in range(5):
        past.run(video())
    page = find_runs(past.database, MONTH, RunSearch(), page=9, size=2)
    assert (page.page, page.pages, page.total, [one.run.id for one in page.runs]) == (3, 3, 5, [1])
