"""Which windows are recognised, what is believed, and who says what: the rules, without a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.transcripts import Spoken, Word
from workflow_scripts.common.timeline import Turn
from workflow_scripts.step4.transcription_engine import compute_type_for
from workflow_scripts.step4.transcription_guards import (
    AGAIN,
    NO_SPEECH,
    REPEATS,
    TOO_FAST,
    UNSURE,
    Guard,
    heard_share,
)
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_speakers import with_speakers
from workflow_scripts.step4.transcription_windows import heard_speech, whole_windows, windows_of

GOOD = Spoken(1.0, 3.0, "Bonsoir à tous.", (), -0.3, 0.05, 0.9)
HOW = Recognition()


def mask(seconds: float, *spans: tuple[float, float]) -> np.ndarray:
    """Speech on 10 ms frames."""
    speech = np.zeros(round(seconds * 100), bool)
    for start, end in spans:
        speech[round(start * 100) : round(end * 100)] = True
    return speech


def windows(speech: np.ndarray) -> list[tuple[float, float]]:
    """The windows of speech, in seconds."""
    return [(start / 100, end / 100) for start, end in windows_of(speech, speech.astype(np.float32), 30.0)]


# ------------------------------------------------------------------------------------------------ windows
def test_neighbouring_speech_shares_a_window_and_long_silence_is_in_none() -> None:
    assert windows(mask(100, (10, 12), (14, 20), (60, 61))) == [(9.6, 20.4), (59.6, 61.4)]


def test_a_window_is_never_longer_than_the_model_hears() -> None:
    assert windows(mask(100, (0, 16), (17, 35))) == [(0.0, 16.4), (16.6, 35.4)]


def test_long_speech_is_cut_where_it_is_least_likely() -> None:
    speech = mask(70, (0, 70))
    score = np.full(7000, 0.9, np.float32)
    score[2600] = score[5000] = 0.2
    assert windows_of(speech, score, 30.0) == [(0, 2600), (2600, 5000), (5000, 7000)]


@given(st.lists(st.tuples(st.integers(1, 700), st.integers(20, 9000)), max_size=12))
def test_all_speech_is_in_exactly_one_window(gaps: list[tuple[int, int]]) -> None:
    edges = np.cumsum([length for pair in gaps for length in pair])
    speech = np.zeros(int(edges[-1]) + 50 if gaps else 50, bool)
    for start, end in edges.reshape(-1, 2).tolist() if gaps else ():
        speech[start:end] = True
    found = windows_of(speech, speech.astype(np.float32), 30.0)
    covered = np.zeros(len(speech), int)
    for start, end in found:
        assert 0 < end - start <= 3000
        covered[start:end] += 1
    assert (covered <= 1).all() and (covered[speech] == 1).all()


def test_without_a_detector_everything_is_recognised() -> None:
    assert whole_windows(7000, 30.0) == [(0, 3000), (3000, 6000), (6000, 7000)]


def test_clicks_are_no_speech() -> None:
    score = np.zeros(1000, np.float32)
    score[100:110] = 0.9
    score[500:600] = 0.9
    assert np.flatnonzero(heard_speech(score, 0.5)).tolist() == list(range(500, 600))


# ------------------------------------------------------------------------------------------------- guards
def test_what_is_said_where_speech_is_heard_is_believed() -> None:
    assert Guard(HOW, mask(10, (1, 3))).believed([GOOD]) == [GOOD]
    assert Guard(HOW, None).believed([GOOD]) == [GOOD]


@pytest.mark.parametrize(
    ("segment", "reason"),
    [
        (replace(GOOD, start=6.0, end=8.0), NO_SPEECH),
        (replace(GOOD, text=" … "), NO_SPEECH),
        (replace(GOOD, no_speech=0.9, log_probability=-1.4), UNSURE),
        (replace(GOOD, text="merci " * 40, end=30.0, compression=12.0), REPEATS),
        (replace(GOOD, text="merci de votre écoute. " * 8, end=30.0, compression=5.0), REPEATS),
        (replace(GOOD, text="Sous-titres réalisés par la communauté", end=1.2), TOO_FAST),
    ],
)
def test_what_cannot_be_is_dropped_and_counted(segment: Spoken, reason: str) -> None:
    guard = Guard(HOW, mask(40, (1, 3)))
    assert guard.believed([segment, GOOD]) == [GOOD]
    assert dict(guard.dropped) == {reason: 1}


def test_unsure_text_stays_where_speech_is_certain_and_the_other_way_round() -> None:
    unsure, silent = replace(GOOD, log_probability=-1.4), replace(GOOD, no_speech=0.9)
    assert Guard(HOW, mask(10, (1, 3))).believed([unsure, silent]) == [unsure, silent]


def test_a_sentence_may_be_said_again_but_not_for_ever() -> None:
    guard = Guard(HOW, mask(100, (0, 100)))
    again = [replace(GOOD, start=n * 3.0, end=n * 3.0 + 2, text="Merci !" if n % 2 else "merci") for n in range(8)]
    assert guard.believed(again[:5]) == again[:3]
    assert guard.believed(again[5:]) == []  # it goes on in the next window
    assert guard.dropped == {AGAIN: 5}
    other = replace(GOOD, text="Et puis voilà.")
    assert guard.believed([other, again[0]]) == [other, again[0]]


def test_a_refrain_is_no_loop_and_does_not_take_its_window_with_it() -> None:
    line = "Ask not what your country can do for you, ask what you can do for your country."
    refrain = replace(GOOD, text=" ".join([line] * 3), end=20.0, compression=3.5)
    assert Guard(HOW, mask(40, (1, 30))).believed([refrain]) == [refrain]
    window = [
        replace(GOOD, start=2.0 * n, end=2.0 * n + 1.9, text=f"{n % 2} et voilà", compression=4) for n in range(10)
    ]
    guard = Guard(HOW, mask(40, (0, 30)))
    assert guard.believed([*window, replace(GOOD, start=21, end=23, compression=4)])[-1].text == GOOD.text
    assert dict(guard.dropped) == {REPEATS: 4}  # each of the two sentences three times


def test_times_may_be_a_little_off_the_speech() -> None:
    speech = mask(10, (1, 3))
    assert heard_share(speech, 3.2, 3.6) > 0.2
    assert heard_share(speech, 4.0, 5.0) == 0


# ----------------------------------------------------------------------------------------------- speakers
def words(*times: tuple[float, float]) -> list[Word]:
    """Words at times."""
    return [Word(start, end, " x", 0.9) for start, end in times]


def speakers(found: list[Word], *turns: Turn) -> list[str | None]:
    """Who says each."""
    return [word.speaker for word in with_speakers(found, turns)]


def test_a_word_belongs_to_the_turn_that_covers_most_of_it() -> None:
    a, b = Turn(0, 2, "A"), Turn(2, 4, "B")
    assert speakers(words((0.5, 1), (1.8, 2.1), (1.9, 2.4), (3, 3.5)), b, a) == ["A", "A", "B", "B"]


def test_a_word_beside_a_turn_belongs_to_the_nearest_and_one_far_away_to_nobody() -> None:
    a, b = Turn(0, 2, "A"), Turn(2.8, 4, "B")
    assert speakers(words((2.1, 2.3), (2.5, 2.7), (9, 9.4)), a, b) == ["A", "B", None]
    assert speakers(words((0, 1))) == [None]


def test_where_two_speak_at_once_whoever_spoke_before_goes_on() -> None:
    a, b = Turn(0, 5, "A"), Turn(2, 8, "B")
    assert speakers(words((1, 1.5), (3, 3.4), (6, 6.4), (4, 4.4)), a, b) == ["A", "A", "B", "B"]


def test_a_long_turn_that_began_long_ago_is_found() -> None:
    turns = [Turn(0, 300, "A"), *(Turn(n, n + 0.2, "B") for n in range(10, 200))]
    assert speakers(words((250, 251)), *turns) == ["A"]


def test_words_of_no_length_have_a_speaker() -> None:
    assert speakers(words((1, 1)), Turn(0, 2, "A")) == ["A"]


# ------------------------------------------------------------------------------------------------ precision
@pytest.mark.parametrize(
    ("asked", "supported", "device", "used"),
    [
        ("auto", ("float16", "float32", "int8"), "cuda", "float16"),
        ("auto", ("float32", "int8"), "cuda", "float32"),  # an old GPU that only imitates half precision
        ("auto", ("float32", "int8"), "cpu", "int8"),
        ("auto", ("float32",), "cpu", "float32"),
        ("float16", ("float32", "int8"), "cpu", "float32"),
        ("int8", ("float32", "int8"), "cuda", "int8"),
    ],
)
def test_half_precision_is_computed_only_where_the_device_has_it(
    asked: str, supported: tuple[str, ...], device: str, used: str
) -> None:
    assert compute_type_for(asked, supported, device) == used
