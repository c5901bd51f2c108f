"""What steps tell of parameters and models, each asked in its own environment, remembered until it changes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services import dotenv_file
from services.environments import python_of
from services.pipeline import StepDefinition
from services.planning import environment_of
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT, config_folder
from workflow_scripts.common.settings import Parameter
from workflow_scripts.common.speech_models import embedded_folder, models_folder

_KINDS: dict[str, type] = {kind.__name__: kind for kind in (int, float, bool, str)}
#: Seconds that a step has to answer.
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Told:
    """A step's parameters and their effective values.

    Args:
        file: its parameter file.
        parameters: its table.
        values: value as shown and origin of each, by name; empty where it refuses its configuration.
        problem: why it does.
    """

    file: Path
    parameters: tuple[Parameter, ...]
    values: Mapping[str, tuple[Any, str]]
    problem: str


@dataclass(frozen=True)
class Model:
    """A model that a step would use; `version` and `licence` are those of the package it comes with, if known."""

    name: str
    sha256: str
    source: str
    version: str
    licence: str


class StepFacts:
    """Answers of the steps; may be used from any thread.

    Args:
        ask: what starts a probe; takes the command and the environment, gives what it prints.
    """

    def __init__(self, ask: Callable[[list[str], Mapping[str, str]], str] | None = None) -> None:
        self._ask = ask or _run
        self._known: dict[tuple[str, bool], tuple[object, dict[str, Any]]] = {}
        self._locks: dict[tuple[str, bool], threading.Lock] = {}
        self._guard = threading.Lock()

    def is_known(self, step: StepDefinition) -> bool:
        """Whether `parameters` answers at once."""
        known = self._known.get((step.key, False))
        return known is not None and known[0] == _stamp(step)

    def parameters(self, step: StepDefinition) -> Told:
        """The parameters of a step.

        Raises:
            PreconditionError: its environment is missing, or it cannot be asked.
        """
        answer = self._answer(step, models=False)
        return Told(
            file=config_folder() / answer["file"],
            parameters=tuple(map(_parameter, answer["parameters"])),
            values={name: (row["value"], row["origin"]) for name, row in answer["values"].items()},
            problem=answer["problem"],
        )

    def models(self, step: StepDefinition) -> tuple[Model, ...]:
        """The models that a step would use with its present parameters.

        Raises:
            PreconditionError: its environment is missing, it cannot be asked, or models are missing.
        """
        answer = self._answer(step, models=True)
        if answer["models_problem"]:
            raise PreconditionError(answer["models_problem"])
        return tuple(Model(**record) for record in answer["models"])

    def _answer(self, step: StepDefinition, *, models: bool) -> dict[str, Any]:
        key = (step.key, models)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:  # who comes second gets the answer to the first
            stamp = _stamp(step)
            known = self._known.get(key)
            if known is None or known[0] != stamp:
                known = self._known[key] = (stamp, self._asked(step, models))
            return known[1]

    def _asked(self, step: StepDefinition, models: bool) -> dict[str, Any]:
        python = python_of(step.environment)
        if not python.exists():
            text = f"{step.key}: the environment {step.environment} is missing."
            raise PreconditionError(text, hint=f"Run scripts/setup {step.environment}.")
        words = [str(python), "-m", "services.step_probe", str(step.path), *(["--models"] if models else [])]
        try:
            return dict(json.loads(self._ask(words, plain_environment(step)).splitlines()[-1]))
        except (ValueError, TypeError, IndexError) as error:
            raise PreconditionError(f"{step.key}: it does not tell its parameters.") from error


def plain_environment(step: StepDefinition) -> dict[str, str]:
    """A step's environment without what this process has from `.env`: the step reads that itself, and says so."""
    ours = dotenv_file.names_in_use()
    return {name: value for name, value in environment_of(step).items() if name not in ours}


def refusal(step: StepDefinition, config: Path) -> str:
    """Why a step would not run with a parameter file; empty where it would, or lacks something else only.

    Raises:
        PreconditionError: it cannot be asked.
    """
    words = [str(python_of(step.environment)), str(step.path), "--config", str(config), "--check"]
    if not Path(words[0]).exists():
        raise PreconditionError(
            f"{step.key}: the environment {step.environment} is missing.",
            hint=f"Run scripts/setup {step.environment}.",
        )
    ended = _ended(words, plain_environment(step))
    if ended.returncode != UsageError.exit_code:
        return ""
    return printable((ended.stderr.strip().splitlines() or ["The value is not allowed."])[-1])


def _stamp(step: StepDefinition) -> object:
    """What changes when the answer may be another one."""
    files = [
        python_of(step.environment),
        dotenv_file.path(),
        *sorted(config_folder().glob("*.json")),
        *sorted(step.path.parent.glob("*.py")),
        *sorted((ROOT / "workflow_scripts" / "common").glob("*.py")),
        *(models_folder(), embedded_folder()),  # a folder changes when a model comes into it
    ]
    return tuple(map(_changed, files)), tuple(sorted(plain_environment(step).items()))


def _changed(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), found.st_mtime_ns, found.st_size


def _parameter(row: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=row["name"],
        type=_KINDS.get(row["kind"], Path),
        default=row["default"],
        help=row["help"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        choices=tuple(row["choices"]),
        env=row["variables"][0] if row["variables"] else None,
        also=tuple(row["variables"][1:]),
        special=tuple(row["special"]),
        affects_result=row["affects_result"],
        secret=row["secret"],
    )


def _run(words: list[str], environment: Mapping[str, str]) -> str:
    ended = _ended(words, environment)
    if ended.returncode != 0:
        said = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise PreconditionError(f"It cannot be asked: {printable(said)}")
    return ended.stdout


def _ended(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            cwd=ROOT,
            env={**environment, "PATH": environment.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PreconditionError(f"{Path(words[1]).name}: it does not answer.", retry=True) from error


#: What is known in this process; whatever shows parameters or models shares it.
FACTS = StepFacts()
