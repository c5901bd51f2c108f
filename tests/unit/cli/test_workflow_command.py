"""`scripts/workflow`: its commands, exit codes and sentences."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.workflow import main
from services import workflow
from services.database import Database
from services.doctor import Finding
from services.pipeline import load_pipeline
from services.reports import StepReport
from services.runs import PlannedStep, RunOptions, RunRequest, Runs
from workflow_scripts.common.paths import ROOT


def call(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[RunRequest]]:
    """What `run` asks for; nothing is run, every step ends with 1."""
    asked: list[RunRequest] = []

    def instead(pipeline: Any, request: RunRequest, show: Any) -> list[StepReport]:
        asked.append(request)
        show("STEP3 | PROCESSING_VIDEO: \x1b[31mx.mp4")
        return [StepReport(pipeline[key], 1, 0.5) for key in request.sequence]

    monkeypatch.setattr(workflow, "run", instead)
    yield asked


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["run"], ["status"], ["steps"], ["config"], ["config", "show"], ["doctor"]),
        *(["cancel"], ["pause"], ["resume"], ["retry"], ["logs"], ["history"]),
        *(["worker"], ["worker", "start"], ["worker", "stop"], ["worker", "status"]),
    ],
)
def test_every_command_explains_itself(arguments: list[str]) -> None:
    result = call(*arguments, "--help")
    assert result.exit_code == 0 and "Usage:" in result.output


def test_steps_lists_the_graph() -> None:
    result = call("steps")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[1] for line in lines[2:]] == [step.key for step in load_pipeline().steps]
    assert "STEP3, STEP4" in next(line for line in lines if "STEP5" in line and "run_tracking" in line)


def test_status_without_projects_says_how_to_get_one() -> None:
    result = call("status")
    assert result.exit_code == 0 and "There are no projects yet" in result.output


def test_status_shows_every_video_of_every_project_or_of_those_named(make_converted: Any) -> None:
    make_converted("A", "x.mp4"), make_converted("B", "y \n.mp4")
    result = call("status")
    assert "Project A" in result.output and "Project B" in result.output and "y \\n.mp4" in result.output
    assert "Project A" not in call("status", "B").output


def test_an_unknown_project_or_step_is_exit_2_and_a_sentence() -> None:
    for arguments, sentence in (
        (["status", "none"], "none: there is no such project. Known projects: none yet.\n"),
        (["run", "none"], "none: there is no such project. Known projects: none yet.\n"),
        (["run", "--steps", "9"], "--steps: there is no step '9'; known are 1, 2, 3, 4, 4B, 5, 6, 7.\n"),
    ):
        result = call(*arguments)
        assert (result.exit_code, result.output) == (2, sentence)


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--device", "mps"], ["run", "--nonsense"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert call(*arguments).exit_code == 2


def test_a_configuration_that_cannot_be_read_is_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path))
    result = call("steps")
    assert result.exit_code == 2 and result.output.startswith("workflow.toml: cannot be read")


def test_run_asks_for_what_was_said_and_ends_with_the_gravest_status(
    requests: list[RunRequest], make_converted: Any
) -> None:
    video = make_converted("A", "x.mp4")
    assert video.project.name == "A"
    more = ["--set", "3.threshold=0.4", "--set", "STEP3.window-frames=9", "--set", "4.num_speakers=2"]
    result = call("run", "A", "--steps", "4,3", "--device", "cpu", "--force", "--priority", "7", *more)
    parameters = {"STEP3": {"threshold": "0.4", "window_frames": "9"}, "STEP4": {"num_speakers": "2"}}
    options = RunOptions(True, "cpu", parameters)
    assert requests == [RunRequest(("STEP4", "STEP3"), ("A",), options, 7, "shell")]
    assert result.exit_code == 1
    assert "\x1b" not in result.output and "PROCESSING_VIDEO: \\x1b[31mx.mp4" in result.output
    assert "Project A" in result.output and "not all done" in result.output


def test_run_without_anything_means_everything(requests: list[RunRequest]) -> None:
    call("run")
    keys = [step.key for step in load_pipeline().steps if step.key != "STEP4B"]  # whose model is not here
    assert requests == [RunRequest(tuple(keys), origin="shell")]


def test_a_dry_run_of_everything_says_what_is_left_out_and_why(make_converted: Any) -> None:
    make_converted("A", "x.mp4")
    output = call("run", "A", "--dry-run").output
    assert "STEP4B: It is left out. The speech model base is not here." in output
    assert "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`." in output


@pytest.mark.parametrize("text", ["threshold=1", "3.threshold", "3.=1", ".x=1", "9.x=1"])
def test_a_parameter_that_is_not_written_rightly_is_exit_2(requests: list[RunRequest], text: str) -> None:
    result = call("run", "--set", text)
    assert result.exit_code == 2 and not requests and "Traceback" not in result.output


def test_a_dry_run_of_real_steps_writes_nothing(make_converted: Any, data_folder: Path) -> None:
    video = make_converted("A", "x.mp4")
    before = {path: path.read_bytes() for path in data_folder.rglob("*") if path.is_file()}
    result = call("run", "A", "--steps", "6-7", "--dry-run")
    assert result.exit_code == 0
    assert "STEP7 | " in result.output and "Project A" not in result.output
    assert "STEP6 | x.mp4: x.mp4: STEP4 has not finished for this video. Run STEP4 first." in result.output
    assert {path: path.read_bytes() for path in data_folder.rglob("*") if path.is_file()} == before
    assert not (video.workflow / "STEP6.json").exists()


def test_config_show_gives_every_setting_with_its_origin(
    monkeypatch: pytest.MonkeyPatch, data_folder: Path
) -> None:
    data_folder.mkdir()
    (data_folder / ".env").write_text("OUTPUT_DIR=/somewhere\n")
    monkeypatch.setenv("OUTPUT_DIR", "")
    monkeypatch.delenv("OUTPUT_DIR")  # so that what is read from .env is taken away again
    monkeypatch.setenv("WORKFLOW_CPU_SLOTS", "3")
    result = call("config", "show")
    assert result.exit_code == 0
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in result.output.splitlines()[2:]}
    assert rows["general", "cpu_slots"] == ["3", "environment", "WORKFLOW_CPU_SLOTS"]
    assert rows["STEP3", "threshold"] == ["0.5", "config/step3_transnet.json"]
    assert rows["STEP7", "output_dir"][0] == "/somewhere"
    assert {owner for owner, _ in rows} >= {"general", "STEP1", "STEP2", "STEP3", "STEP4", "STEP5", "STEP7"}


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("note", 0), ("problem", 3)])
def test_doctor_is_a_line_each_and_exit_3_when_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, verdict: Any, code: int
) -> None:
    findings = [Finding("ffmpeg", "ok", "9.0"), Finding("disk", verdict, "a little", "Make room.")]
    monkeypatch.setattr("services.doctor.examine", lambda _pipeline: findings)
    result = call("doctor")
    assert result.exit_code == code
    assert result.output.splitlines()[3].split() == [verdict, "disk", "a", "little", "Make", "room."]


def test_the_doctor_finds_this_machine_fit_to_run() -> None:
    result = call("doctor")
    found = {line.split()[1]: line.split()[0] for line in result.output.splitlines()[2:]}
    assert set(found) >= {"ffmpeg", "env", "STEP1", "STEP3", "GPU", "token", "disk"}
    assert found["ffmpeg"] == found["env"] == found["STEP1"] == found["STEP6"] == "ok"


def test_the_script_can_be_called_from_anywhere(tmp_path: Path) -> None:
    if sys.prefix != str(ROOT / "env"):
        pytest.skip("calls env/bin/python")
    ended = subprocess.run(
        [str(ROOT / "scripts" / "workflow"), "steps"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0 and "run_transnet.py" in ended.stdout


# runs


@pytest.fixture
def runs(data_folder: Path) -> Iterator[Runs]:
    """A store with one run of a step of a project, queued."""
    data_folder.mkdir()
    database = Database()
    runs = Runs(database)
    runs.create(RunRequest(("STEP6",), ("A",)), [PlannedStep("STEP6", "A")])
    yield runs
    database.close()


def test_a_run_is_held_let_go_and_cancelled(runs: Runs) -> None:
    assert "queued, is to pause" in call("pause", "1").output
    assert runs.show(1).steps[0].pause_requested
    assert "pause" not in call("resume", "1").output
    result = call("cancel", "1")
    assert result.exit_code == 0 and result.output.startswith("Run 1: cancelled, 1 of 1 steps done\n")
    assert runs.show(1).run.state == "cancelled"


def test_what_cannot_be_done_with_a_run_is_a_sentence(runs: Runs) -> None:
    call("cancel", "1")
    assert "Run 1 is cancelled and cannot be cancelled." in call("cancel", "1").output
    assert (call("cancel", "9").exit_code, call("cancel", "9").output) == (2, "There is no run 9.\n")
    assert call("logs", "1").output == "Run 1 has no log yet.\n"


def test_history_lists_runs_newest_first(runs: Runs) -> None:
    runs.create(RunRequest(("STEP3", "STEP4"), origin="inbox"), [PlannedStep("STEP3", "B\n")])
    lines = call("history").output.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["2", "1"]
    assert lines[2].split()[-3:] == ["3", "4", "all"] and "inbox" in lines[2]
    assert "STEP6 of “A”" not in call("history").output
    assert "Run 1: queued" in call("history", "--run", "1").output


def test_status_says_what_runs_and_that_nobody_is_at_work(runs: Runs) -> None:
    result = call("status")
    assert "Nobody is at work: scripts/workflow worker start" in result.output
    assert "Run 1: queued, 0 of 1 steps done" in result.output


def test_a_retry_that_has_nothing_to_do_is_a_sentence(runs: Runs) -> None:
    assert call("retry", "1").output == "Run 1 is queued and cannot be retried.\n"


def test_without_a_worker_that_is_said() -> None:
    assert (call("worker", "status").exit_code, call("worker", "status").output) == (1, "Nobody is at work.\n")
    assert call("worker", "stop").output == "There is no worker.\n"
