"""From the network's scores to transitions, and from those to shots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.timeline import Transition
from workflow_scripts.step3.transitions import (
    USUAL_THRESHOLDS,
    Scores,
    Thresholds,
    drop_short_shots,
    find_transitions,
    needs_half_rate,
    shots_between,
)

PROBABILITIES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.9, 1.0]), min_size=1, max_size=60)


def scores(
    single: Sequence[float],
    many: Sequence[float] | None = None,
    half: Sequence[float] | None = None,
    slow: dict[int, float] | None = None,
) -> Scores:
    """Scores as they are found: of `slow` only some."""
    made = Scores.empty(len(single))
    made.single[:] = single
    made.many[:] = 0 if many is None else many
    made.half[:] = 0 if half is None else half
    for index, value in (slow or {}).items():
        made.slow[index] = value
    return made


def found(made: Scores, thresholds: Thresholds = USUAL_THRESHOLDS) -> list[tuple[str, int, int, int]]:
    """Kind, cut, first and last frame of the transitions."""
    return [(one.kind, one.cut, one.first, one.last) for one in find_transitions(made, thresholds)]


def cuts(made: Scores, thresholds: Thresholds = USUAL_THRESHOLDS) -> list[int]:
    """Where new shots begin."""
    return [cut for _, cut, *_ in found(made, thresholds)]


def hard(cut: int) -> tuple[str, int, int, int]:
    """A hard cut: its frames are the two around it."""
    return ("hard", cut, cut - 1, cut)


def spread(length: int, *runs: tuple[int, int, float]) -> list[float]:
    """Zeros but for runs `[start, end)` of a value."""
    values = [0.0] * length
    for start, end, value in runs:
        values[start:end] = [value] * (end - start)
    return values


def test_a_low_score_that_stands_alone_is_no_cut_where_the_picture_does_not_change_abruptly() -> None:
    single = [0, 0, 0.4, 0, 0, 0]
    assert found(scores(single)) == []
    assert found(scores(single, slow={2: 0.2})) == []
    assert found(scores(single, slow={2: 0.21})) == [hard(3)]


def test_a_few_marked_frames_are_no_transition_of_their_own() -> None:
    single = spread(20, (9, 10, 0.45))
    assert found(scores(single, spread(20, (8, 11, 0.9)))) == []
    assert [kind for kind, *_ in found(scores(single, spread(20, (8, 12, 0.9))))] == ["gradual"]


@pytest.mark.parametrize(
    ("single", "expected"),
    [
        ([0, 0, 0, 0], []),
        ([0, 0.9, 0, 0], [2]),  # "the shot ends with frame 1"
        ([0.9, 0, 0, 0], [1]),
        ([0, 0, 0, 0.9], []),  # after the last frame there is nothing to cut
        ([0, 0.4, 0.5, 0.4], []),  # above the threshold, not at it
        ([0, 0.6, 0.9, 0.7, 0], [3]),  # a run of positive frames is one transition, cut at its peak
        ([0, 0.9, 0.9, 0.9, 0], [2]),
        ([0, 0.6, 0, 0.6, 0], [2, 4]),
        ([0.6, 0.7, 0.8, 0.9], []),
        ([0, 0, 0.8, 0.7], [3]),
        ([0.9], []),
        ([0, 0.3, 0.01, 0, 0], [2]),  # a low score that stands alone
        ([0, 0.25, 0.3, 0.25, 0], []),  # a low plateau
        ([0, 0.2, 0, 0.19, 0], []),  # at that threshold, and below it
        ([0, 0.3, 0, 0.3, 0.05, 0], [2, 4]),  # 0.05 is less than a fifth of 0.3
        ([0, 0.3, 0.07, 0, 0], []),
    ],
)
def test_cuts_of_known_probabilities(single: list[float], expected: list[int]) -> None:
    abrupt = {index: min(value, 0.35) for index, value in enumerate(single)}
    assert found(scores(single, slow=abrupt)) == [hard(cut) for cut in expected]


def test_the_score_of_a_transition_is_the_one_that_decided() -> None:
    made = scores([0, 0.61239, 0.7, *[0] * 26], spread(29, (20, 24, 0.9)), spread(15, (11, 12, 0.8)), {9: 0.55557})
    assert [(one.cut, one.score) for one in find_transitions(made, USUAL_THRESHOLDS)] == [
        (3, 0.7),
        (10, 0.5556),
        (24, 0.8),
    ]


@given(PROBABILITIES, st.sampled_from([0.15, 0.5, 0.7]))
def test_every_run_above_the_threshold_is_one_cut_inside_it(single: list[float], threshold: float) -> None:
    values = np.array(single, np.float32)
    ends = cuts(scores(single), Thresholds(threshold, threshold))
    runs, place = [], 0
    for above, members in groupby(value > np.float32(threshold) for value in values):
        length = len(list(members))
        runs += [range(place, place + length)] if above else []
        place += length
    expected = [run for run in runs if run[int(np.argmax(values[run.start : run.stop]))] < len(values) - 1]
    assert len(ends) == len(expected)
    assert all(cut - 1 in run for cut, run in zip(ends, expected, strict=True))


@given(st.data(), PROBABILITIES, st.sampled_from([USUAL_THRESHOLDS, Thresholds(0.3, 0.3), Thresholds(0.9, 0.1)]))
def test_whatever_the_scores_the_transitions_are_in_order_apart_and_inside_the_video(
    data: st.DataObject, single: list[float], thresholds: Thresholds
) -> None:
    def some(length: int) -> list[float]:
        return data.draw(st.lists(st.sampled_from([0, 0.1, 0.3, 0.6, 0.9]), min_size=length, max_size=length))

    count = len(single)
    named = {index for index, score in enumerate(single) if score > thresholds.usual}
    slow = {index: score for index, score in enumerate(some(count)) if index not in named}  # as it is looked at
    made = scores(single, some(count), some((count + 1) // 2), slow)
    transitions = find_transitions(made, thresholds)
    assert all(one.cut < other.cut for one, other in pairwise(transitions))
    assert all(0 <= one.first < one.cut <= one.last + 1 <= count for one in transitions)
    assert all(0 < one.score <= 1 for one in transitions)
    assert all(one.last - one.first == 1 for one in transitions if one.kind == "hard")
    shots = shots_between([one.cut for one in transitions], count)
    assert [index for shot in shots for index in range(shot.start, shot.end)] == list(range(count))
    for one, other in pairwise(transitions):  # never two in one run of positive frames
        assert not set(range(one.cut - 1, other.cut)) <= named


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_run_of_positive_frames_never_makes_one_frame_shots(before: int, length: int) -> None:
    single = [0.0] * before + [0.9] * length + [0.0] * 10
    assert len(shots_between(cuts(scores(single)), len(single))) == 2


class TestInSlowMotion:
    def test_a_change_that_is_a_cut_in_slow_motion_is_a_hard_cut(self) -> None:
        assert found(scores([0] * 20, slow={5: 0.41, 9: 0.9, 15: 0.4})) == [hard(6), hard(10)]

    @pytest.mark.parametrize("distance", [-3, -2, -1, 0, 1, 2, 3])
    def test_beside_a_cut_that_is_named_already_it_is_none(self, distance: int) -> None:
        made = scores(spread(20, (10, 11, 0.3)), slow={10: 0.3, 10 + distance: 0.9})
        assert found(made) == sorted({hard(11), hard(11 + distance)} if abs(distance) > 2 else {hard(11)})

    def test_several_in_frames_marked_without_a_gap_are_hard_cuts(self) -> None:
        assert found(scores([0] * 30, spread(30, (4, 24, 0.9)), slow={6: 0.5, 12: 0.6, 19: 0.7})) == [
            hard(7),
            hard(13),
            hard(20),
        ]


class TestWithTheSecondHead:
    def test_frames_it_marks_around_a_peak_are_a_gradual_transition_with_those_frames(self) -> None:
        made = scores(spread(40, (15, 20, 0.6), (17, 18, 0.8)), spread(40, (10, 25, 0.9)))
        assert found(made) == [("gradual", 18, 10, 24)]

    @pytest.mark.parametrize("width", [1, 2, 3])
    def test_up_to_three_marked_frames_are_a_hard_cut(self, width: int) -> None:
        made = scores(spread(20, (9, 11, 0.9)), spread(20, (9, 9 + width, 0.9)))
        assert found(made) == [hard(10)]

    def test_more_than_three_are_a_gradual_one(self) -> None:
        assert found(scores(spread(20, (9, 11, 0.9)), spread(20, (9, 13, 0.9)))) == [("gradual", 10, 9, 12)]

    @pytest.mark.parametrize("peak", [9, 13])
    def test_a_peak_just_beside_the_marked_frames_belongs_to_them(self, peak: int) -> None:
        made = scores(spread(20, (peak, peak + 1, 0.9)), spread(20, (10, 13, 0.9)))
        assert found(made) == [hard(peak + 1)]

    @pytest.mark.parametrize(("single", "expected"), [(0.31, [21]), (0.29, [])])
    def test_frames_it_marks_alone_are_a_transition_where_the_first_head_half_agrees(
        self, single: float, expected: list[int]
    ) -> None:
        made = scores(spread(40, (18, 23, 0.2), (20, 21, single)), spread(40, (14, 28, 0.9)))
        assert found(made) == [("gradual", cut, 14, 27) for cut in expected]

    @pytest.mark.parametrize(("half", "expected"), [(0.51, True), (0.49, False)])
    def test_or_where_it_agrees_at_half_the_frame_rate(self, half: float, expected: bool) -> None:
        made = scores([0.01] * 40, spread(40, (14, 28, 0.9)), spread(20, (9, 12, 0.4), (10, 11, half)))
        assert found(made) == (
            [("gradual", 22, 14, 27)] if expected else []
        )  # frame 21 is the later one of pair 10

    def test_half_the_frame_rate_is_only_asked_where_the_second_head_marks(self) -> None:
        assert found(scores([0] * 40, spread(40, (2, 8, 0.9)), spread(20, (10, 11, 0.9)))) == []

    def test_the_slope_of_a_peak_that_is_named_is_no_transition_of_its_own(self) -> None:
        single = spread(30, (10, 14, 0.7), (10, 11, 0.9))
        assert found(scores(single, spread(30, (12, 18, 0.9)))) == [hard(11)]

    def test_marked_frames_with_a_shallow_gap_are_one_transition_and_with_a_deep_one_two(self) -> None:
        single = spread(40, (9, 14, 0.6), (12, 13, 0.7), (25, 30, 0.8))
        for gap, expected in ((0.25, [26]), (0.15, [13, 26])):
            made = scores(single, spread(40, (5, 35, 0.9), (16, 20, gap)))
            assert cuts(made) == expected

    def test_a_fade_that_ends_in_a_sharp_cut_is_cut_there(self) -> None:
        single = spread(40, (10, 14, 0.6), (12, 13, 0.95), (25, 26, 0.55))
        assert found(scores(single, spread(40, (8, 26, 0.9)))) == [("gradual", 26, 8, 25)]

    def test_several_sharp_cuts_in_frames_marked_without_a_gap_are_shots_of_a_few_frames(self) -> None:
        single = spread(40, (10, 11, 0.9), (16, 17, 0.8), (20, 23, 0.7))
        assert found(scores(single, spread(40, (9, 24, 0.9)))) == [hard(11), hard(17)]

    def test_two_peaks_that_are_not_sharp_are_one_transition_however_few_frames_are_marked(self) -> None:
        single = [0, 0, 0.6, 0.4, 0.7, 0.2, 0, 0]
        assert found(scores(single, spread(8, (2, 5, 0.9)))) == [hard(5)]
        assert found(scores(single, spread(8, (1, 6, 0.9)))) == [("gradual", 5, 1, 5)]

    def test_on_the_last_frame_nothing_is_cut(self) -> None:
        many = spread(20, (12, 20, 0.9))
        assert found(scores(spread(20, (19, 20, 0.9)), many)) == []
        assert found(scores([0] * 20, many, spread(10, (9, 10, 0.9)))) == []
        assert found(scores([0] * 19, many[1:], spread(10, (9, 10, 0.9)))) == []  # an odd number of frames
        assert found(scores([0] * 20, slow={19: 0.9})) == []

    @pytest.mark.parametrize(
        ("single", "needed"),
        [((12, 13, 0.4), True), ((12, 13, 0.6), False), ((9, 10, 0.6), False), ((20, 21, 0.6), False),
         ((8, 9, 0.6), True), ((21, 22, 0.6), True)],
    )  # fmt: skip
    def test_half_the_frame_rate_is_needed_where_the_first_head_names_nothing_on_or_beside_marked_frames(
        self, single: tuple[int, int, float], needed: bool
    ) -> None:
        made = scores(spread(40, single), spread(40, (10, 20, 0.9)))
        assert needs_half_rate(made.single, made.many, USUAL_THRESHOLDS) is needed

    def test_it_is_not_needed_where_nothing_is_marked(self) -> None:
        made = scores([0.4] * 40, [0.15] * 40)
        assert needs_half_rate(made.single, made.many, USUAL_THRESHOLDS) is False


def transition(cut: int, score: float) -> Transition:
    return Transition("hard", cut, cut - 1, cut, score)


class TestDroppingShortShots:
    def test_of_the_two_ends_of_a_short_shot_the_weaker_goes(self) -> None:
        first, second, third = transition(20, 0.9), transition(24, 0.6), transition(50, 0.5)
        assert drop_short_shots([first, second, third], 100, 10) == [first, third]

    def test_a_short_shot_at_the_edge_of_the_video_is_joined_to_its_only_neighbour(self) -> None:
        near_the_start, middle, near_the_end = transition(3, 1.0), transition(50, 0.3), transition(97, 1.0)
        assert drop_short_shots([near_the_start, middle, near_the_end], 100, 10) == [middle]

    def test_shots_that_are_long_enough_stay_as_they_are(self) -> None:
        kept = [transition(10, 0.3), transition(20, 0.4)]
        assert drop_short_shots(kept, 30, 10) == kept

    def test_a_video_shorter_than_that_is_one_shot(self) -> None:
        assert drop_short_shots([transition(2, 0.9), transition(4, 0.8)], 6, 10) == []

    @given(
        st.lists(st.tuples(st.integers(1, 199), st.floats(0.2, 1)), max_size=40, unique_by=lambda one: one[0]).map(
            sorted
        ),
        st.integers(1, 60),
    )
    def test_no_shot_is_too_short_and_nothing_new_comes(self, made: list[tuple[int, float]], shortest: int) -> None:
        transitions = [transition(cut, score) for cut, score in made]
        kept = drop_short_shots(transitions, 200, shortest)
        lengths = [len(shot) for shot in shots_between([one.cut for one in kept], 200)]
        assert min(lengths) >= shortest or lengths == [200]
        assert [one for one in transitions if one in kept] == kept
        if min(len(shot) for shot in shots_between([one.cut for one in transitions], 200)) >= shortest:
            assert kept == transitions
