"""What is not believed: text that a recogniser says where there is no speech, or says again and again. Pure.

Whisper was trained on subtitles, and over silence, noise and music says what often stands there ("Thank you for
watching"). Thresholds are those of its authors (Radford et al. 2022, section 4.5).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.artifacts.transcripts import Spoken
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_words import plain

NO_SPEECH = "no speech is heard there"
UNSURE = "unsure, and probably no speech"
REPEATS = "it repeats itself"
AGAIN = "the same again and again"
TOO_FAST = "faster than anybody speaks"

MARGIN_SECONDS = 0.5
"""How far the times of words may be off the speech that is heard."""
LEAST_HEARD = 0.2
"""The share of a segment in which speech must be heard."""
FASTEST_SPEECH = 40.0
"""Characters a second; auctioneers come to 35."""
SHORTEST_SECONDS = 0.3
"""Segments are taken to be at least so long when their speed is judged: times have steps of 20 ms."""
MOST_IN_A_ROW = 3
"""The same sentence may be said so often in a row, or in one window that repeats itself."""
SHORTEST_REFRAIN = 4
"""Words; of less than this a loop is made, not a refrain."""
ALIKE = 0.8
"""The share of words that must be the same in what is repeated."""


@dataclass
class Guard:
    """Judges what is recognised, in order; `dropped` counts what it did not believe, by reason.

    Args:
        how: the thresholds.
        speech: where speech is heard, bool `(frames,)` on 10 ms frames; None where nobody listened.
    """

    how: Recognition
    speech: NDArray[np.bool_] | None
    dropped: Counter[str] = dataclass_field(default_factory=Counter)
    _last: str = ""
    _times: int = 0

    def believed(self, segments: Iterable[Spoken]) -> Sequence[Spoken]:
        """Those of the following segments that are believed."""
        kept = []
        said: Counter[str] = Counter()
        for segment in segments:
            said[plain(segment.text)] += 1
            reason = self._doubt(segment, said[plain(segment.text)])
            if reason is None:
                kept.append(segment)
            else:
                self.dropped[reason] += 1
        return kept

    def _doubt(self, one: Spoken, times: int) -> str | None:
        """Why a segment is not believed that comes so many times in its window; None where it is."""
        if not plain(one.text):
            return NO_SPEECH
        if one.no_speech > self.how.no_speech and one.log_probability < self.how.log_probability:
            return UNSURE
        if one.compression > self.how.compression and (times > MOST_IN_A_ROW or self._is_loop(one.text)):
            return REPEATS
        if len(one.text) / max(SHORTEST_SECONDS, one.end - one.start) > FASTEST_SPEECH:
            return TOO_FAST
        if self.speech is not None and heard_share(self.speech, one.start, one.end) < LEAST_HEARD:
            return NO_SPEECH
        return AGAIN if self._is_again(plain(one.text)) else None

    def _is_loop(self, text: str) -> bool:
        """Whether a text repeats itself as no refrain does: of a window that does, each segment is judged."""
        if compression(text) <= self.how.compression:
            return False
        words = [word for part in text.split() if (word := plain(part))]
        unit = period(words)
        return unit < SHORTEST_REFRAIN or len(words) / unit > MOST_IN_A_ROW + 0.5

    def _is_again(self, text: str) -> bool:
        self._times = self._times + 1 if text == self._last else 1
        self._last = text
        return self._times > MOST_IN_A_ROW


def compression(text: str) -> float:
    """How much a text shrinks when packed, as Whisper reckons it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def period(words: Sequence[str]) -> int:
    """After how many words a text begins anew; 0 where it does not."""
    for length in range(1, len(words) // 2 + 1):
        same = sum(one == other for one, other in zip(words, words[length:], strict=False))
        if same >= ALIKE * (len(words) - length):
            return length
    return 0


def heard_share(speech: NDArray[np.bool_], start: float, end: float) -> float:
    """The share of `[start, end)` seconds in which speech is heard, or was or will be within the margin."""
    length = max(1, round((end - start) * FRAME_RATE))
    margin = round(MARGIN_SECONDS * FRAME_RATE)
    first = round(start * FRAME_RATE)
    heard = int(speech[max(0, first - margin) : first + length + margin].sum())
    return min(1.0, heard / length)
