"""What the settings of STEP4 mean together; here because services show it to people, too.

Half precision loses speech on some sounds, so it is never on by itself: profile `gpu_optimized` alone asks for it,
on CUDA alone, and `enable_amp` can only say no to it. On the CPU everything is FP32.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.audio_parameters import PIPELINE_FILE, PROFILES
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import Settings

OPTIMIZED_BATCH = 16
"""Batch of profile `gpu_optimized` where no number is given."""
CPU_BATCH = 32
"""Of pyannote's networks; more gains nothing on a CPU."""
EMBEDDED_BATCH = 8
"""Of the embedded engine's on a CPU, whatever else is said: 16 is no faster and takes 120 MB more."""
CUDA_BATCHES = ((20e9, 32), (12e9, 16), (8e9, 8), (6e9, 4), (0, 1))
"""GPU memory in bytes from which a batch is the automatic one."""
TOKEN_VARIABLES = ("PYANNOTE_TOKEN", "HF_TOKEN")
"""Where a hub token may be; the first that is set counts."""

PipelineParameters = Mapping[str, Mapping[str, float]]
"""Parameters of pyannote's pipeline: part (`segmentation`, `clustering`), name, value."""


@dataclass(frozen=True)
class AudioPlan:
    """What STEP4 is to do, its settings taken together.

    Args:
        profile: the profile as it was named; `canonical` is the one it means.
        engine: `auto`, `embedded` or `pyannote`; see `wants_pyannote`.
        device: `auto`, `cuda` or `cpu`.
        amp: whether to compute in half precision where the device is CUDA.
        batch_size: chunks at once; None goes by the GPU's memory.
        threads: CPU threads; 0 is one per core.
        speakers, min_speakers, max_speakers: how many speakers to look for; None is unknown.
        shortest_speech: seconds.
        pyannote_parameters: of the pipeline; None leaves it as it is.
        notes: sentences worth telling about how the settings fit together.
    """

    profile: str
    canonical: str
    engine: str
    device: str
    amp: bool
    batch_size: int | None
    threads: int
    speakers: int | None
    min_speakers: int | None
    max_speakers: int | None
    speech_threshold: float
    shortest_speech: float
    pyannote_model: Path | None
    pyannote_parameters: PipelineParameters | None
    consistency_check: bool
    partial_success_ok: bool
    profiling: bool
    log_level: str
    notes: tuple[str, ...] = ()

    def wants_pyannote(self, token: str | None) -> bool:
        """Whether pyannote is to run, given the hub token that is configured, if any."""
        return self.engine == "pyannote" or (
            self.engine == "auto" and (self.pyannote_model is not None or token is not None)
        )

    def wanted_device(self, token: str | None) -> str:
        """Where to compute, `auto`, `cuda` or `cpu`, given the hub token that is configured, if any.

        The embedded engine is fast enough on the CPU: it takes a GPU only where that is asked for by name.
        """
        return "cpu" if self.device == "auto" and not self.wants_pyannote(token) else self.device

    def half(self, device: str) -> str | None:
        """The half precision to compute in on `cuda` or `cpu`; None is FP32."""
        return "float16" if self.amp and device == "cuda" else None

    def first_batch(self, device: str, memory: int | None, token: str | None) -> int:
        """The batch to begin with on `cuda`, with so many bytes of GPU memory, or on `cpu`."""
        if device == "cpu" and not self.wants_pyannote(token):
            return EMBEDDED_BATCH
        return self.batch_size or automatic_batch((memory or 0) if device == "cuda" else None)

    def reason_to_redo(self, half: str | None) -> str | None:
        """Why a result that was computed in half precision is to be made again; None where it may stay.

        FP32 is what half precision is measured against, so the other way round nothing is made again.
        """
        return f"it was computed in {half} and FP32 is wanted now" if half and not self.amp else None


def audio_plan(params: Settings) -> AudioPlan:
    """The plan that settings make.

    Raises:
        UsageError: settings contradict each other, or the file of pipeline parameters cannot be used.
    """
    canonical = PROFILES[params.profile]
    device, amp = _device(params, canonical), _amp(params, canonical)
    _check_speakers(params)
    given = None if params.batch_size == "auto" else params.batch_size
    note = f"Profile {params.profile}: half precision has an effect on CUDA only, everything else is FP32."
    return AudioPlan(
        profile=params.profile,
        canonical=canonical,
        engine=params.engine,
        device=device,
        amp=amp,
        batch_size=given or (OPTIMIZED_BATCH if canonical == "gpu_optimized" else None),
        threads=params.num_workers,
        speakers=params.num_speakers,
        min_speakers=params.min_speakers,
        max_speakers=params.max_speakers,
        speech_threshold=params.speech_threshold,
        shortest_speech=params.min_speech_duration_ms / 1000,
        pyannote_model=params.pyannote_model,
        pyannote_parameters=_pyannote_parameters(params),
        consistency_check=params.consistency_check,
        partial_success_ok=params.partial_success_ok,
        profiling=params.profiling,
        log_level=params.log_level,
        notes=(note,) if amp and (device != "cuda" or params.engine == "embedded") else (),
    )


def _device(params: Settings, profile: str) -> str:
    named = {name: getattr(params, name) for name in ("audio_device", "pyannote_device")}
    wished = {name: device for name, device in named.items() if device in ("cpu", "cuda")}
    if len(set(wished.values())) > 1:
        raise _contradiction(params, "audio_device", "pyannote_device", "Keep one of them.")
    for name, device in wished.items():
        if profile == "cpu" and device == "cuda":
            raise _contradiction(params, "profile", name, "Choose profile gpu_fp32 to use a GPU.")
        return str(device)
    return "cpu" if profile == "cpu" else "auto"


def _amp(params: Settings, profile: str) -> bool:
    if params.enable_amp and profile != "gpu_optimized":
        hint = "Only profile gpu_optimized computes in half precision: choose it, or leave enable_amp out."
        raise _contradiction(params, "profile", "enable_amp", hint)
    return profile == "gpu_optimized" and params.enable_amp is not False


def _check_speakers(params: Settings) -> None:
    for limit in ("min_speakers", "max_speakers"):
        if params.num_speakers is not None and getattr(params, limit) is not None:
            raise _contradiction(params, "num_speakers", limit, "Give the exact number or limits, not both.")
    if (params.min_speakers or 1) > (params.max_speakers or math.inf):
        raise _contradiction(params, "min_speakers", "max_speakers", "The smallest number is above the largest.")


def _pyannote_parameters(params: Settings) -> PipelineParameters | None:
    """Those of the file that is named; else the house's, which are for the hub's pipeline alone."""
    for name in ("pyannote_model", "pyannote_config"):
        if params.engine == "embedded" and getattr(params, name) is not None:
            raise _contradiction(params, "engine", name, f"Leave {name} out, or choose engine pyannote.")
    house = config_folder() / PIPELINE_FILE
    if params.pyannote_config is not None:
        return pipeline_parameters(params.pyannote_config)
    if params.engine == "embedded" or params.pyannote_model is not None or not house.is_file():
        return None
    return pipeline_parameters(house)


def _contradiction(params: Settings, one: str, other: str, hint: str) -> UsageError:
    said = [f"{name} = {params.shown(name)} ({params.origin(name)})" for name in (one, other)]
    return UsageError(f"{said[0]} and {said[1]} contradict each other.", hint=hint)


def pipeline_parameters(path: Path) -> PipelineParameters:
    """Read a file of pipeline parameters: a JSON object of objects of numbers.

    Raises:
        UsageError: the file cannot be read, or is something else.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: the file of pyannote's parameters cannot be read ({error}).") from error
    parts = table.values() if isinstance(table, dict) else [None]
    if not all(isinstance(part, dict) and all(map(_is_number, part.values())) for part in parts):
        hint = 'For example {"clustering": {"threshold": 0.6}}.'
        text = f"{path.name}: pyannote's parameters must be a JSON object of objects of numbers."
        raise UsageError(text, hint=hint)
    return {name: dict(part) for name, part in table.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def automatic_batch(memory: int | None) -> int:
    """The batch for a GPU with so many bytes of memory, 32 on the CPU (None).

    That it is 1 below 6 GB is the specification's figure (a larger one runs out of memory there); the others are
    choices, and the device ladder halves what proves too large.
    """
    if memory is None:
        return CPU_BATCH
    return next(batch for least, batch in CUDA_BATCHES if memory >= least)


def profile_line(plan: AudioPlan, device: str, batch_size: int) -> str:
    """What the log says of the profile, given the device and the batch that will really be used."""
    if plan.half(device):
        precision = "FP16 - cohérence vérifiée par vidéo"
    elif device == "cpu":
        precision = "FP32 pur sur CPU - référence"
    else:
        precision = "FP32 pur - cohérence CPU"
    amp = 1 if plan.half(device) else 0
    return f"AUDIO_PROFILE={plan.profile} appliqué (AMP={amp}, batch_size={batch_size}, {precision})"


def token_variable(environment: Mapping[str, str] = os.environ) -> str | None:
    """The variable that holds the hub token, None where none does."""
    return next((name for name in TOKEN_VARIABLES if environment.get(name)), None)
