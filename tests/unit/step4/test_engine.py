"""What every engine's answer has in common."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step4.engine import SpeakerCount, clean_waveform, diarization

seconds = st.integers(0, 200).map(lambda n: n / 10)
raw_turns = st.lists(st.tuples(seconds, seconds, st.sampled_from("abc")), max_size=12)


def test_speakers_are_numbered_in_order_of_first_appearance() -> None:
    found = diarization([(5, 6, "b"), (1, 2, "z"), (3, 4, "a"), (4.5, 5, "z")], 10)
    assert [(t.start, t.speaker) for t in found.turns] == [
        (1, "SPEAKER_00"),
        (3, "SPEAKER_01"),
        (4.5, "SPEAKER_00"),
        (5, "SPEAKER_02"),
    ]
    assert found.speakers == ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")


def test_turns_of_one_speaker_that_touch_become_one_and_those_of_two_may_overlap() -> None:
    found = diarization([(0, 1, "a"), (1, 2, "a"), (1.5, 3, "b")], 10)
    assert [(t.start, t.end, t.speaker) for t in found.turns] == [(0, 2, "SPEAKER_00"), (1.5, 3, "SPEAKER_01")]
    assert [(s.start, s.end) for s in found.speech] == [(0, 3)]


@given(raw_turns, st.sampled_from([0.0, 7.3, 20.0]))
def test_speech_is_exactly_where_somebody_speaks_and_never_beyond_the_sound(
    raw: list[tuple[float, float, str]], duration: float
) -> None:
    found = diarization(raw, duration)
    for moment in np.arange(0.05, 20, 0.1):
        labelled = any(t.start <= moment < t.end for t in found.turns)
        heard = any(s.start <= moment < s.end for s in found.speech)
        assert labelled == heard == any(a <= moment < b and moment < duration for a, b, _ in raw)
    starts = [next(t.start for t in found.turns if t.speaker == name) for name in found.speakers]
    assert starts == sorted(starts)


@pytest.mark.parametrize("numbers", [(0, None, None), (2, 1, None), (2, None, 3), (None, 3, 2), (None, None, 0)])
def test_numbers_of_speakers_that_contradict_each_other_are_refused(numbers: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="speakers"):
        SpeakerCount(*numbers)


def test_samples_that_are_no_numbers_become_silence_and_loud_ones_full_scale() -> None:
    sound = clean_waveform(np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -2.0], np.float32))
    assert sound.tolist() == [0.5, 0, 0, 0, 1, -1]


def test_a_stereo_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="one axis"):
        clean_waveform(np.zeros((2, 10), np.float32))


def test_a_turn_has_the_mean_of_the_score_over_it_and_every_tenth_its_own() -> None:
    score = np.concatenate([np.full(100, 0.5), np.full(50, 1.0), np.zeros(58)]).astype(np.float32)
    found = diarization([(0.5, 1.5, "a"), (1.5, 2, "b")], 2.07, score)
    assert [turn.score for turn in found.turns] == [0.75, 0.0]
    assert found.heard.dtype == np.float32
    assert found.heard.tolist() == [0.5] * 10 + [1.0] * 5 + [0.0] * 6


def test_where_nobody_says_how_sure_it_is_there_is_no_score() -> None:
    found = diarization([(0, 1, "a")], 2)
    assert found.turns[0].score is None and len(found.heard) == 0


@given(st.integers(1, 5000))
def test_there_is_a_value_for_every_tenth_that_has_begun(samples: int) -> None:
    score = np.full(1 + samples // 160, 0.25, np.float32)
    assert diarization([], samples / 16000, score).heard.tolist() == [0.25] * -(-samples // 1600)
