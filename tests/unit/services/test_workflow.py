"""A person's request in a terminal: what it means, who does it, and what it ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services import asking, workflow
from services.database import Database
from services.pipeline import Pipeline, StepDefinition, load_pipeline
from services.reports import StepReport, exit_code
from services.runs import Conflict, Runs
from services.states import TransitionError
from services.supervision.processes import identity_of
from services.worker import start_detached, stop_worker
from services.workflow import find_projects, request_of, statuses
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Project

House = Any
#: A terminal that runs all projects.
TERMINAL = """
import sys
from services import workflow
from services.pipeline import load_pipeline
from services.reports import exit_code
pipeline = load_pipeline()
request = workflow.request_of(pipeline, (), sys.argv[1])
reports = workflow.run(pipeline, request, lambda line: print(line, flush=True))
sys.exit(exit_code(reports))
"""


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


def terminal(steps: str = "2-5") -> subprocess.Popen[str]:
    """A terminal that runs steps."""
    return subprocess.Popen([sys.executable, "-c", TERMINAL, steps], cwd=ROOT, text=True, stdout=subprocess.PIPE)


def wait_for_step(house: House, key: str, times: int = 1) -> None:
    """Wait until a step has begun."""
    limit = time.monotonic() + 30
    while house.began(key) < times:
        assert time.monotonic() < limit
        time.sleep(0.01)


# what is asked for


def test_projects_are_found_by_name_and_by_path(make_converted: Any, data_folder: Path, tmp_path: Path) -> None:
    project = make_converted("L’été ", "x.mp4").project
    (tmp_path / "flat").mkdir()
    assert find_projects(["L’été ", str(tmp_path / "flat")]) == (project, Project.at(tmp_path / "flat"))
    assert find_projects([]) == ()
    with pytest.raises(UsageError, match=r"none: there is no such project\. Known projects: L’été \."):
        find_projects(["none"])
    assert project.root == data_folder / "projets_extraits" / "L’été "


def test_where_there_is_no_project_yet_that_is_said() -> None:
    with pytest.raises(UsageError, match="Known projects: none yet"):
        find_projects(["none"])


def test_a_named_project_is_not_extracted_again_unless_that_step_is_named(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    project = Project.at(tmp_path)

    def keys(*projects: Project, steps: str | None = None) -> str:
        return "".join(key.removeprefix("STEP") for key in request_of(pipeline, projects, steps).sequence)

    assert keys() == "1234567"
    assert keys(project) == "234567"
    assert keys(project, steps="1-3") == "123"
    assert keys(steps="3-") == "34567"
    assert request_of(pipeline, (project,)).projects == (str(tmp_path),)


def test_missing_environments_are_named_before_anything_starts(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data_folder: Path
) -> None:
    monkeypatch.setattr("services.preflight.python_of", lambda name: tmp_path / name / "bin" / "python")
    with pytest.raises(PreconditionError, match=r"transnet_env: The environment is missing\. Run scripts/setup"):
        workflow.run(pipeline, request_of(pipeline, (), "3,5"), print)
    assert not (data_folder / "workflow.db").exists()


def test_statuses_are_per_project_and_leave_out_the_step_that_makes_them(
    pipeline: Pipeline, make_converted: Any
) -> None:
    first, second = make_converted("A", "x.mp4"), make_converted("B", "y.mp4")
    found = statuses(pipeline, ())
    assert list(found) == ["A", "B"]
    assert list(found["A"][0].steps) == ["STEP2", "STEP3", "STEP4", "STEP4B", "STEP5", "STEP6", "STEP7"]
    assert found["A"][0].video == first and found["A"][0].steps["STEP2"].state == "succeeded"
    assert list(statuses(pipeline, (second.project,))) == ["B"]


# without a worker


def run(house: House, steps: str | None = None, *names: str) -> tuple[list[StepReport], list[str]]:
    """Run steps in this process; what they ended with, and what was shown."""
    shown: list[str] = []
    projects = find_projects(names)
    return workflow.run(house.pipeline, request_of(house.pipeline, projects, steps), shown.append), shown


def test_without_a_worker_a_run_does_the_work_itself_and_shows_what_steps_print(house: House) -> None:
    house.project("A", STEP3="exit 7")
    reports, shown = run(house, "2-5")
    assert [(one.step.key, one.exit_code) for one in reports] == [
        ("STEP2", 0),
        ("STEP3", 7),
        ("STEP4", 0),
        ("STEP5", None),
    ]
    assert exit_code(reports) == 1 and reports[3].reason == "STEP3 failed and left nothing to go on with."
    assert shown[:2] == ["STEP2 Toy 2", "STEP2 | working on A"]
    assert "STEP3 | it ended as told" in shown
    assert shown[-1] == "STEP5 | not started: STEP3 failed and left nothing to go on with."
    assert house.runs.page().runs[0].request.origin == "shell"


def test_lines_of_several_projects_name_the_project(house: House) -> None:
    house.project("A"), house.project("B")
    _, shown = run(house, "2")
    assert sorted(shown) == ["STEP2 A Toy 2", "STEP2 A | working on A", "STEP2 B Toy 2", "STEP2 B | working on B"]


def test_where_there_is_nothing_to_work_on_that_is_said_and_no_run_is_written(house: House) -> None:
    reports, shown = run(house, "2-3")
    assert [(one.exit_code, one.reason) for one in reports] == [(0, "nothing to work on")] * 2
    assert shown == [] and house.runs.page().total == 0


def test_after_an_empty_inbox_the_other_steps_have_nothing_to_work_on(house: House) -> None:
    reports, _ = run(house)
    assert [one.reason for one in reports] == ["", *["nothing to work on"] * 4]


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, None], 0),
        ([0, 1, 0], 1),
        ([1, 3], 3),
        ([3, 2, 1], 2),
        ([2, 130, 3], 130),
        ([0, -9], 1),
        ([137, 0], 1),
    ],
)
def test_the_exit_status_is_the_gravest(codes: list[int | None], gravest: int) -> None:
    step = StepDefinition("STEP1", "1", "title", "x.py", "env", (), "cpu")
    assert exit_code([StepReport(step, code, 0.0) for code in codes]) == gravest


def test_the_handlers_of_signals_are_as_before(house: House) -> None:
    house.project("A")
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    run(house, "2")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_run_and_ends_its_steps(house: House, sent: signal.Signals) -> None:
    house.project("A", STEP2="wait")
    process = terminal()
    wait_for_step(house, "STEP2")
    process.send_signal(sent)
    process.communicate(timeout=30)
    assert process.returncode == 130 and house.processes() == []
    assert set(house.states(1).values()) == {"cancelled"}


def test_what_a_killed_terminal_left_is_ended_by_the_next_and_nothing_is_done_twice(house: House) -> None:
    house.project("A", STEP3="wait")
    first = terminal("2-3")
    wait_for_step(house, "STEP3")
    first.kill()
    first.communicate()
    house.tell("A", "STEP3", "ok")
    second = terminal("2-3")
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 0 and "Run 1 was left by its terminal" in out
    assert house.runs.show(1).run.state == "cancelled" and house.runs.show(2).run.state == "succeeded"


def test_a_second_terminal_waits_for_the_first_and_then_does_its_own(house: House) -> None:
    house.project("A", STEP2="wait")
    first = terminal("2")
    wait_for_step(house, "STEP2")
    house.project("B")
    shown: list[str] = []
    (house.folder("A") / "go").touch()
    reports = workflow.run(house.pipeline, request_of(house.pipeline, find_projects(["B"]), "2"), shown.append)
    first.communicate(timeout=30)
    assert exit_code(reports) == first.returncode == 0


def test_what_another_terminal_does_is_refused_meanwhile(house: House) -> None:
    house.project("A", STEP2="wait")
    first = terminal("2")
    wait_for_step(house, "STEP2")
    with pytest.raises(Conflict, match="STEP2 of “A” is already part of run 1, which is not over"):
        run(house, "2", "A")
    (house.folder("A") / "go").touch()
    first.communicate(timeout=30)
    assert first.returncode == 0


# with a worker


def test_with_a_worker_a_run_is_done_by_it_and_shown(house: House) -> None:
    house.project("A")
    found = start_detached()
    try:
        reports, shown = run(house, "2-3")
    finally:
        stop_worker()
    assert exit_code(reports) == 0 and shown[0] == f"Run 1: done by {found}."
    assert "STEP3 | working on A" in shown
    assert (house.runs.show(1).steps[0].owner or "").startswith("worker ")


def test_with_a_worker_a_signal_ends_only_the_watching(house: House) -> None:
    house.project("A", STEP2="wait")
    start_detached()
    try:
        process = terminal("2")
        wait_for_step(house, "STEP2")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert "Run 1 goes on without this terminal" in out
        assert house.runs.show(1).run.state == "running"
        (house.folder("A") / "go").touch()
        workflow.follow(house.pipeline, 1, print)
    finally:
        stop_worker()
    assert house.runs.show(1).run.state == "succeeded"


def test_when_the_worker_ends_the_terminal_goes_on_by_itself(house: House) -> None:
    house.project("A", STEP2="wait")
    start_detached()
    process = terminal("2-3")
    wait_for_step(house, "STEP2")
    stop_worker()
    (house.folder("A") / "go").touch()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and house.began("STEP2") == 1, out
    assert set(house.states(1).values()) == {"succeeded"}


def test_a_retry_does_what_failed_and_what_was_not_begun(house: House) -> None:
    house.project("A", STEP3="exit 7")
    run(house, "2-5")
    house.tell("A", "STEP3", "ok")
    with closing(Database()) as database:
        detail = asking.retry(house.pipeline, Runs(database), 1, "shell")
    assert [one.step for one in detail.steps] == ["STEP3", "STEP5"] and detail.run.request.retry_of == 1
    reports = workflow.see_through(house.pipeline, detail.run.id, print)
    assert [one.exit_code for one in reports] == [0, 0]
    with closing(Database()) as database, pytest.raises(TransitionError, match="succeeded"):
        asking.retry(house.pipeline, Runs(database), 2, "shell")


def test_no_process_is_left(house: House) -> None:
    house.project("A")
    run(house, "2")
    assert house.processes() == [] and identity_of(os.getpid()) is not None
