"""Commands that repeat a run: what a shell reads back is what was meant."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from services.pipeline import load_pipeline
from services.planning import command
from services.runs import RunOptions, RunRequest
from services.shell_commands import run_command, shell_word, step_command
from workflow_scripts.common.errors import UsageError

NAMES = [
    "a",
    "",
    "with space ",
    "it's",
    'a"b$c`d',
    "new\nline\ttab\x1b[31m",
    os.fsdecode(b"caf\xe9\xff1"),
    "été",
    "\u202e",
    "a\\x41'",
]


def read_back(line: str) -> list[str]:
    """The words that bash makes of a line."""
    script = f"for word in {line}; do printf '%s\\0' \"$word\"; done"
    answer = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return [os.fsdecode(word) for word in answer.stdout.split(b"\0")[:-1]]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_reads_every_name_back_byte_for_byte(name: str) -> None:
    word = shell_word(name)
    assert word.isprintable()
    assert read_back(word) == [name]


def test_the_command_of_a_run_asks_for_the_same() -> None:
    options = RunOptions(True, "cpu", {"STEP3": {"threshold": 0.4, "torchscript": False, "other": None}})
    request = RunRequest(("STEP3", "STEP2"), ("-B ", "été"), options, priority=-3)
    words = read_back(run_command(request))
    assert words[words.index("run") :] == [
        *("run", "--steps", "STEP3,STEP2", "--device", "cpu", "--force"),
        *("--set", "STEP3.threshold=0.4", "--set", "STEP3.torchscript=false", "--priority=-3", "--", "-B ", "été"),
    ]


def test_a_run_of_everything_names_no_project() -> None:
    assert run_command(RunRequest(("STEP1",))).endswith("scripts/workflow run --steps STEP1")


def test_the_command_of_a_step_is_the_one_that_is_started(make_converted: Any) -> None:
    make_converted("new\nline", "a.mp4")
    definition = load_pipeline()["STEP2"]
    words = read_back(step_command(definition, "new\nline", RunOptions(force=True)))
    assert words[0] == f"WORKFLOW_DATA_DIR={os.environ['WORKFLOW_DATA_DIR']}"
    assert words[1:] == command(definition, "new\nline", RunOptions(force=True))
    with pytest.raises(UsageError):
        step_command(definition, "gone", RunOptions())
