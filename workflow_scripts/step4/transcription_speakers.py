"""Who says each word: the turns of STEP4 laid under the words. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from workflow_scripts.common.artifacts.transcripts import Word
from workflow_scripts.common.timeline import Turn

NEAREST_SECONDS = 0.5
"""A word outside every turn belongs to the nearest one within this: both sets of times are a little off."""


def with_speakers(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """The words, each with the speaker whose turn covers most of it, else whose turn is nearest.

    Where several speak at once and cover it alike, whoever said the word before goes on.
    """
    ordered = sorted(turns)
    starts = [turn.start for turn in ordered]
    longest = max((turn.duration for turn in ordered), default=0.0)
    found: list[Word] = []
    before: str | None = None
    for word in words:
        first = bisect_left(starts, word.start - NEAREST_SECONDS - longest)
        last = bisect_left(starts, word.end + NEAREST_SECONDS)
        before = _speaker(word, ordered[first : last + 1], before)
        found.append(replace(word, speaker=before))
    return found


def _speaker(word: Word, turns: Sequence[Turn], before: str | None) -> str | None:
    best: tuple[float, bool, float] | None = None
    speaker = None
    for turn in turns:
        common = min(word.end, turn.end) - max(word.start, turn.start)  # below 0 it is how far away the turn is
        if common < -NEAREST_SECONDS:
            continue
        worth = (round(common, 3), turn.speaker == before, -turn.start)
        if best is None or worth > best:
            best, speaker = worth, turn.speaker
    return speaker
