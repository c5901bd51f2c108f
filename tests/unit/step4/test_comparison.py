"""How far two analyses agree: figures reckoned by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio
from workflow_scripts.step4.comparison import (
    ERROR_LIMIT,
    FIRST_SHIFT_LIMIT,
    SPEECH_DIFFERENCE_LIMIT,
    UNNAMED,
    Agreement,
    Difference,
    compare,
)

FPS = Fraction(25)


def spoken(text: str) -> list[FrameAudio]:
    """A frame for each word: `-` is silence, `?` speech without a name, each letter a speaker."""
    frames = {"-": SILENCE, "?": FrameAudio(True)}
    return [frames.get(word) or FrameAudio(True, tuple(word)) for word in text.split()]


def agreement(first: str, second: str, fps: Fraction = FPS) -> Agreement:
    return compare(spoken(first), spoken(second), fps)


def speech(first: int, count: int, frames: int) -> list[FrameAudio]:
    """One speaker in `count` frames from index `first` on."""
    talk = FrameAudio(True, ("a",))
    return [talk if first <= index < first + count else SILENCE for index in range(frames)]


def test_the_same_analysis_agrees_with_itself_whatever_its_speakers_are_called() -> None:
    found = agreement("- a ab b -", "- y xy x -")
    assert (found.frames, found.fps, found.lengths) == (5, FPS, (5, 5))
    assert found.speech == (0.6, 0.6)
    assert (found.first, found.last) == ((0.04, 0.04), (0.12, 0.12))
    assert (found.same_speech, found.same_speakers, found.error) == (1.0, 1.0, 0.0)
    assert found.mapping == {"x": "b", "y": "a"}
    assert found.different == () and found.complaints() == ()


def test_what_is_missing_added_and_confused_counts_with_overlap() -> None:
    # Spoken by the first: a 4, b 4. Frame 1: b missing. Frame 3: a missing. Frame 4: a false alarm.
    # Frame 6: one confused. Frame 7: one confused and one missing.
    found = agreement("a ab b a - - b ab", "x x y - x - x z")
    assert found.mapping == {"x": "a", "y": "b"}
    assert found.error == pytest.approx((1 + 1 + 1 + 1 + 2) / 8)
    assert found.same_speech == 6 / 8
    assert found.same_speakers == 3 / 8
    assert found.different == (
        Difference(1, 2, "other speakers"),
        Difference(3, 4, "speech missing"),
        Difference(4, 5, "speech added"),
        Difference(6, 8, "other speakers"),
    )


def test_speakers_are_mapped_so_that_most_frames_agree_not_the_longest_first() -> None:
    # x goes with a in 3 frames and with b in 2, y only with a in 2: x is b, so that 4 frames agree and not 3.
    found = agreement("a a a b b a a", "x x x x x y y")
    assert found.mapping == {"x": "b", "y": "a"}
    assert found.error == pytest.approx(3 / 7)


def test_a_speaker_who_never_meets_one_of_the_first_is_nobody() -> None:
    found = agreement("a - -", "- x x")
    assert found.mapping == {}
    assert found.error == 3.0
    assert found.different == (Difference(0, 1, "speech missing"), Difference(1, 3, "speech added"))


def test_two_of_the_second_for_one_of_the_first_is_a_difference() -> None:
    found = agreement("a a a", "x x xy")
    assert found.error == pytest.approx(1 / 3)
    assert found.different == (Difference(2, 3, "other speakers"),)


def test_speech_without_a_name_is_one_speaker_and_a_name_without_speech_is_none() -> None:
    found = agreement("? ? -", "a a -")
    assert (found.mapping, found.error) == ({"a": UNNAMED}, 0.0)
    contradictory = [FrameAudio(False, ("a",))]
    assert compare(contradictory, [SILENCE], FPS).different == ()


def test_neighbouring_frames_that_differ_in_the_same_way_are_one_interval() -> None:
    found = agreement("a b a a b", "- - a - -")
    assert found.different == (Difference(0, 2, "speech missing"), Difference(3, 5, "speech missing"))
    assert [len(one) for one in found.different] == [2, 2]


def test_seconds_are_those_of_the_frames_own_rate() -> None:
    found = agreement("- - a a -", "- - - a a", Fraction(30000, 1001))
    assert (*found.first, *found.last) == pytest.approx([frame * 1001 / 30000 for frame in (2, 3, 3, 4)])
    assert found.first_shift == pytest.approx(1001 / 30000)


def test_silence_agrees_with_silence_and_nothing_with_nothing() -> None:
    for found in (agreement("- -", "- -"), agreement("", "")):
        assert (found.speech, found.first, found.last) == ((0, 0), (None, None), (None, None))
        assert (found.same_speech, found.same_speakers, found.error, found.first_shift) == (1, 1, 0, 0)
        assert found.complaints() == ()


def test_speech_in_only_one_of_them_is_a_divergence() -> None:
    added = agreement("- -", "- a")
    assert (added.error, added.first_shift, added.speech_difference) == (math.inf, math.inf, 50.0)
    assert added.complaints()[0] == "Only one of them has speech."
    lost = agreement("- a", "- -")
    assert (lost.error, lost.first_shift) == (1.0, math.inf)
    assert lost.complaints()[0] == "Only one of them has speech."


def test_one_that_is_longer_is_compared_as_far_as_both_go_and_is_a_divergence() -> None:
    found = agreement("a a", "a a a -")
    assert (found.frames, found.lengths, found.error, found.different) == (2, (2, 4), 0.0, ())
    assert found.complaints() == ("One has 2 frames, the other 4.",)


def criteria(first: Sequence[FrameAudio], second: Sequence[FrameAudio]) -> list[str]:
    """What the complaints are about."""
    return [complaint.split(" is ")[0] for complaint in compare(first, second, FPS).complaints()]


def test_the_first_detection_may_be_off_by_less_than_two_seconds() -> None:
    long = speech(0, 9000, 10_000)
    assert FIRST_SHIFT_LIMIT == 2.0
    assert criteria(long, speech(49, 8951, 10_000)) == []
    assert criteria(long, speech(50, 8950, 10_000)) == ["The first detection"]


def test_the_share_of_speech_may_be_off_by_less_than_five_points() -> None:
    long = speech(0, 9000, 10_000)
    assert SPEECH_DIFFERENCE_LIMIT == 5.0
    assert criteria(long, speech(0, 8501, 10_000)) == []
    assert criteria(long, speech(0, 8500, 10_000)) == ["The share of frames with speech"]


def test_the_turns_may_be_off_by_less_than_a_tenth_of_the_speech() -> None:
    first = speech(0, 1000, 1000)
    other = FrameAudio(True, ("b",))
    assert ERROR_LIMIT == 0.1
    assert criteria(first, first[:901] + [other] * 99) == []
    assert criteria(first, first[:900] + [other] * 100) == ["The diarization error of one against the other"]


def test_the_collapse_of_half_precision_is_told_with_its_figures() -> None:
    # 4374 frames; in FP32 3762 with speech from frame 12 on, in half precision 262 from frame 4061 on.
    exact, half = speech(11, 3762 - 262, 4374), speech(4060, 262, 4374)
    exact[4060:4322] = half[4060:4322]
    found = compare(exact, half, FPS)
    assert [round(100 * share, 2) for share in found.speech] == [86.01, 5.99]
    assert found.first == (0.44, 162.4)
    assert found.first_shift == pytest.approx(161.96)
    assert found.error == pytest.approx(3500 / 3762)
    assert found.different == (Difference(11, 3511, "speech missing"),)
    assert found.complaints() == (
        "The first detection is 161.96 s off (limit 2 s).",
        "The share of frames with speech is 80.0 points off (limit 5).",
        "The diarization error of one against the other is 93.0% (limit 10%).",
    )
    swapped = compare(half, exact, FPS)
    assert (swapped.error, swapped.different) == (3500 / 262, (Difference(11, 3511, "speech added"),))


def test_agreements_are_values() -> None:
    assert agreement("a -", "a -") == agreement("a -", "a -") != replace(agreement("a -", "a -"), error=0.5)
