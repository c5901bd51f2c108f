"""Subtitles from words: lines that can be read in the time they are shown.

Figures are those of the usual guides for subtitles (Netflix, BBC): two lines of 42 characters, 17 characters a
second, from a second to seven, two frames between one and the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

#: A pause between two words from which on a new subtitle begins, in seconds.
LONGEST_PAUSE = 1.0
#: What follows a sentence's end is better a new subtitle once this many characters are there.
_SENTENCE_FROM = 12
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
_CLAUSE_ENDS = (",", ";", ":", "–", "—", "，", "、", "；")


class TimedWord(Protocol):
    """A word with its time in seconds and, before its text, the space that its language writes there."""

    @property
    def start(self) -> float:
        """When it begins."""

    @property
    def end(self) -> float:
        """When it ends."""

    @property
    def text(self) -> str:
        """The word with what stands before and after it."""

    @property
    def speaker(self) -> str | None:
        """Who says it, where that is known."""


@dataclass(frozen=True)
class Layout:
    """What a subtitle may be.

    Args:
        line: characters of a line.
        lines: how many lines.
        speed: characters a second that people can read.
        shortest, longest: seconds that it is shown; pauses may make it shorter where the next one follows.
        gap: seconds between one and the next.
        rate: frames a second of the picture, on whose frames subtitles begin and end; None where there is none.
    """

    line: int = 42
    lines: int = 2
    speed: float = 17.0
    shortest: float = 1.0
    longest: float = 7.0
    gap: float = 0.08
    rate: float | None = None


@dataclass(frozen=True)
class Cue:
    """One subtitle, half-open `[start, end)` in seconds: its lines, and who speaks where that is known."""

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None

    @property
    def characters(self) -> int:
        """How much there is to read."""
        return sum(map(len, self.lines))

    @property
    def speed(self) -> float:
        """Characters a second."""
        return self.characters / (self.end - self.start)


@dataclass(frozen=True)
class _Piece:
    """A word, or a part of one that no line can hold."""

    start: float
    end: float
    text: str
    speaker: str | None


def cues_of(words: Sequence[TimedWord], layout: Layout, duration: float) -> tuple[Cue, ...]:
    """The subtitles of words in order: no line is too long, none overlaps another, all words are there.

    Shown as long as it takes to read, as far as the next one allows, and not beyond `duration` unless words are.
    """
    pieces = [piece for word in words for piece in _pieces(word, layout.line)]
    cues = []
    for run in _runs(pieces):
        rest = list(run)
        while rest:
            count = _best_break(rest, layout)
            part, rest = rest[:count], rest[count:]
            lines = _lines([piece.text for piece in part], layout)
            assert lines is not None, "what is chosen fits"
            cues.append(Cue(part[0].start, max(piece.end for piece in part), lines, part[0].speaker))
    return _timed(cues, layout, duration)


def _pieces(word: TimedWord, line: int) -> Iterator[_Piece]:
    """A word, cut where it is longer than a line; its time is shared by characters."""
    text = " ".join(word.text.split())
    if not text:
        return
    space = " " if word.text[:1].isspace() else ""
    if len(text) <= line:
        yield _Piece(word.start, word.end, space + text, word.speaker)
        return
    each = (word.end - word.start) / len(text)
    for first in range(0, len(text), line):
        part = text[first : first + line]
        start = word.start + first * each
        yield _Piece(start, start + len(part) * each, (space if first == 0 else "") + part, word.speaker)


def _runs(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """What may share a subtitle: one speaker's words without a long pause."""
    run: list[_Piece] = []
    for piece in pieces:
        if run and (piece.speaker != run[-1].speaker or piece.start - run[-1].end > LONGEST_PAUSE):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _best_break(pieces: Sequence[_Piece], layout: Layout) -> int:
    """How many of the first pieces make the best subtitle: at least one, and no more than fit."""
    best, best_worth = 1, -math.inf
    for count in range(1, len(pieces) + 1):
        part = pieces[:count]
        texts = [piece.text for piece in part]
        if count > 1 and (part[-1].end - part[0].start > layout.longest or _lines(texts, layout) is None):
            break
        worth = _worth(part, pieces[count] if count < len(pieces) else None, layout)
        if worth >= best_worth:
            best, best_worth = count, worth
    return best


def _worth(part: Sequence[_Piece], following: _Piece | None, layout: Layout) -> float:
    """How good it is to break after these: fuller is better, after a sentence, a clause or a pause best."""
    length = sum(len(piece.text) for piece in part)
    if following is None:
        return 1000.0  # all that is left fits
    last = part[-1].text.rstrip("\"'»”)")
    fullness = length / (layout.line * layout.lines)
    sentence = 1.0 if last.endswith(_SENTENCE_ENDS) and length >= _SENTENCE_FROM else 0.0
    clause = 0.4 if last.endswith(_CLAUSE_ENDS) else 0.0
    pause = min(0.5, max(0.0, following.start - part[-1].end))
    return fullness + sentence + clause + pause


def _lines(texts: Sequence[str], layout: Layout) -> tuple[str, ...] | None:
    """The words on as few lines as hold them, as even as can be; None where they do not fit."""
    whole = "".join(texts).strip()
    if len(whole) <= layout.line:
        return (whole,)
    if layout.lines < 2:
        return None
    found = None
    for cut in range(1, len(texts)):
        upper, lower = "".join(texts[:cut]).strip(), "".join(texts[cut:]).strip()
        if max(len(upper), len(lower)) > layout.line:
            continue
        uneven = abs(len(upper) - len(lower)) - (8 if upper.endswith(_CLAUSE_ENDS + _SENTENCE_ENDS) else 0)
        if found is None or uneven < found[0]:
            found = (uneven, (upper, lower))
    return found[1] if found else None


def _timed(cues: Sequence[Cue], layout: Layout, duration: float) -> tuple[Cue, ...]:
    """The cues one after the other, each shown long enough to be read where the next one leaves the time."""
    timed: list[Cue] = []
    before = 0.0
    for number, cue in enumerate(cues):
        start = max(_on_frame(cue.start, layout, math.floor), before)
        following = cues[number + 1].start if number + 1 < len(cues) else math.inf
        wanted = max(cue.end, start + layout.shortest, start + cue.characters / layout.speed)
        wanted = min(wanted, max(cue.end, start + layout.longest))
        room = min(following - layout.gap, max(duration, cue.end))
        least = start + 1 / (layout.rate or 25)
        end = _on_frame(max(min(wanted, room), least), layout, math.ceil)
        timed.append(replace(cue, start=start, end=end))
        before = end
    return tuple(timed)


def _on_frame(seconds: float, layout: Layout, to: Callable[[float], int]) -> float:
    """A time on a frame of the picture, else on a millisecond: the one before or after, as `to` rounds."""
    rate = layout.rate or 1000.0
    return to(round(seconds * rate, 6)) / rate


def too_fast(cues: Sequence[Cue], speed: float) -> int:
    """How many subtitles cannot be read in their time, because the next one follows."""
    return sum(cue.speed > 1.05 * speed for cue in cues)


def overlaps(cues: Sequence[Cue]) -> int:
    """How many subtitles begin before the one before has ended; none is the promise."""
    return sum(one.end > other.start + 1e-9 for one, other in pairwise(cues))
