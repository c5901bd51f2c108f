"""The commands that repeat a run, or one step of it, from a shell: exact for every name, and safe to show."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from services.pipeline import StepDefinition
from services.planning import command
from services.runs import RunOptions, RunRequest
from workflow_scripts.common.paths import ROOT

#: The folders that a shell must know too, where this process was told them.
_FOLDERS = ("WORKFLOW_DATA_DIR", "WORKFLOW_CONFIG_DIR")


def run_command(request: RunRequest) -> str:
    """`scripts/workflow run …` that asks for the same as a request."""
    options = request.options
    words = [str(ROOT / "scripts" / "workflow"), "run", "--steps", ",".join(request.sequence)]
    words += ["--device", options.device] if options.device else []
    words += ["--force"] if options.force else []
    for step, values in options.parameters.items():
        words += [word for name, value in values.items() for word in _set(step, name, value)]
    words += [f"--priority={request.priority}"] if request.priority else []
    return _line([*words, "--", *request.projects] if request.projects else words)


def step_command(definition: StepDefinition, project: str | None, options: RunOptions) -> str:
    """The very command that starts a step for a project.

    Raises:
        UsageError: there is no such project any more.
    """
    return _line(command(definition, project, options))


def shell_word(text: str) -> str:
    """A word as bash reads it back byte for byte, whatever it holds."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(chr(byte) if _is_plain(byte) else f"\\x{byte:02x}" for byte in os.fsencode(text)) + "'"


def _is_plain(byte: int) -> bool:
    return 0x20 <= byte < 0x7F and byte not in b"'\\"


def _set(step: str, name: str, value: Any) -> Iterator[str]:
    if value is not None:
        yield "--set"
        yield f"{step}.{name}={str(value).lower() if isinstance(value, bool) else value}"


def _line(words: Iterable[str]) -> str:
    told = [f"{name}={shell_word(os.environ[name])}" for name in _FOLDERS if os.environ.get(name)]
    return " ".join([*told, *map(shell_word, words)])
