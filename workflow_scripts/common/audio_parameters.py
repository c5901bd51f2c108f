"""The parameters of STEP4 and the values they may have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workflow_scripts.common.settings import Parameter

PROFILES = {
    "gpu_fp32": "gpu_fp32",
    "gpu_no_amp": "gpu_fp32",
    "gpu_optimized": "gpu_optimized",
    "cpu": "cpu",
    "cpu_only": "cpu",
}
"""Every name of a profile, and the profile that it means."""
PIPELINE_FILE = "optimal_tv_config.json"
"""Parameters of the hub's pipeline, in `config/`."""


def _speed(name: str, kind: type, default: object, text: str, env: str, **more: Any) -> Parameter:
    """A parameter that says where or how to compute, and redoes nothing; see `AudioPlan.reason_to_redo`."""
    return Parameter(name, kind, default, text, env=env, affects_result=False, **more)


_DEVICES = ("auto", "cuda", "cpu")
PARAMETERS = (
    # Which engine ran, and with which files, is in the manifest as its models.
    _speed(
        "engine",
        str,
        "auto",
        "What finds the speakers; auto is pyannote where a token or pyannote_model is set, else embedded",
        "AUDIO_ENGINE",
        choices=("auto", "embedded", "pyannote"),
    ),
    _speed(
        "profile",
        str,
        "gpu_fp32",
        "How to compute: gpu_fp32 or gpu_no_amp is FP32 on a GPU if there is one, gpu_optimized half precision "
        "there, cpu or cpu_only FP32 on the CPU",
        "AUDIO_PROFILE",
        choices=tuple(PROFILES),
    ),
    _speed("audio_device", str, "auto", "Where to compute", "AUDIO_DEVICE", choices=_DEVICES),
    _speed("pyannote_device", str, None, "Older name of audio_device", "PYANNOTE_DEVICE", choices=_DEVICES),
    _speed("enable_amp", bool, None, "false switches gpu_optimized's half precision off", "AUDIO_ENABLE_AMP"),
    _speed(
        "batch_size",
        int,
        "auto",
        "Chunks of sound the networks take at once; auto goes by the GPU's memory",
        "PYANNOTE_BATCH_SIZE",
        also=("AUDIO_PYANNOTE_BATCH_SIZE",),
        minimum=1,
        maximum=256,
        special=("auto",),
    ),
    _speed(
        "num_workers",
        int,
        0,
        "CPU threads the engine computes with; 0 is one per core",
        "PYANNOTE_NUM_WORKERS",
        minimum=0,
        maximum=256,
    ),
    Parameter("num_speakers", int, None, "Number of speakers, when it is known", 1, 50, env="AUDIO_NUM_SPEAKERS"),
    Parameter("min_speakers", int, None, "Smallest number of speakers to find", 1, 50, env="AUDIO_MIN_SPEAKERS"),
    Parameter("max_speakers", int, None, "Largest number of speakers to find", 1, 50, env="AUDIO_MAX_SPEAKERS"),
    Parameter(
        "speech_threshold",
        float,
        0.5,
        "Probability from which sound is speech (embedded engine)",
        0.01,
        0.99,
        env="SPEECH_DETECTION_THRESHOLD",
    ),
    Parameter(
        "min_speech_duration_ms",
        int,
        300,
        "Shorter stretches of speech are dropped, in milliseconds (embedded engine)",
        0,
        10_000,
        env="MIN_SPEECH_DURATION_MS",
    ),
    _speed("pyannote_model", Path, None, "Local folder of a pyannote pipeline", "PYANNOTE_MODEL"),
    _speed(
        "pyannote_config",
        Path,
        None,
        f"JSON file of pyannote's pipeline parameters; not set is config/{PIPELINE_FILE} for the hub's pipeline "
        "and a local folder's own for that",
        "PYANNOTE_CONFIG",
    ),
    _speed(
        "consistency_check",
        bool,
        True,
        "Compare FP32 on a GPU with FP32 on the CPU; half precision is always compared",
        "AUDIO_CONSISTENCY_CHECK",
    ),
    _speed(
        "partial_success_ok",
        bool,
        False,
        "A run in which some videos failed and others did not ends with exit status 0",
        "AUDIO_PARTIAL_SUCCESS_OK",
    ),
    _speed("profiling", bool, True, "Write metrics (CSV) and performance (JSON)", "ENABLE_AUDIO_PROFILING"),
    _speed(
        "log_level",
        str,
        "INFO",
        "Least grave lines on the terminal; the log file has all",
        "AUDIO_LOG_LEVEL",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    ),
)
