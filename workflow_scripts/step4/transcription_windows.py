"""From where speech is heard to the windows that are recognised. Pure; series are on 10 ms frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.engine import Score
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.speech import HYSTERESIS, runs, speech_frames

Span = tuple[int, int]
"""A stretch of 10 ms frames, half-open."""

SHORTEST_SPEECH_SECONDS = 0.2
"""Shorter stretches are clicks and coughs."""
PADDING_SECONDS = 0.4
"""What is heard before and after speech besides: first and last sounds are soft (faster-whisper's own figure)."""
LONGEST_PAUSE_SECONDS = 5.0
"""A longer pause between two stretches of speech is not heard at all: in it, text would be invented."""


def heard_speech(score: Score, threshold: float) -> NDArray[np.bool_]:
    """Where there is speech, bool `(frames,)`, as the detector's probabilities float32 `(frames,)` say."""
    return speech_frames(score, threshold, HYSTERESIS, SHORTEST_SPEECH_SECONDS)


def windows_of(speech: NDArray[np.bool_], score: Score, longest_seconds: float) -> list[Span]:
    """The windows to recognise: all speech, each of at most so many seconds, cut where speech is least likely.

    Neighbouring stretches share a window as long as it holds them and no long pause lies between.
    """
    longest, pause = round(longest_seconds * FRAME_RATE), round(LONGEST_PAUSE_SECONDS * FRAME_RATE)
    windows: list[Span] = []
    for start, end in _padded(speech):
        for piece_start, piece_end in _cut(start, end, score, longest):
            if windows and piece_end - windows[-1][0] <= longest and piece_start - windows[-1][1] <= pause:
                windows[-1] = (windows[-1][0], piece_end)
            else:
                windows.append((piece_start, piece_end))
    return windows


def whole_windows(frames: int, longest_seconds: float) -> list[Span]:
    """The whole sound in windows of so many seconds, the last may be shorter."""
    longest = round(longest_seconds * FRAME_RATE)
    return [(start, min(frames, start + longest)) for start in range(0, frames, longest)]


def _padded(speech: NDArray[np.bool_]) -> list[Span]:
    """Stretches of speech with some sound around them, joined where they touch."""
    padding = round(PADDING_SECONDS * FRAME_RATE)
    padded: list[Span] = []
    for start, end in runs(speech).tolist():
        start, end = max(0, start - padding), min(len(speech), end + padding)
        if padded and start <= padded[-1][1]:
            padded[-1] = (padded[-1][0], end)
        else:
            padded.append((start, end))
    return padded


def _cut(start: int, end: int, score: Score, longest: int) -> list[Span]:
    """A stretch in pieces that are not too long, each cut in its last third where speech is least likely."""
    pieces = []
    while end - start > longest:
        first = start + longest * 2 // 3
        cut = first + int(np.argmin(score[first : start + longest]))
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]
