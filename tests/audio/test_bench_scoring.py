"""Errors of diarization and detection, by pyannote.metrics, reckoned by hand."""

from __future__ import annotations

import pytest

from benchmarks.audio.scoring import scores
from workflow_scripts.common.timeline import Segment, Turn

WHOLE = (Segment(0, 20),)


def test_errors_are_seconds_with_overlap_and_without_collar() -> None:
    truth = [Turn(0, 10, "ann"), Turn(8, 12, "bob")]
    found = [Turn(0, 9, "x"), Turn(9, 11, "y"), Turn(13, 14, "x")]
    # 0-8 ann is x. 8-9 bob missed. 9-10 y is bob, ann missed. 10-11 bob. 11-12 bob missed. 13-14 nobody speaks.
    assert scores(truth, found, WHOLE) == pytest.approx(
        {
            "spoken": 14,
            "missed": 3,
            "false_alarm": 1,
            "confused": 0,
            "speech": 12,
            "speech_missed": 1,
            "speech_false": 1,
        }
    )


def test_speakers_are_named_as_is_best_and_the_rest_is_confused() -> None:
    truth = [Turn(0, 6, "ann"), Turn(6, 10, "bob")]
    told = scores(truth, [Turn(0, 10, "x")], WHOLE)
    assert (told["spoken"], told["missed"], told["false_alarm"], told["confused"]) == (10, 0, 0, 4)


def test_only_the_parts_that_were_listened_to_count() -> None:
    told = scores([Turn(0, 4, "ann")], [Turn(2, 10, "x")], (Segment(1, 3), Segment(9, 10)))
    assert (told["spoken"], told["missed"], told["false_alarm"]) == (2, 1, 1)


def test_one_speaker_heard_twice_at_a_time_is_two_turns() -> None:
    told = scores([Turn(0, 4, "ann"), Turn(0, 4, "bob")], [Turn(0, 4, "x"), Turn(0, 4, "y")], WHOLE)
    assert (told["spoken"], told["missed"], told["confused"]) == (8, 0, 0)


def test_nothing_found_is_all_missed_and_nothing_there_is_all_false() -> None:
    assert scores([Turn(1, 3, "ann")], [], WHOLE)["missed"] == 2
    nobody = scores([], [Turn(1, 3, "x")], WHOLE)
    assert (nobody["spoken"], nobody["false_alarm"], nobody["speech_false"]) == (0, 2, 2)
