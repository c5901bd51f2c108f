"""Turns with scores, `turns.json`, and what each speaker has in a video."""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.turns import (
    NAME,
    SpeakerStatistics,
    read_turns,
    speaker_statistics,
    write_turns,
)
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Turn

CLOCK = FrameClock(Fraction(25), 500)
A, B, C = "SPEAKER_00", "SPEAKER_01", "SPEAKER_02"
TALK = [Turn(0, 4, A, 0.75), Turn(3, 6, B), Turn(5, 9, A, 0.5), Turn(5.5, 7, C, 1.0), Turn(12, 12.5, B, 0.25)]


def test_what_each_speaker_has_is_what_one_counts_by_hand() -> None:
    # A talks in 0-4 and 5-9, with B in 3-4 and 5-6, with C in 5.5-7: not alone in 3-4 and 5-7.
    assert speaker_statistics(TALK, 20) == {
        A: SpeakerStatistics(seconds=8, turns=2, longest=4, overlap=3, share=0.4),
        B: SpeakerStatistics(seconds=3.5, turns=2, longest=3, overlap=2, share=0.175),
        C: SpeakerStatistics(seconds=1.5, turns=1, longest=1.5, overlap=1.5, share=0.075),
    }
    assert [one.alone for one in speaker_statistics(TALK, 20).values()] == [5, 1.5, 0]


def test_turns_that_touch_do_not_overlap() -> None:
    found = speaker_statistics([Turn(0, 1, A), Turn(1, 2, B)], 2)
    assert [one.overlap for one in found.values()] == [0, 0]


def test_a_video_without_speech_has_no_speakers() -> None:
    assert speaker_statistics([], 20) == {}


def test_the_file_is_one_json_object_with_a_speaker_and_a_turn_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write_turns(path, [TALK[1], TALK[0]], [0.0, 1.0, 1 / 3], "embedded", CLOCK)
    assert path.read_text().splitlines() == [
        '{"fps":25,"frames":500,"engine":"embedded","speakers":{',
        '"SPEAKER_00":{"seconds":4,"turns":1,"share":0.2,"alone_seconds":3.0,"longest_seconds":4},',
        '"SPEAKER_01":{"seconds":3,"turns":1,"share":0.15,"alone_seconds":2.0,"longest_seconds":3}',
        '},"turns":[',
        '{"start":0,"end":4,"speaker":"SPEAKER_00","score":0.75},',
        '{"start":3,"end":6,"speaker":"SPEAKER_01","score":null}',
        '],"heard_rate":10,"heard":[0.0,1.0,0.3333]}',
    ]
    assert json.loads(path.read_text())["speakers"][A]["alone_seconds"] == 3


moments = st.integers(0, 10**5).map(lambda n: n / 100)
turns = st.builds(
    lambda start, length, speaker, score: Turn(start, round(start + length, 2), speaker, score),
    moments,
    moments.map(lambda n: n + 0.01),
    st.sampled_from([A, B, C]),
    st.none() | st.floats(0, 1).map(lambda n: round(n, 4)),
)


@given(st.lists(turns, max_size=12))
def test_turns_read_back_are_those_that_were_written(written: list[Turn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        write_turns(path, written, [], "any", CLOCK)
        found = read_turns(path)
        assert list(found) == sorted(written)
        assert [turn.score for turn in found] == [turn.score for turn in sorted(written)]
        assert json.loads(path.read_text())["heard"] == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "holds no list of turns"),
        ({"turns": {}}, "holds no list of turns"),
        ({"turns": [7]}, "holds an entry that is no turn"),
        ({"turns": [{"start": 2, "end": 1, "speaker": A}]}, "needs 0 <= start < end"),
        ({"turns": [{"start": 0, "end": 1}]}, "holds an entry that is no turn"),
        ({"turns": [{"start": "0", "end": 1, "speaker": A}]}, "holds an entry that is no turn"),
        ({"turns": [{"start": 0, "end": 1, "speaker": 3}]}, "3 is no speaker"),
        ({"turns": [{"start": 0, "end": 1, "speaker": A, "score": 2}]}, "2 is no score"),
        ({"turns": [{"start": 0, "end": 1, "speaker": A, "score": "much"}]}, "holds an entry that is no turn"),
    ],
)
def test_what_is_no_such_file_is_refused_with_file_and_reason(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / NAME
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=rf"turns\.json: .*{reason}"):
        read_turns(path)
