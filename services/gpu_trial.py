"""A tiny computation on a GPU, in a step's environment and kept on that GPU as a step would be."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Literal

from services.environments import python_of
from services.slots import Slot
from services.supervision.step_command import step_environment
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_policy import Gpu
from workflow_scripts.common.paths import ROOT, config_folder

ENVIRONMENT = "transnet_env"
_LIMIT_S = 180


@dataclass(frozen=True)
class Trial:
    """What came of it: `not tried` where something stands in its way."""

    verdict: Literal["passed", "failed", "not tried"]
    text: str


def try_gpu(gpu: Gpu, environment: str = ENVIRONMENT) -> Trial:
    """Compute on a GPU that nobody holds, compare with the CPU, and look for memory that stays taken."""
    python = python_of(environment)
    if not python.exists():
        return Trial("not tried", f"The environment {environment} is missing. Run scripts/setup {environment}.")
    given = {**Slot(gpu.key).environment, "WORKFLOW_CONFIG_DIR": str(config_folder())}
    command = [str(python), "-m", "workflow_scripts.common.gpu_trial"]
    try:
        with hold_gpu(gpu.key, "gpu check", wait=False):
            ended = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LIMIT_S,
                check=False,
                cwd=ROOT,
                env=step_environment(given=given),
            )
    except PreconditionError as error:
        return Trial("not tried", str(error))
    except subprocess.TimeoutExpired:
        return Trial("failed", f"It did not end within {_LIMIT_S} s.")
    return _trial(ended)


def _trial(ended: subprocess.CompletedProcess[str]) -> Trial:
    try:
        told = json.loads(ended.stdout)
    except ValueError:
        last = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
        return Trial("failed", f"It ended with exit status {ended.returncode}: {last}")
    if ended.returncode == PreconditionError.exit_code:
        return Trial("not tried", str(told["problem"]))
    if ended.returncode != 0:
        return Trial("failed", str(told["problem"]))
    return Trial(
        "passed",
        f"torch {told['torch']} on {told['gpu']}: the CPU's result within {told['difference']:.1g},"
        " no memory stays taken.",
    )
