"""What a run needs and whether it is there: tools, environments, models, token, GPU, disk; a line each."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Literal

from services import gpu
from services.audio_service import AudioService
from services.environments import load_states, python_of
from services.pipeline import Pipeline
from workflow_scripts.common import paths
from workflow_scripts.common.audio_settings import TOKEN_VARIABLES, token_variable
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.ffmpeg import ffmpeg_version, find_ffmpeg

Verdict = Literal["ok", "note", "problem"]
#: Where a hub token may be, the first that is set counts.
TOKENS = TOKEN_VARIABLES
#: Below this much free space in the data folder, converting a television programme may fail.
LOW_DISK = 5e9


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: `note` is worth knowing, `problem` stops a step; `remedy` says what to do."""

    what: str
    verdict: Verdict
    text: str
    remedy: str = ""


def examine(pipeline: Pipeline) -> list[Finding]:
    """Look at everything a run needs; starts nothing and changes nothing."""
    return [_ffmpeg(), *_environments(), *_steps(pipeline), *_gpus(), _token(), _disk()]


def _ffmpeg() -> Finding:
    try:
        path = find_ffmpeg()
    except WorkflowError as error:
        return Finding("ffmpeg", "problem", error.message, error.hint)
    return Finding("ffmpeg", "ok", f"{ffmpeg_version().partition(' Copyright')[0]} at {path}")


def _environments() -> list[Finding]:
    return [
        Finding(state.name, "ok", "ready")
        if state.ready
        else Finding(
            state.name,
            "problem",
            f"{state.status.value} {state.reason}".strip(),
            f"Run scripts/setup {state.name}.",
        )
        for state in load_states()
    ]


def _steps(pipeline: Pipeline) -> list[Finding]:
    """Ask each step itself whether what it needs is there (models, tools, tokens)."""
    findings = []
    for step in pipeline.steps:
        python = python_of(step.environment)
        if not python.exists():
            continue
        command = [str(python), str(step.path), "--check"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        said = (answer.stdout if answer.returncode == 0 else answer.stderr).strip()
        lacking: Verdict = "note" if step.optional else "problem"
        findings.append(Finding(step.key, "ok" if answer.returncode == 0 else lacking, said))
    return findings


def _gpus() -> list[Finding]:
    """A line for each GPU, and one more where none may be used."""
    try:
        now = gpu.standing()
    except WorkflowError as error:
        return [Finding("GPU", "problem", error.message, error.hint)]
    refuses = now.policy.none_allowed == "refuse"
    lines = [
        Finding("GPU", "ok" if one.allowed else "note", f"{one.gpu} {one.objection or 'may be used'}")
        for one in now.rulings
    ]
    if now.choice.gpu is None:
        why = "" if now.choice.state == "blocked" else f"{now.choice.why} "
        said = "the policy lets no step begin without one" if refuses else "everything runs on the CPU"
        remedy = "See config/gpu_policy.toml." if refuses or lines else ""
        lines.append(Finding("GPU", "problem" if refuses else "note", f"{why}No GPU: {said}", remedy))
    return lines


def _token() -> Finding:
    """The token and what STEP4 makes of it; whether the hub accepts it, STEP4's own line tells."""
    try:
        engine = AudioService().get_config()["engine"]
    except WorkflowError as error:
        return Finding("token", "problem", error.message, error.hint)
    name = token_variable()
    said = f"{name} is set" if name else f"neither {' nor '.join(TOKENS)} is set"
    used = "pyannote's models" if engine == "pyannote" else "its embedded engine"
    return Finding("token", "ok" if name else "note", f"{said}: STEP4 uses {used}")


def _disk() -> Finding:
    folder = paths.data_folder()
    there = next(place for place in (folder, *folder.parents) if place.is_dir())  # it may not be made yet
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.0f} GB free in {folder}"
    return Finding("disk", "note" if free < LOW_DISK else "ok", text, "Make room." if free < LOW_DISK else "")
