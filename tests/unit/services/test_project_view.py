"""A project as a matrix, and what a run of it would do."""

from __future__ import annotations

from typing import Any

import pytest

from services import foresight
from services.foresight import count, delivery
from services.names import Named
from services.pipeline import Pipeline, load_pipeline
from services.planning import WouldDo
from services.project_view import at_work, dependents, matrix, missing_needs, work_on
from services.runs import PlannedStep, RunRequest, Runs
from services.status import project_status
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.projects import Project, Video

KEYS = ["STEP2", "STEP3", "STEP4", "STEP4B", "STEP5", "STEP6", "STEP7"]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


@pytest.fixture
def project(make_converted: Any, finish: Any) -> Project:
    """Two videos; the shots of one are degraded."""
    make_converted("P", "a.mp4")
    video: Video = make_converted("P", "b.mp4")
    video.delivered(".csv").write_text("shots")
    gates = (Gate.at_least("shots", 1, 2), Gate.at_most("share", 0, 1), Gate("figure", 3))
    finish(video, "STEP3", {"scenes": video.delivered(".csv")}, state="degraded", gates=gates)
    return video.project


def test_a_cell_says_the_state_and_how_many_gates_passed(pipeline: Pipeline, project: Project) -> None:
    found = matrix(pipeline, project, project_status(project, KEYS), {}, {})
    assert [column.step.key for column in found.columns] == KEYS
    cell = found.rows[1].cells[1]
    assert (cell.step, cell.state, cell.passed, cell.judged) == ("STEP3", "degraded", 1, 2)
    assert found.columns[1].counts == {"degraded": 1, "pending": 1}


def test_only_what_needs_attention_is_shown_when_asked_for(pipeline: Pipeline, project: Project) -> None:
    found = matrix(pipeline, project, project_status(project, KEYS), {}, {}, attention_only=True)
    assert ([row.video.name for row in found.rows], found.attention, found.total) == (["b.mp4"], 1, 2)


def test_the_video_that_a_step_is_at_work_on_is_running(pipeline: Pipeline, project: Project, house: Any) -> None:
    runs: Runs = house.runs
    planned = [PlannedStep("STEP3", "P"), PlannedStep("STEP4", "P"), PlannedStep("STEP3", "Q")]
    made = runs.create(RunRequest(("STEP3", "STEP4"), ("P", "Q")), planned)
    at_work_id = made.steps[0].id
    runs.steps.claim(at_work_id, owner="w", boot_id="b", slot="cpu", device="cpu")
    runs.steps.book(at_work_id, 1, [("progress", {"done": 1, "total": 2, "video": "a.mov"})])
    work = work_on(project, runs.steps.active())
    busy = at_work(work, runs.steps.videos)
    found = matrix(pipeline, project, project_status(project, KEYS), work, busy)
    assert [row.cells[1].state for row in found.rows] == ["running", "degraded"]
    assert [column.work.state for column in found.columns if column.work] == ["running", "queued"]
    assert set(work) == {"STEP3", "STEP4"}
    runs.steps.book(
        at_work_id,
        2,
        [("video", {"video": "a.mp4", "state": "succeeded"}), ("video", {"video": "b.mp4", "state": "running"})],
    )
    assert at_work(work_on(project, runs.steps.active()), runs.steps.videos) == {"STEP3": {"b"}}


def test_what_a_step_waits_for_and_what_waits_for_it(pipeline: Pipeline, project: Project) -> None:
    (first, second) = project_status(project, KEYS)
    assert missing_needs(pipeline, first, "STEP5") == ["STEP3", "STEP4"]
    assert missing_needs(pipeline, second, "STEP5") == ["STEP4"]
    assert dependents(pipeline, "STEP3") == ["STEP5", "STEP6", "STEP7"]
    assert dependents(pipeline, "STEP7") == []


def test_answers_of_steps_are_counted() -> None:
    rows = [
        WouldDo("STEP3", "P", "a.mp4", "up to date"),
        WouldDo("STEP3", "P", "b: c.mp4", "b: c.mp4: STEP2 has not finished for this video."),
        WouldDo("STEP3", "P", "new\n.mp4", "input changed: video"),
        WouldDo("STEP4", "P", "a.mp4", "new"),
    ]
    third, fourth = count(["STEP3", "STEP4"], rows)
    assert third.to_do == ((Named.of("new\n.mp4"), "input changed: video"),)
    assert (third.up_to_date, third.waiting) == (
        1,
        ((Named.of("b: c.mp4"), "STEP2 has not finished for this video."),),
    )
    assert [video.name for video, _ in fourth.to_do] == ["a.mp4"]


def test_a_delivery_says_where_and_what(
    pipeline: Pipeline, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUT_DIR", "/somewhere")
    monkeypatch.setattr(foresight, "dry_run", lambda pipeline, request: [])
    found = delivery(pipeline, project, project_status(project, KEYS))
    assert (str(found.folder), found.files, found.kinds) == ("/somewhere/P/docs", 3, (".csv", ".mp4"))
    assert found.size == sum(path.stat().st_size for path in project.docs.iterdir())
    assert "OUTPUT_DIR" in found.origin
