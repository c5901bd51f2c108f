"""A run as people see it: its table, its figures, its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.database import Database
from services.names import Named
from services.run_figures import figures, parameters
from services.run_view import said, shown_state, table, worth_showing
from services.runs import NewEvent, PlannedStep, RunDetail, RunRequest, Runs
from services.runs.latest_events import events_before, kinds_of
from workflow_scripts.common.manifest import Fallback


@pytest.fixture
def database(data_folder: Any) -> Any:
    """A database of the test's own."""
    data_folder.mkdir(exist_ok=True)
    found = Database()
    yield found
    found.close()


@pytest.fixture
def runs(database: Database) -> Runs:
    """No run yet."""
    return Runs(database)


def create(runs: Runs, *planned: PlannedStep) -> RunDetail:
    """A run of step runs."""
    return runs.create(RunRequest(tuple(dict.fromkeys(step.step for step in planned))), planned)


def begin(runs: Runs, step_run: int, *videos: tuple[str, str]) -> None:
    """Claim a step run and report videos."""
    runs.steps.claim(step_run, owner="w", boot_id="b", slot="cpu", device="cpu")
    runs.steps.book(step_run, 1, [("video", {"video": name, "state": state}) for name, state in videos])


def manifest_now(ago: float = 0.0) -> dict[str, str]:
    """When a manifest was begun and finished: just now, or some seconds ago."""
    then = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
    return {"started": then, "finished": then}


def test_the_videos_of_all_step_runs_come_at_once(runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"), PlannedStep("STEP3", "P"), PlannedStep("STEP2", "Q"))
    first, second, third = (step.id for step in made.steps)
    begin(runs, third, ("c.mp4", "failed"))
    begin(runs, first, ("b.mp4", "failed"), ("a.mp4", "succeeded"))
    found = runs.steps.videos_of_run(made.run.id)
    assert {key: [video.video for video in videos] for key, videos in found.items()} == {
        first: ["a.mp4", "b.mp4"],
        third: ["c.mp4"],
    }
    assert found[first] == runs.steps.videos(first) and second not in found


def test_a_table_has_a_row_for_each_project_and_one_for_the_inbox(runs: Runs) -> None:
    planned = [
        PlannedStep("STEP1"),
        PlannedStep("STEP2", "P"),
        PlannedStep("STEP3", "P"),
        PlannedStep("STEP2", "/a"),
    ]
    made = create(runs, *planned)
    begin(runs, made.steps[1].id, ("a.mp4", "failed"), ("b.mp4", "succeeded"))
    found = table(runs.show(made.run.id), runs.steps.videos_of_run(made.run.id))
    assert found.steps == ("STEP1", "STEP2", "STEP3")
    assert [(row.project, row.link) for row in found.rows] == [
        (None, None),
        (Named.of("P"), "P"),
        (Named.of("/a"), None),
    ]
    cell = found.rows[1].cells["STEP2"]
    assert (cell.state, cell.failed, "STEP1" in found.rows[1].cells) == ("running", 1, False)


def test_what_runs_or_failed_is_looked_at_first(runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"), PlannedStep("STEP3", "P"))
    first, second = (step.id for step in made.steps)
    assert worth_showing(made) == made.steps[0]
    begin(runs, first)
    runs.steps.finish(first, "failed", seconds=1, exit_code=1)
    begin(runs, second)
    assert getattr(worth_showing(runs.show(made.run.id)), "id", None) == second
    runs.steps.finish(second, "succeeded", seconds=1, exit_code=0)
    assert getattr(worth_showing(runs.show(made.run.id)), "id", None) == first


def test_paused_and_stalled_are_said(runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"), PlannedStep("STEP3", "P"))
    begin(runs, made.steps[0].id)
    runs.pause(made.run.id)
    runs.steps.mark_stalled(made.steps[0].id, True)
    assert [shown_state(step) for step in runs.show(made.run.id).steps] == ["stalled", "paused"]
    runs.steps.mark_paused(made.steps[0].id, True)
    assert shown_state(runs.steps.get(made.steps[0].id)) == "paused"


def test_figures_are_only_of_manifests_that_the_run_wrote(runs: Runs, make_converted: Any, finish: Any) -> None:
    videos = [make_converted("P", name, frames=frames) for name, frames in (("a.mp4", 50), ("b.mp4", 100))]
    old = make_converted("P", "c.mp4")
    finish(old, "STEP3", {}, seconds={"total": 9.0}, **manifest_now(ago=60))
    made = create(runs, PlannedStep("STEP3", "P"))
    begin(runs, made.steps[0].id, ("a.mp4", "succeeded"), ("b.mp4", "succeeded"), ("c.mp4", "up to date"))
    rung = Fallback("cuda", "cpu", "out of memory")
    own = {"seconds": {"decode": 1.0, "total": 5.0}, "peak_memory": 7, "fallbacks": (rung,), **manifest_now()}
    for video, value in zip(videos, (1, 2), strict=True):
        finish(video, "STEP3", {}, parameters={"t": {"value": value, "origin": "default"}}, **own)
    step = runs.steps.finish(made.steps[0].id, "succeeded", seconds=10, exit_code=0)
    found = figures(runs.show(made.run.id).run, step, runs.steps.videos(step.id))
    assert [video.manifest is not None for video in found.videos] == [True, True, False]
    assert [video.speed for video in found.videos] == [10, 20, None]
    assert (found.of, found.total, found.seconds, found.speed) == (2, 10.0, {"decode": 2.0}, 15.0)
    assert (found.peak_memory, found.fallbacks) == (7, 2)
    (row,) = parameters(found.videos)
    assert (row.name, row.value, row.origin, row.values) == ("t", 1, "default", 2)
    finish(videos[0], "STEP3", {}, **manifest_now(ago=-60))  # a later run replaced it
    again = figures(runs.show(made.run.id).run, step, runs.steps.videos(step.id))
    assert (again.videos[0].manifest, again.of) == (None, 1)


def test_a_video_is_not_at_work_any_more_when_its_step_has_ended(runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP3", "P"))
    step = made.steps[0].id
    begin(runs, step, ("a.mp4", "running"))
    assert figures(made.run, runs.steps.get(step), runs.steps.videos(step)).videos[0].state == "running"
    ended = runs.steps.finish(step, "cancelled", seconds=1, exit_code=130)
    assert figures(made.run, ended, runs.steps.videos(step)).videos[0].state == "interrupted"


def test_an_archive_has_no_figures(runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP1"))
    begin(runs, made.steps[0].id, ("a.zip", "succeeded"))
    found = figures(made.run, made.steps[0], runs.steps.videos(made.steps[0].id))
    assert [(video.video.name, video.manifest, video.speed) for video in found.videos] == [("a.zip", None, None)]
    assert (found.of, found.speed, parameters(found.videos)) == (0, None, [])


def test_events_come_newest_first_page_by_page_without_progress(runs: Runs, database: Database) -> None:
    made = create(runs, PlannedStep("STEP2", "P"))
    other = create(runs, PlannedStep("STEP2", "Q"))
    begin(runs, made.steps[0].id, ("a.mp4", "failed"))
    runs.steps.book(made.steps[0].id, 2, [("progress", {"done": 1, "total": 2})])
    events = events_before(database, made.run.id)
    assert [event.kind for event in events] == ["video", "run", "step", "step", "run"]
    assert {event.run_id for event in events} == {made.run.id}
    assert events_before(database, made.run.id, events[1].id, limit=2) == events[2:4]
    assert [event.kind for event in events_before(database, made.run.id, kind="video")] == ["video"]
    assert kinds_of(database, made.run.id) == ["run", "step", "video"]
    assert other.run.id != made.run.id


def test_an_event_is_a_sentence(runs: Runs, database: Database) -> None:
    made = create(runs, PlannedStep("STEP2", "P"))
    step = made.steps[0].id
    begin(runs, step)
    runs.events.append(
        [
            NewEvent("warning", {"text": "slow\n", "video": "a\x1b.mp4"}, made.run.id, step),
            NewEvent("finished", {"states": {"failed": 1, "succeeded": 2}, "time": "x"}, made.run.id, step),
        ]
    )
    finished, warning, *_, first = [said(event, {step: made.steps[0]}) for event in events_before(database, 1)]
    assert (warning.kind, warning.video, warning.text) == ("warning", "a\\x1b.mp4", "slow\\n")
    assert (warning.step, warning.project, finished.text) == ("STEP2", "P", "states failed 1, succeeded 2")
    assert (first.kind, first.state, first.text) == ("run", "queued", "")
