"""What an engine that recognises speech is, and which one runs; nothing heavy is imported before it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from workflow_scripts.common.artifacts.transcripts import Spoken
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, file_sha256
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.speech_models import find_model, is_path, name_of, records_of
from workflow_scripts.step4.engine import Waveform
from workflow_scripts.step4.transcription_parameters import AUTO, OPENAI_WHISPER, Recognition

#: Seconds that an engine hears at once; a longer piece of sound is cut into windows of at most this.
WINDOW_SECONDS = 30.0
#: From where all that is drawn by chance is drawn, anew for each sound: at temperatures above 0.
SEED = 0


class Recognizer(Protocol):
    """Recognises speech; made once, used for every sound.

    `compute_type` is the precision that it really computes in.
    """

    compute_type: str

    def begin(self) -> None:
        """Another sound comes: what was drawn by chance for those before has no part in what is said in it."""

    def language_of(self, windows: Sequence[Waveform]) -> tuple[str, float]:
        """The language that is most likely spoken in some windows together, and its mean probability."""

    def recognise(
        self, windows: Sequence[Waveform], language: str, how: Recognition, batch_size: int
    ) -> Iterator[tuple[Spoken, ...]]:
        """Yield what is said in each window, in order, in seconds from that window's beginning.

        Args:
            windows: mono sound of 16 kHz, each of at most WINDOW_SECONDS.
            language: its code.
            batch_size: how many windows may be taken at once.
        """


def check_engine(params: Settings) -> None:
    """Make sure that the engine and its model are there, without loading them.

    Raises:
        UsageError: there is no such model.
        PreconditionError: something is missing, with what to do about it.
    """
    if params.engine == OPENAI_WHISPER:
        openai_model(params.model)
    else:
        find_model(params.model)


def engine_models(params: Settings) -> tuple[ModelRecord, ...]:
    """The files that decide the words, known without loading them."""
    if params.engine == OPENAI_WHISPER:
        path = openai_model(params.model)
        return (ModelRecord(f"Whisper {path.name}", file_sha256(path), OPENAI_WHISPER),)
    return records_of(params.model)


def model_name(params: Settings) -> str:
    """What people call the model, `base`."""
    return Path(params.model).stem if params.engine == OPENAI_WHISPER else name_of(params.model)


def engine_loader(params: Settings) -> Callable[[str], Recognizer]:
    """What loads the engine on a device, `cpu` or `cuda`."""

    def load(device: str) -> Recognizer:
        if params.engine == OPENAI_WHISPER:
            from workflow_scripts.step4.transcription_openai import OpenaiWhisper

            whisper: Recognizer = OpenaiWhisper(openai_model(params.model), device, params.compute_type)
            return whisper
        from workflow_scripts.step4.transcription_faster import FasterWhisper

        engine: Recognizer = FasterWhisper(find_model(params.model), device, params.compute_type, params.threads)
        return engine

    return load


def openai_model(model: str) -> Path:
    """The checkpoint that openai-whisper is to load: it is optional, and its models are given as files.

    Raises:
        PreconditionError: the package is not installed, or there is no such file.
    """
    if importlib.util.find_spec("whisper") is None:
        raise PreconditionError(
            "The engine openai-whisper is not installed.",
            hint="Run `audio_env/bin/python -m pip install openai-whisper`, or set engine to faster-whisper.",
        )
    path = Path(model).expanduser()
    if not (is_path(model) and path.is_file()):
        raise PreconditionError(
            f"The engine openai-whisper needs its model as a file, and {model} is none.",
            hint="Set model to the path of a .pt file.",
        )
    return path.absolute()


def compute_type_for(asked: str, supported: Sequence[str], device: str) -> str:
    """The precision to compute in: the one asked for where the device has it, else float32.

    `auto` is float16 on a GPU that has it, int8 on a CPU that has it. So half precision is never computed where the
    device only imitates it.
    """
    if asked == AUTO:
        asked = "float16" if device == "cuda" else "int8"
    return asked if asked in supported else "float32"
