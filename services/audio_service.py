"""What STEP4 would do here and now: its settings with their origins, and what follows from them.

python -c "from services.audio_service import AudioService; print(AudioService().get_config())"
"""

from __future__ import annotations

import os
from typing import Any

from services.environments import find
from services.environments.state import read_stamp
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.audio_settings import AudioPlan, audio_plan, profile_line, token_variable
from workflow_scripts.common.gpu_choice import VISIBLE, Choice, choose
from workflow_scripts.common.gpu_inventory import inventory
from workflow_scripts.common.gpu_policy import read_policy
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import load_dotenv, resolve

PARAMETER_FILE = "step4_audio.json"
ENVIRONMENT = "audio_env"


class AudioService:
    """Answers about STEP4, found without its environment and without torch."""

    def get_config(self) -> dict[str, Any]:
        """The effective configuration: `.env`, the environment and `config/step4_audio.json` together.

        `engine`, `device`, `precision` and `batch_size` are what a run would begin with, as far as that can be
        told from outside; `parameters` maps every name to value and origin. The token itself is never in it.

        Raises:
            UsageError: a value is not allowed, or two contradict each other.
        """
        load_dotenv()
        params = resolve(PARAMETERS, config_folder() / PARAMETER_FILE, {})
        plan = audio_plan(params)
        token = token_variable()
        pyannote = plan.wants_pyannote(token)
        choice = _choice()
        device, reason = device_of(plan, token, choice)
        memory = choice.gpu.memory if choice.gpu and device == "cuda" else None
        batch_size = plan.first_batch(device, memory, token)
        return {
            "profile": plan.profile,
            "canonical_profile": plan.canonical,
            "engine": "pyannote" if pyannote else "embedded",
            "device": device,
            "device_reason": reason,
            "amp": plan.half(device) is not None,
            "precision": plan.half(device) or "FP32",
            "batch_size": batch_size,
            "profile_line": profile_line(plan, device, batch_size),
            "token": f"{token} (hidden)" if token else None,
            "pyannote_parameters": plan.pyannote_parameters if pyannote else None,
            "notes": list(plan.notes),
            "parameters": params.described(),
        }


def device_of(plan: AudioPlan, token: str | None, choice: Choice) -> tuple[str, str]:
    """The device that a run would use, `cpu` or `cuda`, and why, in a few words; the policy grants `choice`."""
    if plan.device == "cpu":
        return "cpu", "as the settings say"
    if plan.wanted_device(token) == "cpu":
        return "cpu", "the embedded engine takes a GPU only where that is asked for by name"
    if choice.gpu is None:
        return "cpu", choice.why
    stamp = read_stamp(find(ENVIRONMENT))
    if stamp is not None and stamp.torch == "cpu":
        return "cpu", f"{ENVIRONMENT} holds the CPU build of torch"
    return "cuda", str(choice.gpu)


def _choice() -> Choice:
    return choose(read_policy(), inventory(), os.environ.get(VISIBLE))
