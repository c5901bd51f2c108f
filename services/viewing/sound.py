"""Who speaks when, for a viewer: turns and speech of any range, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from services.viewing.index import Index


@dataclass(frozen=True)
class TurnView:
    """A turn in seconds, half-open; `score` is how surely somebody speaks, 0..1, None where nobody said."""

    start: float
    end: float
    speaker: str
    score: float | None


@dataclass(frozen=True)
class SoundView:
    """Turns that touch a range, and where the delivered file has speech there; seconds, half-open."""

    turns: list[TurnView]
    speech: list[tuple[float, float]]


@dataclass(frozen=True)
class SpeakerView:
    """What a speaker has in a video: seconds, and the share of its duration, 0..1."""

    label: str
    seconds: float
    share: float


def sound(index: Index, fps: Fraction, start: float, end: float) -> SoundView:
    """What touches a range of seconds, whole: nothing is cut off at its edges."""
    turns = index["turns"]
    speakers = index.meta["speakers"]
    touching = turns[(turns["start"] < end) & (turns["end"] > start)]
    rate, runs = float(fps), index["speech"]
    near = runs[(runs[:, 0] < end * rate + 1) & (runs[:, 1] > start * rate - 1)]
    seconds = [(float(first / fps), float(last / fps)) for first, last in near.tolist()]
    return SoundView(
        [
            TurnView(round(first, 4), round(last, 4), speakers[speaker], _known(score))
            for first, last, speaker, score in touching.tolist()
        ],
        [(first, last) for first, last in seconds if first < end and last > start],
    )


def speakers(index: Index, duration: float) -> list[SpeakerView]:
    """The speakers, who speaks most first."""
    turns = index["turns"]
    lengths = np.bincount(turns["speaker"], turns["end"] - turns["start"], len(index.meta["speakers"]))
    found = [
        SpeakerView(label, round(float(seconds), 3), round(float(seconds) / duration, 4) if duration else 0.0)
        for label, seconds in zip(index.meta["speakers"], lengths, strict=True)
    ]
    return sorted(found, key=lambda one: -one.seconds)


def _known(score: float) -> float | None:
    return None if np.isnan(score) else round(score, 4)
