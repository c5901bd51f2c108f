"""The words of a window on the clock of the sound, each with the time in which it is heard. Pure.

Whisper finds the times of words by aligning them to what it looked at. It leaves no pause out: the first word
reaches back to the window's beginning, and a word beside a pause holds that too; others get no time at all. Where
speech is heard is known better from the detector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.artifacts.transcripts import Spoken, Word
from workflow_scripts.common.languages import SPACELESS
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.speech import runs

SHORTEST_WORD_SECONDS = 0.04
"""A shorter word has no time of its own: times have steps of 20 ms."""
MARGIN_SECONDS = 0.05
"""How far a word may reach beyond the speech that is heard."""
TAIL_SECONDS = 0.25
"""So long may the end of a word be heard after the time at which Whisper ends it."""
ECHO_PROBABILITY = 0.5
"""A word said twice is believed from here on where decoding went on between the two."""


def on_clock(
    segments: Iterable[Spoken], begin: float, end: float, speech: NDArray[np.bool_] | None
) -> Iterator[Spoken]:
    """The segments of a window `[begin, end)` in seconds of the sound, their words in order and within the window.

    Args:
        speech: where speech is heard, bool `(frames,)` on 10 ms frames; None where nobody listened.
    """
    said = list(segments)
    words = _in_order([word for one in said for word in one.words], begin, end)
    if speech is not None:
        words = to_the_end([within_speech(word, speech) for word in words], speech, end)
    rest = iter(with_time(words))
    for one in said:
        own = tuple(next(rest) for _ in one.words)
        first = own[0].start if own else min(begin + one.start, end)
        last = max((word.end for word in own), default=min(begin + one.end, end))
        yield replace(one, start=first, end=max(first, last), words=own)


def whole(segment: Spoken, language: str) -> Spoken:
    """A segment whose words are those that its language writes between spaces: `self` and `-taught` are one.

    A word of parts is as sure as the least sure of them.
    """
    if language in SPACELESS:
        return segment
    words: list[Word] = []
    for word in segment.words:
        if words and word.text and not word.text[0].isspace():
            before = words[-1]
            sure = min(before.probability, word.probability)
            end = max(before.end, word.end)
            words[-1] = replace(before, text=before.text + word.text, end=end, probability=sure)
        else:
            words.append(word)
    return replace(segment, words=tuple(words))


def within_speech(word: Word, speech: NDArray[np.bool_]) -> Word:
    """The word without the pauses that its time holds, as it is where no speech is heard in it.

    Of several stretches of speech the longest is the word's, but a short one at its beginning is the end of the
    word before.
    """
    first, last = round(word.start * FRAME_RATE), round(word.end * FRAME_RATE)
    heard = [(int(start), int(end)) for start, end in runs(speech[first:last])]
    if len(heard) > 1 and heard[0][0] == 0 and heard[0][1] < TAIL_SECONDS * FRAME_RATE:
        del heard[0]
    if not heard:
        return word
    start, end = max(heard, key=lambda run: run[1] - run[0])
    return replace(
        word,
        start=max(word.start, (first + start) / FRAME_RATE - MARGIN_SECONDS),
        end=min(word.end, (first + end) / FRAME_RATE + MARGIN_SECONDS),
    )


def to_the_end(words: Sequence[Word], speech: NDArray[np.bool_], limit: float) -> list[Word]:
    """The words, those before a pause as long as they are heard, within a limit: Whisper ends them early."""
    found = []
    for word, following in zip_longest(words, words[1:]):
        end = round(word.end * FRAME_RATE)
        tail = speech[end : end + round(TAIL_SECONDS * FRAME_RATE) + 1]
        heard = len(tail) if tail.all() else int(np.argmin(tail))
        room = following.start if following is not None else limit
        longer = heard <= TAIL_SECONDS * FRAME_RATE and word.end + heard / FRAME_RATE <= room
        found.append(replace(word, end=word.end + heard / FRAME_RATE) if longer else word)
    return found


def with_time(words: Sequence[Word]) -> list[Word]:
    """The words, those without a time of their own sharing that of the one before, else after, by characters."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and (_timeless(word) or all(map(_timeless, groups[-1]))) and word.start <= groups[-1][-1].end:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [word for group in groups for word in _shared(group)]


def without_echo(before: Word | None, segment: Spoken) -> Spoken:
    """A segment at which decoding went on, without the last word before it heard once more.

    Decoding goes on where Whisper ends that word, which is often early: what is left of it comes again, unsure.
    """
    if before is None or not segment.words:
        return segment
    first = segment.words[0]
    if first.probability >= ECHO_PROBABILITY or not plain(first.text) or plain(first.text) != plain(before.text):
        return segment
    words = segment.words[1:]
    start = words[0].start if words else segment.start
    return replace(segment, start=start, text="".join(word.text for word in words).strip(), words=words)


def plain(text: str) -> str:
    """A text by its letters and figures alone."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _in_order(words: Iterable[Word], begin: float, end: float) -> list[Word]:
    """The words of a window on the clock, each beginning where or after the one before ends."""
    found: list[Word] = []
    for word in words:
        start = min(max(begin + word.start, found[-1].start if found else begin), end)
        if found and found[-1].end > start:
            found[-1] = replace(found[-1], end=start)
        found.append(replace(word, start=start, end=min(max(begin + word.end, start), end)))
    return found


def _timeless(word: Word) -> bool:
    return word.end - word.start < SHORTEST_WORD_SECONDS - 1e-6


def _shared(group: Sequence[Word]) -> Iterator[Word]:
    """The words of a group on its time, a share for each character."""
    if len(group) == 1:
        yield from group
        return
    start, end = group[0].start, max(word.end for word in group)
    sizes = [max(1, len(word.text.strip())) for word in group]
    bounds = np.concatenate([[0], np.cumsum(sizes)]) / sum(sizes) * (end - start) + start
    for word, first, last in zip(group, bounds[:-1], bounds[1:], strict=True):
        yield replace(word, start=float(first), end=float(last))
