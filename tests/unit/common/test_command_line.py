"""The command line of every step, with the toy step in this process: options, exit codes, log lines, events."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workflow_scripts.common import command_line

NAME = "a\n[ERROR] forged\x1b[31m \u202e.txt"


def load_toy() -> ModuleType:
    """The module with the toy step, which lies in no package."""
    path = Path(__file__).with_name("toy_step.py")
    spec = importlib.util.spec_from_file_location("toy_step", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_step"] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it printed."""

    code: int
    out: str
    err: str


RunToy = Callable[..., Ended]


@pytest.fixture
def run(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[RunToy]:
    """`run(*arguments)` runs the toy step in this process."""
    data_folder.mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "toy.json").write_text("{}")
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["toy_step.py", *arguments])
        try:
            code = command_line.main(load_toy().ToyStep(), "Writes texts in capitals.", targets="TEXT|FOLDER")
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    yield run
    signal.signal(signal.SIGTERM, before)
    sys.modules.pop("toy_step", None)


def put(folder: Path, **texts: str) -> None:
    """Write texts."""
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


def everything(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_log_has_the_lines_that_operators_search_for(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok", b="degraded", c="refuse")
    ended = run()
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "[INFO] TOTAL_VIDEOS_TO_PROCESS: 3",
        "[INFO] Device sélectionné: CPU",
        "[INFO] PROCESSING_VIDEO: a.txt",
        "[INFO] Succès: a.out créé",
        "[INFO] PROCESSING_VIDEO: b.txt",
        "[INFO] Succès: b.out créé",
        "[WARNING] degraded: b.txt: share: 0.5, must be >= 0.9",
        "[INFO] PROCESSING_VIDEO: c.txt",
        "[ERROR] c.txt: there is no text in it. Look at it.",
        "[INFO] STEP9: 1 degraded, 1 failed, 1 succeeded",
    ]
    (log,) = (data_folder / "logs" / "step9").iterdir()
    assert [line.partition(" [")[2] for line in log.read_text().splitlines()] == [
        line[1:] for line in ended.out.splitlines()
    ]


def test_events_are_those_that_are_promised(
    run: RunToy, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_EVENTS", str(tmp_path / "events"))
    put(data_folder, a="ok", b="refuse")
    run("--loud")
    found: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [event["event"] for event in found] == [
        "started",
        *("video", "warning", "progress", "artifact", "video"),
        *("video", "video"),
        "finished",
    ]
    assert all(event["step"] == "STEP9" and event["time"] for event in found)
    assert (found[0]["total"], found[0]["pending"], found[0]["device"]) == (2, 2, "cpu")
    assert Path(found[0]["log"]).is_file()
    assert (found[1]["video"], found[1]["state"], found[1]["reason"]) == ("a.txt", "running", "new")
    assert found[2]["text"] == "a.txt: loud."
    assert (found[3]["done"], found[3]["total"], found[3]["unit"]) == (2, 2, "characters")
    assert (found[4]["role"], found[4]["path"], len(found[4]["sha256"])) == ("out", "a.out", 64)
    assert (found[5]["state"], found[7]["state"]) == ("succeeded", "failed")
    assert found[5]["seconds"] >= 0 and "seconds" not in found[1] and "length" not in found[5]  # it is no video
    assert "there is no text in it" in found[7]["message"]
    assert (found[-1]["states"], found[-1]["exit_code"]) == ({"succeeded": 1, "failed": 1}, 1)


def test_nothing_to_do_is_a_success(run: RunToy) -> None:
    ended = run()
    assert ended.code == 0
    assert ended.out.splitlines() == ["[INFO] TOTAL_VIDEOS_TO_PROCESS: 0", "[INFO] STEP9: nothing to do"]


def test_targets_are_worked_on_alone(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok", b="ok")
    assert run(str(data_folder / "b.txt")).code == 0
    assert not (data_folder / "a.out").exists() and (data_folder / "b.out").exists()


def test_a_dry_run_says_what_would_be_done_and_why_and_does_nothing(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok", b="ok", c="blocked")
    run(str(data_folder / "a.txt"))
    before = everything(data_folder)
    ended = run("--dry-run")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "a.txt: up to date",
        "b.txt: new",
        "c.txt: c.txt: STEP8 has not finished for this video. Run STEP8 first.",
    ]
    assert run("--dry-run", "--force", str(data_folder / "a.txt")).out == "a.txt: forced\n"
    assert run("--dry-run", "--suffix=?", str(data_folder / "a.txt")).out == "a.txt: parameter changed: suffix\n"
    assert everything(data_folder) == before


def test_a_dry_run_without_anything_says_so(run: RunToy) -> None:
    assert run("--dry-run") == Ended(0, "nothing to do\n", "")


def test_show_config_is_json_with_every_value_and_its_origin(run: RunToy, tmp_path: Path) -> None:
    (tmp_path / "config" / "toy.json").write_text('{"suffix": "?"}')
    ended = run("--show-config", "--batch-size", "8", "--no-loud")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == {
        "step": "STEP9",
        "parameters": {
            "suffix": {"value": "?", "origin": "config/toy.json"},
            "batch_size": {"value": 8, "origin": "command line --batch-size"},
            "loud": {"value": False, "origin": "command line --loud"},
            "model": {"value": "m1", "origin": "default"},
            "where": {"value": "auto", "origin": "default"},
            "torchscript": {"value": False, "origin": "default"},
            "torchscript_fallback": {"value": True, "origin": "default"},
            "partial_success_ok": {"value": False, "origin": "default"},
            "workers": {"value": 1, "origin": "default"},
        },
    }


def test_check_says_what_the_step_has_and_what_is_missing(run: RunToy) -> None:
    assert run("--check") == Ended(0, "capitals (toy)\n", "")
    assert run("--check", "--model", "missing") == Ended(3, "", "The model is missing. Fetch it.\n")


def test_partial_success_is_a_success_where_the_step_says_so_and_is_told(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok", b="refuse", c="blocked")
    assert run("--no-partial-success-ok").code == 1
    ended = run("--partial-success-ok", "--force")
    assert ended.code == 0
    summary, told = ended.out.splitlines()[-2:]
    assert summary == "[INFO] STEP9: 1 blocked, 1 failed, 1 succeeded"
    assert told.startswith("[WARNING] STEP9: partial success: 2 of 3 did not succeed, as said above; the exit")
    assert "[ERROR] b.txt: there is no text in it. Look at it." in ended.out
    assert (data_folder / ".workflow" / "b" / "STEP9.failed.json").exists()
    again = run("--partial-success-ok")  # what is up to date counts, and what failed is tried again
    assert again.code == 0 and "1 blocked, 1 failed, 1 up to date" in again.out


@pytest.mark.parametrize("texts", [{"a": "refuse"}, {"a": "refuse", "b": "blocked"}])
def test_a_run_in_which_nothing_succeeds_is_a_failure_whatever_is_tolerated(
    run: RunToy, data_folder: Path, texts: dict[str, str]
) -> None:
    put(data_folder, **texts)
    ended = run("--partial-success-ok")
    assert ended.code == 1 and "partial success" not in ended.out


def test_tolerating_failures_says_nothing_where_none_is(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok")
    ended = run("--partial-success-ok")
    assert ended.code == 0 and "partial success" not in ended.out


def test_another_parameter_file_can_be_named(run: RunToy, data_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"suffix": " (mine)"}')
    put(data_folder, a="ok")
    assert run("--config", str(tmp_path / "mine.json")).code == 0
    assert (data_folder / "a.out").read_text() == "OK (mine)"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--suffix"], "expected one argument"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--device", "mps"], "invalid choice: 'mps'"),
        (["--batch-size", "0"], "batch_size = '0' (command line --batch-size) is not allowed: it must be a whole"),
        (["--config", "/none.json"], "none.json: the parameter file cannot be read"),
        (["nothing.txt"], "nothing.txt: there is no such text."),
    ],
)
def test_wrong_usage_is_exit_2_and_a_sentence(run: RunToy, arguments: list[str], sentence: str) -> None:
    ended = run(*arguments)
    assert ended.code == 2 and sentence in ended.err and "Traceback" not in ended.err


def test_a_wrong_parameter_file_is_exit_2(run: RunToy, tmp_path: Path) -> None:
    (tmp_path / "config" / "toy.json").write_text('{"sufix": "?"}')
    ended = run()
    assert (ended.code, ended.err) == (2, "toy.json: there is no parameter 'sufix'. Did you mean 'suffix'?\n")


def test_a_missing_precondition_is_exit_3_and_starts_nothing(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok")
    assert run("--model", "missing") == Ended(3, "", "The model is missing. Fetch it.\n")
    assert everything(data_folder) == ["a.txt"]


def test_being_cancelled_is_exit_130(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="cancel")
    ended = run()
    assert (ended.code, ended.err) == (130, "Cancelled; what was finished is kept.\n")


def test_a_folder_of_logs_that_cannot_be_written_is_a_sentence(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok")
    (data_folder / "logs").write_text("in the way")
    ended = run()
    assert ended.code == 1
    assert ended.err.startswith("STEP9: ") and "Traceback" not in ended.err and not (data_folder / "a.out").exists()


def test_asking_for_cuda_where_there_is_none_is_said_and_the_cpu_used(
    run: RunToy, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_scripts.common.devices.cuda_available", lambda: False)
    put(data_folder, a="ok")
    ended = run("--device", "cuda")
    assert ended.code == 0
    assert "[WARNING] CUDA was asked for but is not available here: using the CPU." in ended.out
    assert "CUDA was asked" not in run("--device", "cuda").out  # nothing is left to do


def test_where_the_command_line_says_nothing_the_parameters_say_where_to_compute(
    run: RunToy, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_scripts.common.devices.cuda_available", lambda: False)
    put(data_folder, a="ok", b="ok")
    assert "CUDA was asked for but is not available" in run("--where=cuda", str(data_folder / "a.txt")).out
    assert "CUDA was asked for" not in run("--where=cuda", "--device=cpu", str(data_folder / "b.txt")).out


def test_what_may_be_downloaded_is_fetched_before_a_run_and_never_for_a_look(
    run: RunToy, data_folder: Path
) -> None:
    put(data_folder, a="ok")
    for look in ("--dry-run", "--check", "--show-config"):
        assert run(look, "--model=far").code == 0
    assert not (data_folder / "fetched").exists()
    assert run("--model=far").code == 0
    assert (data_folder / "fetched").read_text() == "far\n"


@pytest.mark.parametrize("text", ["ok", "refuse", "bug", "blocked", "disk"])
def test_a_name_cannot_forge_a_line_or_steer_the_terminal(run: RunToy, data_folder: Path, text: str) -> None:
    (data_folder / NAME).write_text(text)
    for arguments in ((), ("--dry-run",), (str(data_folder / NAME),), (str(data_folder / f"{NAME}.txt"),)):
        ended = run(*arguments)
        shown = ended.out + ended.err
        assert not any(line.startswith("[ERROR] forged") for line in shown.splitlines())
        assert "\x1b" not in shown and "\u202e" not in shown


def test_a_name_that_is_not_utf_8_ends_in_a_sentence(run: RunToy, data_folder: Path) -> None:
    put(data_folder, a="ok")
    (data_folder / os.fsdecode(b"\xff.txt")).write_text("ok")
    ended = run()
    assert "\\udcff.txt" in ended.out and "Traceback" not in ended.out + ended.err
    assert (data_folder / "a.out").exists()


def test_dotenv_of_the_data_folder_is_read(run: RunToy, data_folder: Path) -> None:
    (data_folder / ".env").write_text("TOY_OF_DOTENV=1\n=nameless\n")
    try:
        assert run().code == 0
        assert os.environ["TOY_OF_DOTENV"] == "1"
    finally:
        os.environ.pop("TOY_OF_DOTENV", None)
