"""Where there is speech: the voice activity detector and the segmentation network heard together.

Series here are on 10 ms frames, those of the mel spectrogram, unless they say otherwise. Measured on four real
recordings (sample of pyannote, three AMI meetings), detection error in %: detector alone 2-35, network alone 1-7,
both as below 1-7; and of the two only the detector stays silent on music and on noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.engine import HEARD_RATE, Score, Sound
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.sound import clean_sound, mean_power
from workflow_scripts.step4.voice_activity import FRAME_SECONDS, VoiceActivity

HYSTERESIS = 0.15
"""How far the detector's probability must fall before speech ends, where it is alone (silero's own figure)."""
SHORTEST_PAUSE_SECONDS = 0.1
"""Shorter silences inside speech are part of it (silero's own figure)."""
CONFIRMING_SECONDS = 2.0
"""Speech that only the network hears counts when the detector hears some within this distance."""
SPEECH_LEVEL_DB = -23.0
LARGEST_GAIN_DB = 30.0


def raising_gain(power: float) -> float:
    """Return the factor that brings a sound of this mean power up to -23 dB full scale: from 1 to 30 dB.

    The detector misses most of a quiet recording: on the AMI meetings 15-68 % more error at their own level.
    """
    gain_db = min(LARGEST_GAIN_DB, SPEECH_LEVEL_DB - 10 * float(np.log10(power + 1e-12)))
    return max(1.0, 10 ** (gain_db / 20))


def loud_probabilities(detector: VoiceActivity, sound: Sound, frames: int, rate: int = HEARD_RATE) -> Score:
    """The detector's probability of speech in a sound heard at its own level and raised, whichever is larger.

    Float32 `(frames,)`, `rate` frames a second.
    """
    sound = clean_sound(sound)
    gain = raising_gain(mean_power(sound))
    own = on_frames(detector.probabilities(sound), frames, rate)
    return own if gain == 1.0 else np.maximum(own, on_frames(detector.probabilities(sound, gain), frames, rate))


def on_frames(probabilities: Iterable[Score], frames: int, rate: int = FRAME_RATE) -> Score:
    """Lay the detector's 32 ms decisions on `frames` frames, `rate` a second: float32 `(frames,)`."""
    blocks = list(probabilities)
    if not blocks:
        return np.zeros(frames, np.float32)
    series: Score = np.concatenate(blocks)
    index = ((np.arange(frames) + 0.5) / rate / FRAME_SECONDS).astype(np.int64)
    return np.take(series, np.minimum(index, len(series) - 1))


def speech_score(detector: Score, network: Score | None, threshold: float) -> Score:
    """How surely there is speech: what the detector says, and the network where the detector confirms it.

    Args:
        detector: the detector's probability, float32 `(frames,)`.
        network: the segmentation network's, float32 `(frames,)`; None without that network.
        threshold: probability from which the detector hears speech.
    """
    if network is None:
        return detector
    near = _widened(detector >= threshold, round(CONFIRMING_SECONDS * FRAME_RATE))
    return np.where(near, np.maximum(detector, network), detector)


def speech_frames(score: Score, threshold: float, hold: float, shortest_seconds: float) -> NDArray[np.bool_]:
    """Decide per 10 ms frame whether there is speech, bool `(frames,)`.

    Args:
        score: what `speech_score` says.
        threshold: score from which a frame is speech.
        hold: how far below that the score must fall before speech ends.
        shortest_seconds: shorter stretches of speech are dropped.
    """
    speech = _held(score >= threshold, score >= threshold - hold)
    speech = fill_gaps(speech, round(SHORTEST_PAUSE_SECONDS * FRAME_RATE))
    return drop_short(speech, round(shortest_seconds * FRAME_RATE))


def runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the runs of true values, int64 `(runs, 2)`: first index, index after the last."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return np.stack([np.nonzero(edges == 1)[0], np.nonzero(edges == -1)[0]], axis=1)


def drop_short(mask: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """Return the mask without its runs of fewer than `shortest` frames."""
    kept = np.zeros_like(mask)
    for start, end in runs(mask):
        kept[start:end] = end - start >= shortest
    return kept


def fill_gaps(mask: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """Return the mask with gaps of fewer than `shortest` frames between two runs filled."""
    filled = mask.copy()
    spans = runs(mask)
    for (_, end), (start, _) in pairwise(spans):
        if start - end < shortest:
            filled[end:start] = True
    return filled


def _held(on: NDArray[np.bool_], may_stay: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep each run of `may_stay` from its first frame that is `on`."""
    held = np.zeros_like(on)
    for start, end in runs(may_stay):
        first = np.argmax(on[start:end])
        if on[start + first]:
            held[start + first : end] = True
    return held


def _widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    wide = np.zeros_like(mask)
    for start, end in runs(mask):
        wide[max(0, start - by) : end + by] = True
    return wide
