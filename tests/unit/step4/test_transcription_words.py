"""When words are said: within the speech that is heard, in order, each with a time; the rules, without a model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.transcripts import Spoken, Word
from workflow_scripts.step4.transcription_words import (
    on_clock,
    to_the_end,
    whole,
    with_time,
    within_speech,
    without_echo,
)

SEGMENT = Spoken(0.0, 4.0, "ask not what", (), -0.3, 0.05, 0.9)


def mask(seconds: float, *spans: tuple[float, float]) -> np.ndarray:
    """Speech on 10 ms frames."""
    speech = np.zeros(round(seconds * 100), bool)
    for start, end in spans:
        speech[round(start * 100) : round(end * 100)] = True
    return speech


def word(start: float, end: float, text: str = " x", probability: float = 0.9) -> Word:
    return Word(start, end, text, probability)


def times(words: list[Word] | tuple[Word, ...]) -> list[tuple[float, float]]:
    return [(round(one.start, 3), round(one.end, 3)) for one in words]


def test_parts_that_are_written_without_a_space_are_one_word_as_sure_as_the_least_sure() -> None:
    parts = (word(0, 1, " l"), word(1, 2, "'homme", 0.4), word(2, 3, " dit"), word(3, 3.5, "-il,"))
    (first, second) = whole(replace(SEGMENT, words=parts), "fr").words
    assert (first.text, first.start, first.end, first.probability) == (" l'homme", 0, 2, 0.4)
    assert (second.text, second.start, second.end) == (" dit-il,", 2, 3.5)
    beginning = (word(0, 1, "Oui"), word(1, 2, " .5"))
    assert whole(replace(SEGMENT, words=beginning), "fr").words == beginning


@pytest.mark.parametrize("language", ["ja", "zh", "th"])
def test_where_no_spaces_are_written_words_stay_as_they_are(language: str) -> None:
    parts = (word(0, 1, "我"), word(1, 2, "们"))
    assert whole(replace(SEGMENT, words=parts), language).words == parts


def test_a_first_word_begins_with_the_speech_and_not_with_the_window() -> None:
    assert times([within_speech(word(0.0, 0.5), mask(2, (0.35, 1.8)))]) == [(0.3, 0.5)]


def test_a_word_after_a_pause_does_not_hold_the_pause_nor_the_end_of_the_word_before() -> None:
    assert times([within_speech(word(4.23, 5.53), mask(8, (3.97, 4.42), (5.41, 7.65)))]) == [(5.36, 5.53)]


def test_a_word_before_a_pause_ends_where_it_is_heard_to() -> None:
    assert times([within_speech(word(10.4, 11.6), mask(20, (9.0, 11.0)))]) == [(10.4, 11.05)]
    assert times(to_the_end([word(1.0, 1.3), word(2.0, 2.2)], mask(3, (0.9, 1.45), (1.9, 2.8)), 3.0)) == [
        (1.0, 1.45),
        (2.0, 2.2),  # what goes on for long is something else
    ]


def test_a_word_is_not_longer_than_the_next_one_allows() -> None:
    assert times(to_the_end([word(1.0, 1.3), word(1.4, 1.6)], mask(3, (0.9, 1.5)), 3.0)) == [(1.0, 1.3), (1.4, 1.6)]


def test_a_last_word_does_not_go_beyond_its_window() -> None:
    assert times(to_the_end([word(1.0, 1.3)], mask(3, (0.9, 1.5)), 1.4)) == [(1.0, 1.3)]


def test_where_no_speech_is_heard_a_word_stays_as_it_is() -> None:
    assert within_speech(word(1, 2), mask(5)) == word(1, 2)


def test_a_word_without_time_shares_that_of_the_one_before_by_characters() -> None:
    found = with_time([word(1.0, 2.0, " abc"), word(2.0, 2.0, " d"), word(2.0, 3.0, " e")])
    assert times(found) == [(1.0, 1.75), (1.75, 2.0), (2.0, 3.0)]


def test_a_first_word_without_time_shares_that_of_the_next() -> None:
    assert times(with_time([word(1.0, 1.0, " a"), word(1.0, 2.0, " bcd")])) == [(1.0, 1.25), (1.25, 2.0)]


def test_a_word_without_time_after_a_pause_takes_nothing_from_the_one_before_it() -> None:
    assert times(with_time([word(1.0, 2.0), word(3.0, 3.02)])) == [(1.0, 2.0), (3.0, 3.02)]


def test_what_is_left_of_a_word_where_decoding_goes_on_is_not_said_twice() -> None:
    again = replace(SEGMENT, text="time. When the", words=(word(2, 2.1, " time.", 0.1), word(2.2, 2.6, " When")))
    found = without_echo(word(1.5, 2.0, " time."), again)
    assert (found.text, found.start) == ("When", 2.2)


@pytest.mark.parametrize(
    ("before", "first"),
    [
        (word(1, 2, " very"), word(2, 2.3, " very", 0.9)),  # sure: it is said twice
        (word(1, 2, " time"), word(2, 2.3, " When", 0.1)),
        (word(1, 2, "?"), word(2, 2.3, "!", 0.1)),
        (None, word(2, 2.3, " When", 0.1)),
    ],
)
def test_what_is_sure_or_another_word_stays(before: Word | None, first: Word) -> None:
    segment = replace(SEGMENT, words=(first,))
    assert without_echo(before, segment) is segment


TIMES = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), min_size=1, max_size=12)
SPEECH = st.lists(st.tuples(st.floats(0, 40), st.floats(0, 5)), max_size=8)


@given(TIMES, SPEECH)
def test_whatever_the_alignment_says_words_are_in_order_and_within_their_window(
    spans: list[tuple[float, float]], heard: list[tuple[float, float]]
) -> None:
    words = tuple(word(min(span), max(span), f" w{place}") for place, span in enumerate(spans))
    speech = mask(60, *((start, start + length) for start, length in heard))
    (found,) = on_clock([replace(SEGMENT, words=words)], 10.0, 38.0, speech)
    assert [one.text for one in found.words] == [one.text for one in words]
    assert all(10 <= one.start <= one.end <= 38 + 1e-9 for one in found.words)
    starts = [one.start for one in found.words]
    assert starts == sorted(starts) and all(one.end <= other.start + 1e-9 for one, other in pairwise(found.words))
