"""faster-whisper: Whisper's networks in CTranslate2, on the CPU or on CUDA."""

from __future__ import annotations

import ctypes
import logging
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from workflow_scripts.common.artifacts.transcripts import Spoken, Word
from workflow_scripts.common.errors import DeviceFault, PreconditionError
from workflow_scripts.step4.engine import SAMPLE_RATE, Waveform
from workflow_scripts.step4.transcription_engine import SEED, WINDOW_SECONDS, compute_type_for
from workflow_scripts.step4.transcription_guards import compression
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_words import without_echo

logging.getLogger("faster_whisper").setLevel(logging.WARNING)
EARLY_SECONDS = 0.7
"""A window ends sooner than this after its last word; where more is left, text may be missing."""
_WINDOW_SAMPLES = round(WINDOW_SECONDS * SAMPLE_RATE)


class FasterWhisper:
    """A Whisper model from a folder; the network is never asked for anything.

    Raises:
        PreconditionError: the folder's files cannot be loaded.
        DeviceFault: the GPU, or what computes on it, fails.
    """

    def __init__(self, folder: Path, device: str, compute_type: str, threads: int = 0) -> None:
        if device == "cuda":
            load_installed_cublas()
        with _faults(device):
            supported = ctranslate2.get_supported_compute_types(device)
            self.compute_type = compute_type_for(compute_type, sorted(supported), device)
        self._folder, self._device, self._threads = folder, device, threads
        self._model = self._load()
        self._drew = False

    def _load(self) -> WhisperModel:
        """The model, drawing from the seed on: CTranslate2 looks at that when its threads first draw."""
        ctranslate2.set_random_seed(SEED)
        with _faults(self._device):
            try:
                return WhisperModel(
                    str(self._folder),
                    device=self._device,
                    compute_type=self.compute_type,
                    cpu_threads=self._threads,
                    local_files_only=True,
                )
            except Exception as error:  # what reads tokenizer.json raises no other
                if self._device == "cuda" and isinstance(error, RuntimeError):
                    raise
                raise _unreadable(self._folder, error) from error

    @property
    def multilingual(self) -> bool:
        """Whether the model knows other languages than English."""
        return bool(self._model.model.is_multilingual)

    def begin(self) -> None:
        """As `Recognizer.begin`."""
        if self._drew:
            del self._model  # two of them may be too much for a GPU
            self._model = self._load()
            self._drew = False

    def language_of(self, windows: Sequence[Waveform]) -> tuple[str, float]:
        """As `Recognizer.language_of`; a model of English alone says that."""
        if not self.multilingual:
            return "en", 1.0
        totals: dict[str, float] = defaultdict(float)
        for window in windows:
            with _faults(self._device):
                _, _, probabilities = self._model.detect_language(audio=window)
            for language, probability in probabilities:
                totals[language] += probability / len(windows)
        language = max(totals, key=lambda code: totals[code])
        return language, totals[language]

    def recognise(
        self, windows: Sequence[Waveform], language: str, how: Recognition, batch_size: int
    ) -> Iterator[tuple[Spoken, ...]]:
        """As `Recognizer.recognise`.

        A window by itself is decoded anew at higher temperatures until its text is neither unsure nor repeats
        itself, and decoding goes on where its text ends early. Of several at once, those whose text is unsure,
        repeats itself or ends early are decoded by themselves afterwards.
        """
        for first in range(0, len(windows), batch_size):
            some = windows[first : first + batch_size]
            together = self._together(some, language, how) if len(some) > 1 else [None]
            for window, found in zip(some, together, strict=True):
                yield found if found is not None else self._alone(window, language, how)

    def _alone(self, window: Waveform, language: str, how: Recognition) -> tuple[Spoken, ...]:
        """What is said in one. A refrain repeats itself truly: other temperatures may make a loop of it."""
        first = self._decoded(window, language, how, compression_ratio_threshold=None, temperature=0.0)
        if not _doubtful(first, how):
            return first
        self._drew = True
        found = self._decoded(window, language, how, compression_ratio_threshold=how.compression)
        return found if _repetition(found) <= how.compression else min(found, first, key=_repetition)

    def _decoded(self, window: Waveform, language: str, how: Recognition, **more: Any) -> tuple[Spoken, ...]:
        with _faults(self._device):
            segments, _ = self._model.transcribe(
                window,
                no_speech_threshold=how.no_speech,
                log_prob_threshold=how.log_probability,
                **_options(language, how),
                **more,
            )
            return tuple(_without_echoes(segments))

    def _together(self, windows: Sequence[Waveform], language: str, how: Recognition) -> list[Any]:
        """What is said in each, None where that is to be decoded anew; each window takes a place of 30 s."""
        sound = np.zeros(len(windows) * _WINDOW_SAMPLES, np.float32)
        clips = []
        for place, window in enumerate(windows):
            start = place * _WINDOW_SAMPLES
            sound[start : start + len(window)] = window
            clips.append({"start": start / SAMPLE_RATE, "end": (start + len(window)) / SAMPLE_RATE})
        found: list[list[Spoken]] = [[] for _ in windows]
        with _faults(self._device):
            segments, _ = BatchedInferencePipeline(self._model).transcribe(
                sound,
                clip_timestamps=clips,
                batch_size=len(windows),
                without_timestamps=False,
                **_options(language, how),
            )
            for segment in segments:
                place = min(len(windows) - 1, int(segment.seek / self._model.frames_per_second / WINDOW_SECONDS))
                found[place].append(_spoken(segment, place * WINDOW_SECONDS))
        return [
            None if _ends_early(spoken, window) or _doubtful(spoken, how) else tuple(spoken)
            for spoken, window in zip(found, windows, strict=True)
        ]


def load_installed_cublas() -> None:
    """Load cuBLAS for CUDA 12 from its package, where that is installed: CTranslate2 looks for it by name.

    torch brings the one for its own CUDA, which may be another.
    """
    folder = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cublas" / "lib"
    for name in ("libcublasLt.so.12", "libcublas.so.12"):  # the second needs the first
        if (folder / name).is_file():
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)


def _options(language: str, how: Recognition) -> dict[str, Any]:
    """What both ways of decoding are given; a window knows nothing of the text before it, so no error goes on."""
    return {
        "language": language,
        "task": how.task,
        "beam_size": how.beam_size,
        "vad_filter": False,
        "word_timestamps": True,
        "condition_on_previous_text": False,
    }


def _without_echoes(segments: Iterable[Any]) -> Iterator[Spoken]:
    """The segments of a window, of which decoding may have gone on in its midst."""
    before: Any = None
    for segment in segments:
        one = _spoken(segment, 0.0)
        if before is not None and segment.seek != before.seek:
            one = without_echo(_spoken(before, 0.0).words[-1] if before.words else None, one)
        before = segment
        if one.text:
            yield one


def _ends_early(spoken: Sequence[Spoken], window: Waveform) -> bool:
    """Whether the text ends well before the window does: what follows has not been decoded."""
    return len(window) / SAMPLE_RATE - max((one.end for one in spoken), default=0.0) > EARLY_SECONDS


def _doubtful(spoken: Sequence[Spoken], how: Recognition) -> bool:
    """Whether the text of a window, or a part of it, is unsure or repeats itself."""
    unsure = any(one.log_probability < how.log_probability for one in spoken)
    repeats = any(one.compression > how.compression for one in spoken)
    return unsure or repeats or _repetition(spoken) > how.compression


def _repetition(spoken: Sequence[Spoken]) -> float:
    """How much the text of a window repeats itself."""
    return compression(" ".join(one.text for one in spoken)) if spoken else 0.0


def _spoken(segment: Any, begin: float) -> Spoken:
    """A segment in seconds from the beginning of its window."""
    words = tuple(
        Word(*_times(word.start - begin, word.end - begin), word.word, float(word.probability))
        for word in segment.words or ()
    )
    start, end = _times(segment.start - begin, segment.end - begin)
    return Spoken(
        start=start,
        end=end,
        text=segment.text.strip(),
        words=words,
        log_probability=float(segment.avg_logprob),
        no_speech=float(segment.no_speech_prob),
        compression=float(segment.compression_ratio),
    )


def _times(start: float, end: float) -> tuple[float, float]:
    """Both within the window and in order, whatever the alignment says."""
    start = min(max(0.0, float(start)), WINDOW_SECONDS)
    return start, min(max(start, float(end)), WINDOW_SECONDS)


@contextmanager
def _faults(device: str) -> Iterator[None]:
    """Turn what CTranslate2 raises on a GPU into a fault of the device: its libraries may be missing or fail."""
    try:
        yield
    except RuntimeError as error:
        if device == "cpu" or isinstance(error, DeviceFault):
            raise
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DeviceFault(text, out_of_memory="out of memory" in text.lower()) from error


def _unreadable(folder: Path, error: Exception) -> PreconditionError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return PreconditionError(
        f"The speech model in {folder} cannot be loaded ({text}).",
        hint="`scripts/workflow models verify` says which file.",
    )
