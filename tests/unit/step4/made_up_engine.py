"""An engine whose answer is known: it hears speech where the sound is louder than what its mode can hear."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.step4.engine import (
    REFERENCE,
    SAMPLE_RATE,
    Diarization,
    Mode,
    Observer,
    Progress,
    Sound,
    SpeakerCount,
    diarization,
)
from workflow_scripts.step4.speech import runs


class MadeUpEngine:
    """Speech by one speaker wherever a tenth of a second is louder than `deaf[mode]`; 0 hears everything."""

    name = "made up"
    models = (ModelRecord("made up", "0" * 64),)

    def __init__(self, mode: Mode = REFERENCE, deaf: Mapping[Mode, float] | None = None) -> None:
        self.mode = mode
        self.batch_size = 16
        self.heard: list[float] = []
        self._deaf = (deaf or {}).get(mode, 0.0)

    def diarize(
        self, sound: Sound, speakers: SpeakerCount, progress: Progress, observer: Observer | None = None
    ) -> Diarization:
        wave = sound[0 : len(sound)]
        self.heard.append(len(wave) / SAMPLE_RATE)
        loud = tenths(wave) > self._deaf
        if observer is not None:
            observer("segmentation", len(loud), 0.5)
        progress(1, 1)
        return diarization(((a / 10, b / 10, "A") for a, b in runs(loud)), len(wave) / SAMPLE_RATE)


def tenths(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The loudest sample of each tenth of a second."""
    step = SAMPLE_RATE // 10
    return np.abs(wave[: len(wave) // step * step]).reshape(-1, step).max(axis=1)


def sound_of(*parts: tuple[float, float]) -> NDArray[np.float32]:
    """Parts of so many seconds at such a level."""
    return np.concatenate([np.full(round(seconds * SAMPLE_RATE), level, np.float32) for seconds, level in parts])
