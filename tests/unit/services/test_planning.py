"""From a request to step runs and command lines, and what they would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.pipeline import Pipeline, load_pipeline
from services.planning import WouldDo, chosen, command, dry_run, lack, name_of, plan, project_at
from services.runs import PlannedStep, RunOptions, RunRequest
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.projects import Project


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


def test_a_step_run_is_planned_for_each_project_with_videos_and_step(
    pipeline: Pipeline, make_converted: Any
) -> None:
    make_converted("B", "x.mp4"), make_converted("A", "x.mp4")
    (project_at("A").root.parent / "empty" / "docs").mkdir(parents=True)
    planned = plan(pipeline, RunRequest(("STEP1", "STEP3", "STEP2")))
    assert planned == [
        PlannedStep("STEP1"),
        *(PlannedStep(key, name) for name in ("A", "B") for key in ("STEP3", "STEP2")),
    ]


def test_named_projects_are_the_only_ones_and_from_the_inbox_there_are_none_yet(
    pipeline: Pipeline, make_converted: Any
) -> None:
    make_converted("A", "x.mp4"), make_converted("B", "x.mp4")
    assert plan(pipeline, RunRequest(("STEP2",), ("B", "B"))) == [PlannedStep("STEP2", "B")]
    assert plan(pipeline, RunRequest(("STEP1", "STEP2"), origin="inbox")) == [PlannedStep("STEP1")]


def test_a_step_that_nobody_needs_is_left_out_while_it_lacks_something_unless_it_is_named(
    pipeline: Pipeline,
) -> None:
    rest = ("STEP1", "STEP2", "STEP3", "STEP4", "STEP5", "STEP6", "STEP7")
    assert chosen(pipeline, None) == rest and chosen(pipeline, "4-5") == ("STEP4", "STEP5")
    assert chosen(pipeline, "4-5,4B") == ("STEP4", "STEP4B", "STEP5") and chosen(pipeline, "4b") == ("STEP4B",)
    assert "STEP4B" in chosen(pipeline, None, ["STEP4B"])  # a parameter is given for it
    error = lack(pipeline["STEP4B"])
    assert error is not None and "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`." in str(
        error
    )


def test_once_it_lacks_nothing_it_is_part_of_everything(pipeline: Pipeline, speech_model: Path) -> None:
    assert "STEP4B" in chosen(pipeline, None) and "STEP4B" in chosen(pipeline, "4-5")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (RunRequest(("STEP9",)), "There is no step STEP9"),
        (RunRequest(()), "at least one step"),
        (RunRequest(("STEP2", "STEP2")), "each only once"),
        (RunRequest(("STEP2",), ("none",)), "none: there is no such project. Known projects: none yet."),
        (RunRequest(("STEP2",), ("..",)), "there is no such project"),
        (RunRequest(("STEP2",), ("",)), "there is no such project"),
        (RunRequest(("STEP2",), options=RunOptions(parameters={"STEP9": {}})), "There is no step STEP9"),
        (
            RunRequest(("STEP2",), options=RunOptions(parameters={"STEP2": {"config": "x"}})),
            "no parameter 'config'",
        ),
        (RunRequest(("STEP2",), options=RunOptions(parameters={"STEP2": {"a b": "x"}})), "no parameter 'a b'"),
        (RunRequest(("STEP2",), options=RunOptions(parameters={"STEP2": {"-x": "x"}})), "no parameter '-x'"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(pipeline: Pipeline, request_: RunRequest, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        plan(pipeline, request_)
    assert reason in str(error.value)


def test_a_folder_elsewhere_is_a_project_by_its_path(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "x.mp4").touch()
    name = name_of(Project.at(tmp_path / "flat"))
    assert plan(pipeline, RunRequest(("STEP2",), (name,))) == [PlannedStep("STEP2", str(tmp_path / "flat"))]


def test_command_lines_name_the_environment_the_script_and_the_project(
    pipeline: Pipeline, make_converted: Any
) -> None:
    root = make_converted("-B ", "x.mp4").root
    words = command(pipeline["STEP3"], "-B ", RunOptions())
    assert words[0].endswith("transnet_env/bin/python")
    assert words[1].endswith("workflow_scripts/step3/run_transnet.py")
    assert words[2:] == [str(root)]  # absolute, so that no name is taken for an option
    assert command(pipeline["STEP1"], None, RunOptions())[1].endswith("extract_archives.py")


def test_options_reach_the_steps_that_know_them(pipeline: Pipeline, make_converted: Any) -> None:
    root = make_converted("A", "x.mp4").root
    parameters = {"STEP3": {"threshold": "--force", "window_frames": 3, "torchscript": False, "other": None}}
    options = RunOptions(True, "cpu", parameters)
    own = ["--threshold=--force", "--window-frames=3", "--no-torchscript"]
    assert command(pipeline["STEP3"], "A", options)[2:] == [str(root), "--device", "cpu", "--force", *own]
    assert command(pipeline["STEP2"], "A", options)[2:] == [str(root), "--force"]


def test_a_dry_run_says_per_video_what_would_be_done_and_why(pipeline: Pipeline, make_converted: Any) -> None:
    make_converted("A", "x.mp4"), make_converted("A", "a: b.mp4")
    rows = dry_run(pipeline, RunRequest(("STEP2", "STEP6"), ("A",)))
    assert [(row.step, row.video) for row in rows] == [
        (key, name) for key in ("STEP2", "STEP6") for name in ("a: b.mp4", "x.mp4")
    ]
    assert rows[2] == WouldDo(
        "STEP6", "A", "a: b.mp4", "a: b.mp4: STEP4 has not finished for this video. Run STEP4 first."
    )
    assert not (project_at("A").workflow / "x" / "STEP6.json").exists()


def test_a_dry_run_with_a_parameter_that_a_step_refuses_is_its_sentence(
    pipeline: Pipeline, make_converted: Any
) -> None:
    make_converted("A", "x.mp4")
    options = RunOptions(parameters={"STEP2": {"crf": 99}})
    with pytest.raises(UsageError, match=r"STEP2: crf = '99' .* is not allowed"):
        dry_run(pipeline, RunRequest(("STEP2",), ("A",), options))
