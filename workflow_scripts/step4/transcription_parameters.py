"""The parameters of STEP4B, the values they may have, and what they mean together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.languages import LANGUAGES
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.subtitles import Layout

AUTO = "auto"
FASTER_WHISPER, OPENAI_WHISPER = "faster-whisper", "openai-whisper"
COMPUTE_TYPES = (AUTO, "float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16", "int8_bfloat16")
CUDA_BATCH = 8
"""Windows at once on a GPU where no number is given; the device ladder halves what proves too large."""


def _speed(name: str, kind: type, default: object, text: str, env: str, **more: Any) -> Parameter:
    """A parameter that says where or how fast to compute, and redoes nothing."""
    return Parameter(name, kind, default, text, env=env, affects_result=False, **more)


PARAMETERS = (
    # Which engine and model ran is in the manifest as its models.
    _speed(
        "engine",
        str,
        FASTER_WHISPER,
        "What recognises speech; openai-whisper must be installed by hand",
        "WHISPER_ENGINE",
        choices=(FASTER_WHISPER, OPENAI_WHISPER),
    ),
    _speed(
        "model", str, "base", "Speech model, by name (scripts/workflow models list) or as a folder", "WHISPER_MODEL"
    ),
    _speed(
        "whisper_device",
        str,
        AUTO,
        "Where to compute; the GPU of a Mac (MPS) is never used",
        "WHISPER_DEVICE",
        choices=(AUTO, "cuda", "cpu"),
    ),
    Parameter(
        "compute_type",
        str,
        AUTO,
        "Precision; auto is float16 on a GPU that computes in it, int8 on a CPU, else float32",
        choices=COMPUTE_TYPES,
        env="WHISPER_COMPUTE_TYPE",
    ),
    _speed(
        "batch_size",
        int,
        AUTO,
        "Windows of 30 s that the model takes at once; auto is 1 on the CPU, where more gains nothing",
        "WHISPER_BATCH_SIZE",
        minimum=1,
        maximum=64,
        special=(AUTO,),
    ),
    _speed(
        "threads", int, 0, "CPU threads of the model; 0 is one per core", "WHISPER_THREADS", minimum=0, maximum=256
    ),
    Parameter("language", str, AUTO, "Language as a code, for example fr; auto detects it", env="WHISPER_LANGUAGE"),
    Parameter(
        "task",
        str,
        "transcribe",
        "transcribe keeps the language, translate makes English of it",
        choices=("transcribe", "translate"),
        env="WHISPER_TASK",
    ),
    Parameter("beam_size", int, 5, "Beams of the search; 1 is greedy, and faster", 1, 20, env="WHISPER_BEAM_SIZE"),
    Parameter("vad", bool, True, "Recognise only where a voice activity detector hears speech", env="WHISPER_VAD"),
    Parameter(
        "vad_threshold",
        float,
        0.5,
        "Probability from which sound is speech",
        0.01,
        0.99,
        env="WHISPER_VAD_THRESHOLD",
    ),
    Parameter(
        "no_speech_threshold",
        float,
        0.6,
        "Probability of no speech from which an unsure text is dropped",
        0,
        1,
        env="WHISPER_NO_SPEECH_THRESHOLD",
    ),
    Parameter(
        "log_probability_threshold",
        float,
        -1.0,
        "Mean logarithm of the tokens' probabilities below which a text is unsure",
        -20,
        0,
        env="WHISPER_LOG_PROBABILITY_THRESHOLD",
    ),
    Parameter(
        "compression_threshold",
        float,
        2.4,
        "How much a text may shrink when packed; above it, it repeats itself and is dropped",
        1,
        100,
        env="WHISPER_COMPRESSION_THRESHOLD",
    ),
    Parameter("line_length", int, 42, "Characters of a subtitle's line; it has at most two", 16, 120),
    Parameter("reading_speed", float, 17.0, "Characters a second that a subtitle leaves time for", 5, 60),
)

#: The parameters that only lay out what has been recognised.
LAYOUT = ("line_length", "reading_speed")


@dataclass(frozen=True)
class Recognition:
    """How to recognise speech.

    Args:
        language: its code, None to detect it.
        vad: whether to listen where there is speech only, from `vad_threshold` on.
        no_speech, log_probability, compression: see the parameters of these names.
    """

    language: str | None = None
    task: str = "transcribe"
    beam_size: int = 5
    vad: bool = True
    vad_threshold: float = 0.5
    no_speech: float = 0.6
    log_probability: float = -1.0
    compression: float = 2.4


def recognition(params: Settings) -> Recognition:
    """What the parameters say about recognising.

    Raises:
        UsageError: the language is none that is known.
    """
    language = params.language.lower()
    if language not in (AUTO, *LANGUAGES):
        text = f"language = {params.language!r} ({params.origin('language')}) is no code of a language."
        raise UsageError(text, hint=f"Known are auto, {', '.join(LANGUAGES)}.")
    return Recognition(
        language=None if language == AUTO else language,
        task=params.task,
        beam_size=params.beam_size,
        vad=params.vad,
        vad_threshold=params.vad_threshold,
        no_speech=params.no_speech_threshold,
        log_probability=params.log_probability_threshold,
        compression=params.compression_threshold,
    )


def layout(params: Settings, rate: float | None) -> Layout:
    """How subtitles are laid out on a picture of `rate` frames a second, or without one."""
    return Layout(line=params.line_length, speed=params.reading_speed, rate=rate)
