"""Every effective setting with its origin: those of the house here, those of a step from the step itself."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.environments import python_of
from services.pipeline import Pipeline, StepDefinition
from workflow_scripts.common import paths
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.settings import Parameter, Settings, resolve

#: The settings that are not one step's; all are environment variables, which `.env` may hold too.
GENERAL = (
    Parameter("data_dir", Path, paths.ROOT, "Folder of inbox, projects, output", env="WORKFLOW_DATA_DIR"),
    Parameter("config_dir", Path, paths.ROOT / "config", "Folder of parameter files", env="WORKFLOW_CONFIG_DIR"),
    Parameter("ffmpeg", Path, None, "The ffmpeg to use; not set is the best one found", env="WORKFLOW_FFMPEG"),
    Parameter("cpu_slots", int, 2, "Steps side by side on the CPU", 1, 64, env="WORKFLOW_CPU_SLOTS"),
    Parameter(
        "torch", str, "auto", "Build of torch to set up", choices=("auto", "cpu", "cuda"), env="WORKFLOW_TORCH"
    ),
    Parameter("python", Path, None, "The Python to set up with; not set is the best found", env="WORKFLOW_PYTHON"),
)


@dataclass(frozen=True)
class Effective:
    """One effective setting, as it is shown to people."""

    owner: str
    name: str
    value: Any
    origin: str


def general_settings() -> Settings:
    """The effective settings of the house."""
    return resolve(GENERAL, None, {})


def effective_settings(pipeline: Pipeline) -> list[Effective]:
    """Every setting: the house's, then each step's as that step itself sees them.

    Raises:
        PreconditionError: a step's environment is missing.
        UsageError: a step refuses its configuration.
    """
    found = [
        Effective("general", name, row["value"], row["origin"])
        for name, row in general_settings().described().items()
    ]
    for step in pipeline.steps:
        found += _of_step(step)
    return found


def _of_step(step: StepDefinition) -> list[Effective]:
    python = python_of(step.environment)
    if not python.exists():
        text = f"{step.key}: the environment {step.environment} is missing."
        raise PreconditionError(text, hint=f"Run scripts/setup {step.environment}.")
    command = [str(python), str(step.path), "--show-config"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if answer.returncode:
        raise UsageError(f"{step.key}: {answer.stderr.strip() or 'refuses its configuration'}")
    rows = json.loads(answer.stdout)["parameters"]
    return [Effective(step.key, name, row["value"], row["origin"]) for name, row in rows.items()]
