"""A person's request becomes steps, command lines and, at the end, a status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services import workflow
from services.foreground import StepReport
from services.pipeline import Pipeline, load_pipeline
from services.workflow import RunRequest, chosen_steps, find_projects, statuses
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.projects import Project


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


def numbers(pipeline: Pipeline, *projects: Project, steps: str | None = None) -> str:
    """The numbers of the steps of a request."""
    return "".join(step.number for step in chosen_steps(pipeline, RunRequest(projects, steps)))


def commands(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, request: RunRequest
) -> dict[str, list[str] | None]:
    """The command lines that a request leads to."""
    found: dict[str, list[str] | None] = {}

    def instead(_pipeline: Pipeline, steps: Any, commands: Any, _slots: Any, _show: Any) -> list[StepReport]:
        found.update({step.key: commands[step.key]() for step in steps})
        return []

    monkeypatch.setattr(workflow, "run_steps", instead)
    workflow.run(pipeline, request, print)
    return found


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
    assert numbers(pipeline) == "1234567"
    assert numbers(pipeline, project) == "234567"
    assert numbers(pipeline, project, steps="1-3") == "123"
    assert numbers(pipeline, steps="3-") == "34567"


def test_command_lines_name_the_environment_the_script_and_the_projects(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, make_converted: Any, data_folder: Path
) -> None:
    roots = [str(make_converted(name, "x.mp4").root) for name in ("A ", "-B")]
    (data_folder / "projets_extraits" / "empty" / "docs").mkdir(parents=True)
    found = commands(pipeline, monkeypatch, RunRequest())
    first, third = found["STEP1"], found["STEP3"]
    assert first is not None and first[1].endswith("extract_archives.py") and len(first) == 2
    assert third is not None and third[0].endswith("transnet_env/bin/python")
    assert third[1].endswith("workflow_scripts/step3/run_transnet.py")
    assert sorted(third[2:]) == sorted(roots)  # absolute, so that no name is taken for an option


def test_options_reach_the_steps_that_know_them(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, make_converted: Any
) -> None:
    project = make_converted("A", "x.mp4").project
    found = commands(pipeline, monkeypatch, RunRequest((project,), None, "cpu", force=True, dry_run=True))
    for key, command in found.items():
        assert command is not None
        device = ["--device", "cpu"] if key in ("STEP3", "STEP4") else []
        assert command[2:] == [str(project.root), *device, "--force", "--dry-run"]


def test_without_a_video_only_the_inbox_is_looked_into(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    found = commands(pipeline, monkeypatch, RunRequest())
    assert found.pop("STEP1") is not None
    assert set(found.values()) == {None}


def test_missing_environments_are_named_before_anything_starts(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workflow, "python_of", lambda name: tmp_path / name / "bin" / "python")
    with pytest.raises(PreconditionError, match=r"Missing environments: transnet_env env\. Run scripts/setup"):
        workflow.run(pipeline, RunRequest(steps="3,5"), print)


def test_statuses_are_per_project_and_leave_out_the_step_that_makes_them(
    pipeline: Pipeline, make_converted: Any
) -> None:
    first, second = make_converted("A", "x.mp4"), make_converted("B", "y.mp4")
    found = statuses(pipeline, ())
    assert list(found) == ["A", "B"]
    assert list(found["A"][0].steps) == ["STEP2", "STEP3", "STEP4", "STEP5", "STEP6", "STEP7"]
    assert found["A"][0].video == first and found["A"][0].steps["STEP2"].state == "succeeded"
    assert list(statuses(pipeline, (second.project,))) == ["B"]
