"""Running what lies in `benchmarks/`: each script in a fresh process of the environment that it needs."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from typing import IO, Any

from services.environments import python_of
from workflow_scripts.common.errors import ToolError
from workflow_scripts.common.paths import ROOT

Show = Callable[[str], None]


def script_command(environment: str, name: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `benchmarks/shots/<name>.py`."""
    return str(python_of(environment)), "-m", f"benchmarks.shots.{name}", *arguments


def lines_of(command: Sequence[str], failed: str) -> Generator[str]:
    """Run a command and give each line that it prints, as soon as it does.

    Raises:
        ToolError: it failed; `failed` with its last words.
    """
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=words, text=True) as process,
    ):
        try:
            yield from process.stdout or ()
            status = process.wait()
        finally:
            process.kill()  # nothing when it has ended
        if status:
            raise ToolError(f"{failed}: {_last_words(words) or f'exit status {status}'}")


def results_of(command: Sequence[str], failed: str) -> Generator[dict[str, Any]]:
    """The JSON objects that a command prints, one per line, as soon as it does; other lines are passed over.

    Raises:
        ToolError: it failed.
    """
    yield from (json.loads(line) for line in lines_of(command, failed) if line.startswith("{"))


def _last_words(words: IO[str]) -> str:
    words.seek(0)
    return next((line.strip() for line in reversed(words.read().split("\n")) if line.strip()), "")
