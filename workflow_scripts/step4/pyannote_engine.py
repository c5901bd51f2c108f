"""The pyannote engine: `pyannote.audio` 4, from a local folder or, with a token, from the hub.

Networks run in FP32 unless the mode says otherwise: half precision loses most speech of a quiet or noisy recording.
The hub is asked once; afterwards the downloaded copy is used without the network.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.step4.engine import (
    REFERENCE,
    SAMPLE_RATE,
    SCORE_RATE,
    Diarization,
    Mode,
    Observer,
    Progress,
    Score,
    Sound,
    SpeakerCount,
    clean_waveform,
    diarization,
    unobserved,
)
from workflow_scripts.step4.pyannote_folder import checked_folder, folder_records, prepare_environment

PROGRESS_TOTAL = 1000
"""Progress is told in thousandths; 96 % of the time goes into the embeddings."""
_SHARES = {"segmentation": (0, 40), "embeddings": (40, 1000)}
SHORTEST_SECONDS = 1.0
"""Shorter sounds are filled up with silence: the embedding network needs some frames to look at."""


class PyannoteEngine:
    """A pipeline loaded from a folder, in one mode."""

    def __init__(
        self,
        folder: Path,
        mode: Mode = REFERENCE,
        batch_size: int = 32,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the pipeline on the CPU, then move it to the mode's device.

        Only trusted folders: pyannote unpickles the checkpoints in it.

        Args:
            folder: holds `config.yaml` and what that names.
            mode: how all its networks are computed.
            batch_size: chunks of sound that the networks take at once.
            parameters: values of the pipeline's parameters in place of the folder's own, nested as in `params`
                of `config.yaml`.
        Raises:
            PreconditionError: the folder is missing or does not load as a pipeline, or has no such parameter.
        """
        self._folder = checked_folder(folder)
        self._mode = mode
        self.batch_size = batch_size
        prepare_environment(offline=True)
        self._pipeline = _loaded(self._folder)
        if parameters:
            _check_parameters(parameters, self._pipeline.parameters(), self._folder)
            self._pipeline.instantiate(dict(parameters))
        from workflow_scripts.step4.parallel import prepare_torch

        self._pipeline.to(prepare_torch(mode))
        if mode.half:
            for network in (self._pipeline._segmentation.model, self._pipeline._embedding.model_):
                _compute_in(mode, network)
        self._models = folder_records(self._folder)

    @property
    def name(self) -> str:
        """`pyannote` and the folder's name."""
        return f"pyannote ({self._folder.name})"

    @property
    def mode(self) -> Mode:
        """How its networks are computed."""
        return self._mode

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The files of the pipeline."""
        return self._models

    def diarize(
        self, sound: Sound, speakers: SpeakerCount, progress: Progress, observer: Observer | None = None
    ) -> Diarization:
        """Return who speaks when in a mono sound of 16 kHz; pyannote wants all of it in memory."""
        import torch

        samples = len(sound)
        if not samples:
            return diarization([], 0.0)
        whole = clean_waveform(sound[:samples])
        missing = round(SHORTEST_SECONDS * SAMPLE_RATE) - samples
        if missing > 0:
            whole = np.pad(whole, (0, missing))
        self._pipeline.segmentation_batch_size = self.batch_size
        self._pipeline.embedding_batch_size = max(1, self.batch_size // 4)  # larger ones only cost memory
        steps = _Steps(progress, observer or unobserved)
        try:
            with warnings.catch_warnings():
                # Where nobody speaks alone for long there is no voice to average: pyannote then finds one speaker.
                warnings.filterwarnings("ignore", "Mean of empty slice|invalid value encountered", RuntimeWarning)
                answer = self._pipeline(
                    {"waveform": torch.from_numpy(whole)[None], "sample_rate": SAMPLE_RATE},
                    hook=steps,
                    num_speakers=speakers.exact,
                    min_speakers=speakers.minimum,
                    max_speakers=speakers.maximum,
                )
        finally:
            if self._mode.device == "cuda":
                gc.collect()
                torch.cuda.empty_cache()
        tracks = answer.speaker_diarization.itertracks(yield_label=True)
        progress(PROGRESS_TOTAL, PROGRESS_TOTAL)
        score = _score(steps.heard, samples) if steps.heard is not None else None
        return diarization(((s.start, s.end, label) for s, _, label in tracks), samples / SAMPLE_RATE, score)


def _loaded(folder: Path) -> Any:
    """The pipeline, on the CPU."""
    with warnings.catch_warnings():
        # torchcodec finds no FFmpeg libraries: true and harmless, sound is handed over in memory.
        warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
        from pyannote.audio import Pipeline
    try:
        pipeline = Pipeline.from_pretrained(folder)
    except Exception as error:  # whatever is wrong in a folder somebody put together by hand
        text = str(error).strip().partition("\n")[0]
        raise PreconditionError(
            f"The pyannote model folder {folder} does not load: {type(error).__name__}: {text}.",
            hint="Download the whole model repository again.",
        ) from error
    if pipeline is None:
        raise PreconditionError(f"The pyannote model folder {folder} holds no pipeline.")
    return pipeline


def _compute_in(mode: Mode, network: Any) -> None:
    """Let a network of the pipeline compute in a mode; what it answers, pyannote goes on with in FP32."""
    from workflow_scripts.step4.parallel import precision

    forward = network.forward

    def compute(*inputs: Any, **named: Any) -> Any:
        with precision(mode):
            return forward(*inputs, **named).float()

    network.forward = compute


def _check_parameters(given: Mapping[str, Any], known: Mapping[str, Any], folder: Path) -> None:
    """Make sure that every parameter is one of the pipeline's, and a number where that takes numbers.

    Raises:
        PreconditionError: one is not; pyannote itself would find out in the middle of the first video, or never.
    """
    spaces = dict(_flat(known))
    for name, value in _flat(given):
        if name not in spaces:
            raise PreconditionError(
                f"The pyannote pipeline in {folder} has no parameter {name}.",
                hint=f"It has {', '.join(sorted(spaces))}.",
            )
        numeric = hasattr(spaces[name], "low")
        if numeric and (isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value))):
            raise PreconditionError(
                f"The parameter {name} of the pyannote pipeline is {value!r}, which is no number.",
                hint=f"Its authors looked for it between {spaces[name].low:g} and {spaces[name].high:g}.",
            )


def _flat(nested: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested parameters as `clustering.threshold` and the like, with their values."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


class _Steps:
    """pyannote's hook: its steps become one progress that only grows, and batches with the time they took."""

    def __init__(self, progress: Progress, observer: Observer) -> None:
        self._progress = progress
        self._observer = observer
        self._told = 0
        self._completed = 0
        self._since = 0.0
        self.heard: Any = None
        """What the segmentation network heard, a SlidingWindowFeature `(chunks, frames, speakers)`."""

    def __call__(
        self,
        step: str,
        artefact: Any,
        file: object = None,  # pyannote passes it by name
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        if step == "segmentation" and artefact is not None:
            self.heard = artefact
        if step not in _SHARES or not total or completed is None:
            return
        completed, now = min(int(completed), total), time.perf_counter()  # the last batch may be a small one
        if completed > self._completed:
            # Segmentation counts chunks; embeddings count batches and bring them along.
            items = completed - self._completed if artefact is None else len(artefact)
            self._observer(step, items, now - self._since)
        self._completed, self._since = completed, now
        first, last = _SHARES[step]
        self._told = max(self._told, first + (last - first) * completed // total)
        self._progress(self._told, PROGRESS_TOTAL)


def _score(heard: Any, samples: int) -> Score:
    """The share of chunks that hear anybody, on 10 ms frames: float32 `(1 + samples // 160,)`."""
    anybody = np.nan_to_num(np.asarray(heard.data)).max(axis=2) >= 0.5
    window = heard.sliding_window
    length = max(1, round(window.duration * SCORE_RATE))
    nearest = ((np.arange(length) + 0.5) / length * anybody.shape[1]).astype(np.int64)
    frames = 1 + samples * SCORE_RATE // SAMPLE_RATE
    share, cover = np.zeros(frames, np.float32), np.zeros(frames, np.float32)
    for index, chunk in enumerate(anybody):
        begin = round((window.start + index * window.step) * SCORE_RATE)
        here = slice(begin, min(begin + length, frames))
        share[here] += chunk[nearest][: max(0, here.stop - begin)]
        cover[here] += 1
    return np.asarray(share / np.maximum(cover, 1))
