"""Two results of a step: what differs, where, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from services.viewing.compare import Comparison, compare_faces, compare_shots, compare_sound
from services.viewing.index import Index
from workflow_scripts.common.timeline import Turn

RATE = Fraction(25)


def ranges(found: Comparison) -> list[tuple[int, int, str]]:
    """The differences as plain values."""
    return [(one.start, one.end, one.kind) for one in found.differences]


def figures(found: Comparison) -> dict[str, tuple[float, float]]:
    """The figures, now and then."""
    return {one.name: (one.now, one.then) for one in found.figures}


Both = Callable[[str, Callable[[], None], Callable[[], None]], tuple[Index, Index]]


@pytest.fixture
def both(get: Any) -> Both:
    """`both("shots", write_now, write_then)`: the indexes of two results."""

    def made(kind: str, now: Callable[[], None], then: Callable[[], None]) -> tuple[Index, Index]:
        then()
        before = get(kind)
        now()
        return get(kind), before

    return made


def test_cuts_are_in_both_in_one_or_moved(write: Any, both: Both) -> None:
    now, then = both("shots", lambda: write.shots(10, 21, 45), lambda: write.shots(10, 20, 30))
    found = compare_shots(now, then)
    assert ranges(found) == [(20, 22, "moved"), (30, 31, "only_then"), (45, 46, "only_now")]
    assert figures(found) == {"frames": (50, 50), "shots": (4, 4)}
    assert found.agreement == pytest.approx(1 / 3) and found.differing_seconds is None


def test_the_nearest_cuts_belong_together(write: Any, both: Both) -> None:
    now, then = both("shots", lambda: write.shots(22), lambda: write.shots(20, 23))
    assert ranges(compare_shots(now, then)) == [(20, 21, "only_then"), (22, 24, "moved")]


def test_results_that_are_the_same_agree_wholly(write: Any, both: Both, face: Any) -> None:
    def shots() -> None:
        write.shots(20)

    def sound() -> None:
        write.sound(Turn(0.2, 0.6, "SPEAKER_00"))

    def faces() -> None:
        write.faces([[face("obj_1"), face("obj_2", 50)]])

    alike = (
        compare_shots(*both("shots", shots, shots)),
        compare_sound(*both("sound", sound, sound), RATE),
        compare_faces(*both("faces", faces, faces), RATE),
    )
    assert [(one.agreement, one.differences) for one in alike] == [(1.0, ())] * 3


def test_speakers_are_compared_whatever_they_are_called(write: Any, both: Both) -> None:
    ours = (Turn(0.0, 0.4, "SPEAKER_01"), Turn(0.4, 0.8, "SPEAKER_00"), Turn(1.2, 1.4, "SPEAKER_00"))
    theirs = (Turn(0.0, 0.4, "SPEAKER_00"), Turn(0.4, 0.6, "SPEAKER_01"), Turn(0.6, 1.0, "SPEAKER_00"))
    now, then = both("sound", lambda: write.sound(*ours), lambda: write.sound(*theirs))
    found = compare_sound(now, then, RATE)
    assert ranges(found) == [(15, 20, "speakers"), (20, 25, "only_then"), (30, 35, "only_now")]
    assert found.agreement == pytest.approx(35 / 50) and found.differing_seconds == pytest.approx(0.6)
    assert figures(found)["speech_seconds"] == (1.0, 1.0)


def test_faces_differ_in_number_in_place_or_in_who_speaks(write: Any, both: Both, face: Any) -> None:
    then = [[face("obj_1"), face("obj_2", 60)] for _ in range(20)]
    now = [[face("other", speaks="SPEAKER_00" if 5 <= frame < 8 else ""), face("obj", 61)] for frame in range(20)]
    now[10] = [face("other")]
    now[12] = [face("other"), face("obj", 75)]
    found = compare_faces(*both("faces", lambda: write.faces(now), lambda: write.faces(then)), RATE)
    assert ranges(found) == [(5, 8, "speaking"), (10, 11, "count"), (12, 13, "place")]
    assert found.agreement == pytest.approx(45 / 50)
    assert figures(found)["faces"] == (39, 40) and figures(found)["speaking_faces"] == (3, 0)


def test_faces_above_each_other_are_the_same_in_whatever_order_they_come(write: Any, both: Both, face: Any) -> None:
    then = [[face("a", 10, 0), face("b", 11, 100, speaks="SPEAKER_00")]]
    now = [[face("b", 9, 100, speaks="SPEAKER_00"), face("a", 10, 0)]]
    found = compare_faces(*both("faces", lambda: write.faces(now), lambda: write.faces(then)), RATE)
    assert ranges(found) == []


def test_a_frame_in_which_faces_are_elsewhere_and_another_speaks_is_one_difference(
    write: Any, both: Both, face: Any
) -> None:
    then = [[face("a", 10, speaks="SPEAKER_00")]]
    found = compare_faces(*both("faces", lambda: write.faces([[face("a", 90)]]), lambda: write.faces(then)), RATE)
    assert ranges(found) == [(0, 1, "place")]
