"""Transitions, `shots.json`: how each shot begins, and the scores behind it."""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.transitions import NAME, read_transitions, write_transitions
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Transition

CLOCK = FrameClock(Fraction(25), 6)
HARD, GRADUAL = Transition("hard", 3, 2, 3, 0.9), Transition("gradual", 40, 30, 55, 0.3125)


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    """Any transition."""
    first = draw(st.integers(0, 10**6))
    last = first + draw(st.integers(0, 500))
    score = round(draw(st.floats(0, 1)), 4)
    return Transition(
        draw(st.sampled_from(["hard", "gradual"])), draw(st.integers(first + 1, last + 1)), first, last, score
    )


def test_the_file_is_one_json_object_with_a_transition_and_the_scores_of_a_kind_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / NAME
    scores = {"single": [0.0, 0.25, 1.0, 0.99996, 0.00004, 1 / 3], "half": [0.5, 0.1, 0.10004]}
    write_transitions(path, [HARD, GRADUAL], scores, CLOCK)
    assert path.read_text().splitlines() == [
        '{"fps":25,"frames":6,"transitions":[',
        '{"kind":"hard","cut":3,"first":2,"last":3,"score":0.9},',
        '{"kind":"gradual","cut":40,"first":30,"last":55,"score":0.3125}',
        '],"scores":{',
        '"single":[0,0.25,1,1,0,0.3333],',
        '"half":[0.5,0.1,0.1]',
        "}}",
    ]
    assert json.loads(path.read_text())["scores"]["single"] == [0, 0.25, 1, 1, 0, 0.3333]


@given(st.lists(transitions(), max_size=20), st.sampled_from([Fraction(25), Fraction(30000, 1001)]))
def test_transitions_read_back_are_those_that_were_written(written: list[Transition], fps: Fraction) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        write_transitions(path, written, {}, FrameClock(fps, 10))
        assert list(read_transitions(path)) == written
        assert json.loads(path.read_text())["scores"] == {}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "holds no list of transitions"),
        ({"transitions": {}}, "holds no list of transitions"),
        ({"transitions": [7]}, "holds an entry that is no transition"),
        ({"transitions": [{**vars(HARD), "kind": "wipe"}]}, "'wipe' is no kind of transition"),
        ({"transitions": [{**vars(HARD), "kind": ["hard"]}]}, "is no kind of transition"),
        ({"transitions": [{**vars(HARD), "cut": 9}]}, r"a cut \(9\) lies in its transition \[2, 3\]"),
        ({"transitions": [{**vars(HARD), "cut": "3"}]}, "holds an entry that is no transition"),
        ({"transitions": [{**vars(HARD), "first": None}]}, "holds an entry that is no transition"),
        ({"transitions": [{**vars(HARD), "more": 1}]}, "holds an entry that is no transition"),
        ({"transitions": [{"kind": "hard", "cut": 3}]}, "holds an entry that is no transition"),
    ],
)
def test_what_is_no_such_file_is_refused_with_file_and_reason(tmp_path: Path, content: object, reason: str) -> None:
    path = tmp_path / NAME
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=rf"shots\.json: .*{reason}"):
        read_transitions(path)


@pytest.mark.parametrize(
    "frames",
    [(0, 3, 4), (3, 3, 4), (6, 3, 4), (3, -1, 4), (3, 4, 2)],  # cut, first, last
)
def test_a_cut_outside_its_transition_is_none(frames: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=rf"a cut \({frames[0]}\)"):
        Transition("gradual", *frames, 0.5)
