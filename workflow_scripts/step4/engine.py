"""What a diarization engine is: sound in, who speaks when out.

The rule that every engine keeps: **speech is the union of the turns**. A moment with speech carries at least
one speaker label, a moment with a label is speech, so the two delivered fields can never contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.common.timeline import Segment, Turn

SAMPLE_RATE = 16000
"""Samples per second of the sound every engine takes."""

BLOCK_SAMPLES = 60 * SAMPLE_RATE
"""Sound is looked at in blocks of a minute, so that temporary copies stay small beside hours of it."""

Waveform = NDArray[np.float32]
"""Mono sound, float32 `(samples,)`, 16 kHz, nominally within [-1, 1]."""

HEARD_RATE = 10
"""How many times a second engines tell how surely there is speech."""

SCORE_RATE = 100
"""How many times a second they know it inside."""

Score = NDArray[np.float32]
"""How surely anybody speaks, 0..1 on 10 ms frames, float32 `(frames,)`."""


class Sound(Protocol):
    """Mono sound of 16 kHz that need not lie in memory; a `Waveform` is one."""

    def __len__(self) -> int:
        """Samples."""

    def __getitem__(self, part: slice, /) -> Waveform:
        """The samples of a part, clipped to the sound as slices of arrays are."""


@dataclass(frozen=True)
class Mode:
    """How networks are computed.

    Args:
        device: `cpu` or `cuda`.
        half: `float16` or `bfloat16` where matrix products and convolutions are in half precision; None is FP32.
    """

    device: str = "cpu"
    half: str | None = None

    def __str__(self) -> str:
        return f"{self.device.upper()} {self.half or 'FP32'}"


REFERENCE = Mode("cpu")
"""What every other mode has to agree with."""


@dataclass(frozen=True)
class SpeakerCount:
    """How many speakers to look for: exactly `exact`, or between `minimum` and `maximum` (None: no limit)."""

    exact: int | None = None
    minimum: int | None = None
    maximum: int | None = None

    def __post_init__(self) -> None:
        given = [n for n in (self.exact, self.minimum, self.maximum) if n is not None]
        if any(n < 1 for n in given):
            raise ValueError("a number of speakers is at least 1")
        if self.exact is not None and len(given) > 1:
            raise ValueError("give the exact number of speakers or its limits, not both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the smallest number of speakers is above the largest")


@dataclass(frozen=True)
class Diarization:
    """Who speaks when in a sound of `duration` seconds.

    `turns` are sorted by start, then speaker; labels count up in order of first appearance. `speech` is their
    union: sorted, disjoint. `heard`, float32 `(ceil(duration * HEARD_RATE),)`, is how surely there is speech in
    each tenth of a second; empty where the engine cannot say.
    """

    speech: tuple[Segment, ...]
    turns: tuple[Turn, ...]
    duration: float
    heard: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speaker labels, in order of first appearance."""
        return tuple(sorted({turn.speaker for turn in self.turns}))


Progress = Callable[[int, int], None]
"""Called with the work done and its total; may raise to stop the engine."""

Observer = Callable[[str, int, float], None]
"""Called after every batch of a network: `segmentation` or `embeddings`, how many items it held, its seconds."""


def unobserved(_kind: str, _items: int, _seconds: float) -> None:
    """The observer who is not there."""


class Engine(Protocol):
    """A diarizer; made once, used for every video.

    `batch_size` is how much the networks may take at once: it changes speed and memory, never the answer.
    """

    batch_size: int

    @property
    def mode(self) -> Mode:
        """How its networks are computed."""

    @property
    def name(self) -> str:
        """Which engine and variant this is, as recorded in the manifest."""

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The networks that are loaded."""

    def diarize(
        self, sound: Sound, speakers: SpeakerCount, progress: Progress, observer: Observer | None = None
    ) -> Diarization:
        """Return who speaks when; a sound without speech, or without samples, gives no turn."""


def diarization(
    turns: Iterable[tuple[float, float, object]], duration: float, score: Score | None = None
) -> Diarization:
    """Clip turns `(start, end, speaker)` to the sound, name the speakers, and join the turns into speech.

    Speakers become SPEAKER_00, SPEAKER_01, … in order of first appearance; touching or overlapping turns of one
    speaker become one. A turn's score is the mean of `score` over it.
    """
    clipped = [(max(0.0, start), min(end, duration), speaker) for start, end, speaker in turns]
    kept = sorted((t for t in clipped if t[0] < t[1]), key=lambda t: (t[0], t[1], str(t[2])))
    spans: dict[object, list[tuple[float, float]]] = {}
    for start, end, speaker in kept:
        spans.setdefault(speaker, []).append((start, end))
    named = [
        Turn(start, end, f"SPEAKER_{index:02d}", _mean_over(score, start, end))
        for index, own in enumerate(spans.values())
        for start, end in _union(own)
    ]
    speech = tuple(Segment(start, end) for start, end in _union((t[0], t[1]) for t in kept))
    heard = _tenths(score, duration) if score is not None else np.zeros(0, np.float32)
    return Diarization(speech=speech, turns=tuple(sorted(named)), duration=duration, heard=heard)


def _mean_over(score: Score | None, start: float, end: float) -> float | None:
    """The mean of the frames of `[start, end)` seconds, None where there are none."""
    frames = score[round(start * SCORE_RATE) : round(end * SCORE_RATE)] if score is not None else ()
    return float(np.mean(frames)) if len(frames) else None


def _tenths(score: Score, duration: float) -> Score:
    """The mean of each tenth of a second, float32 `(ceil(duration * HEARD_RATE),)`; the last may be a part."""
    count = -(-round(duration * SAMPLE_RATE) * HEARD_RATE // SAMPLE_RATE)
    starts = np.arange(count) * (SCORE_RATE // HEARD_RATE)
    covered = score[: count * (SCORE_RATE // HEARD_RATE)]
    lengths = np.diff(np.append(starts, len(covered)))
    return np.asarray(np.add.reduceat(covered, starts) / lengths, np.float32) if count else covered


def clean_waveform(waveform: Waveform) -> Waveform:
    """Return the sound with samples that are no numbers as silence and the rest limited to [-1, 1].

    Raises ValueError when the sound is not mono `(samples,)`.
    """
    if waveform.ndim != 1:
        raise ValueError(f"a mono sound has one axis, got shape {waveform.shape}")
    sound = waveform.astype(np.float32, copy=False)
    for start in range(0, len(sound), BLOCK_SAMPLES):
        block = sound[start : start + BLOCK_SAMPLES]
        if not (np.abs(block) <= 1.0).all():  # false for what is no number, too
            clean = np.nan_to_num(sound, nan=0.0, posinf=0.0, neginf=0.0)
            return np.clip(clean, -1.0, 1.0, out=clean)
    return sound


def _union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
