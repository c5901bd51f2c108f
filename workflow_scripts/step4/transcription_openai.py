"""openai-whisper: Whisper's own code in torch; optional, for those who have its checkpoints.

On a GPU it computes in half precision only where that is asked for by name. Aligning words on CUDA compiles kernels
with triton; where that is missing the package itself falls back to slower code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
import whisper

from workflow_scripts.common.artifacts.transcripts import Spoken, Word
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.engine import Waveform
from workflow_scripts.step4.transcription_engine import SEED, WINDOW_SECONDS
from workflow_scripts.step4.transcription_parameters import Recognition


class OpenaiWhisper:
    """A Whisper checkpoint from a file, on `cpu` or `cuda`; windows are taken one after the other.

    Raises:
        PreconditionError: the file is no checkpoint.
    """

    def __init__(self, path: Path, device: str, compute_type: str) -> None:
        self.compute_type = "float16" if device == "cuda" and compute_type == "float16" else "float32"
        try:
            self._model = whisper.load_model(str(path), device=device)
        except (KeyError, OSError, RuntimeError, TypeError, UnpicklingError, ValueError) as error:
            if "CUDA" in str(error):
                raise
            text = f"{path.name} cannot be loaded as a model of openai-whisper ({type(error).__name__})."
            raise PreconditionError(text, hint="Fetch it again.") from error
        self._half = self.compute_type == "float16"

    def begin(self) -> None:
        """As `Recognizer.begin`."""
        torch.manual_seed(SEED)

    def language_of(self, windows: Sequence[Waveform]) -> tuple[str, float]:
        """As `Recognizer.language_of`."""
        if not self._model.is_multilingual:
            return "en", 1.0
        totals: dict[str, float] = {}
        for window in windows:
            sound = whisper.pad_or_trim(torch.from_numpy(np.ascontiguousarray(window)))
            mel = whisper.log_mel_spectrogram(sound, self._model.dims.n_mels).to(self._model.device)
            _, probabilities = self._model.detect_language(mel.half() if self._half else mel)
            for code, probability in probabilities.items():
                totals[code] = totals.get(code, 0.0) + probability / len(windows)
        language = max(totals, key=lambda code: totals[code])
        return language, totals[language]

    def recognise(
        self, windows: Sequence[Waveform], language: str, how: Recognition, batch_size: int
    ) -> Iterator[tuple[Spoken, ...]]:
        """As `Recognizer.recognise`."""
        for window in windows:
            found = self._model.transcribe(
                np.ascontiguousarray(window),
                language=language,
                task=how.task,
                beam_size=how.beam_size,
                word_timestamps=True,
                condition_on_previous_text=False,
                no_speech_threshold=how.no_speech,
                logprob_threshold=how.log_probability,
                compression_ratio_threshold=how.compression,
                fp16=self._half,
                verbose=None,
            )
            yield tuple(_spoken(segment) for segment in found["segments"])


def _spoken(segment: dict[str, object]) -> Spoken:
    """A segment as the package tells it."""
    told: list[dict[str, float | str]] = segment.get("words") or []  # type: ignore[assignment]
    words = tuple(
        Word(*_times(word["start"], word["end"]), str(word["word"]), float(word["probability"])) for word in told
    )
    return Spoken(
        *_times(segment["start"], segment["end"]),
        str(segment["text"]).strip(),
        words,
        _number(segment["avg_logprob"]),
        _number(segment["no_speech_prob"]),
        _number(segment["compression_ratio"]),
    )


def _times(start: object, end: object) -> tuple[float, float]:
    first = min(max(0.0, _number(start)), WINDOW_SECONDS)
    return first, min(max(first, _number(end)), WINDOW_SECONDS)


def _number(value: object) -> float:
    return float(str(value))
