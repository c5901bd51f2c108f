"""The rules by which found boundaries are judged, on cases made by hand."""

from __future__ import annotations

import pytest

from services.bench.shot_accuracy import Counts, Score, judge
from services.bench.shot_truth import CutTruth


@pytest.mark.parametrize(("boundary", "at_0", "at_2"), [(98, 0, 1), (100, 1, 1), (102, 0, 1), (103, 0, 0)])
def test_a_hard_cut_is_found_within_the_tolerance(boundary: int, at_0: int, at_2: int) -> None:
    truth = CutTruth(hard=(100,))
    assert judge([boundary], truth, 0) == Counts(1, at_0, false=1 - at_0)
    assert judge([boundary], truth, 2) == Counts(1, at_2, false=1 - at_2)


@pytest.mark.parametrize(("boundary", "at_0", "at_2"), [(8, 0, 1), (10, 1, 1), (20, 1, 1), (22, 0, 1), (23, 0, 0)])
def test_a_gradual_transition_is_found_between_its_first_and_last_frame(
    boundary: int, at_0: int, at_2: int
) -> None:
    truth = CutTruth(gradual=((10, 20),))
    assert judge([boundary], truth, 0) == Counts(gradual=1, gradual_found=at_0, false=1 - at_0)
    assert judge([boundary], truth, 2) == Counts(gradual=1, gradual_found=at_2, false=1 - at_2)


def test_one_boundary_finds_one_cut_and_one_cut_takes_one_boundary() -> None:
    assert judge([11], CutTruth(hard=(10, 12)), 2) == Counts(2, 1)
    assert judge([9, 11], CutTruth(hard=(10,)), 2) == Counts(1, 1, false=1)


def test_the_nearest_pairs_are_made_first() -> None:
    # 12 belongs to 13 although it could have found 10; 15 then has nothing left.
    assert judge([12, 15], CutTruth(hard=(10, 13)), 2) == Counts(2, 1, false=1)


def test_a_second_boundary_in_a_gradual_transition_is_false() -> None:
    assert judge([12, 18], CutTruth(gradual=((10, 20),)), 0) == Counts(gradual=1, gradual_found=1, false=1)


def test_a_boundary_at_a_hard_cut_inside_a_gradual_transition_is_the_cuts() -> None:
    truth = CutTruth(hard=(18,), gradual=((10, 20),))
    assert judge([12, 18], truth, 0) == Counts(1, 1, 1, 1)
    assert judge([18], truth, 0) == Counts(1, 1, 1, 0)


@pytest.mark.parametrize("spans", [((10, 30), (12, 15)), ((12, 15), (10, 30)), ((5, 15), (12, 30))])
def test_overlapping_transitions_are_both_found_when_there_is_a_boundary_for_each(
    spans: tuple[tuple[int, int], ...],
) -> None:
    assert judge([13, 14], CutTruth(gradual=spans), 0) == Counts(gradual=2, gradual_found=2)


def test_excused_places_are_neither_asked_for_nor_false() -> None:
    truth = CutTruth(hard=(50,), excused=(100, 101))
    assert judge([50], truth, 2) == Counts(1, 1)
    assert judge([50, 99, 102, 103], truth, 2) == Counts(1, 1)
    assert judge([50, 99, 102], truth, 0) == Counts(1, 1, false=2)


def test_nothing_and_repetitions() -> None:
    assert judge([], CutTruth(), 2) == Counts()
    assert judge([], CutTruth(hard=(1,), gradual=((5, 9),)), 2) == Counts(1, 0, 1, 0)
    assert judge([7, 7], CutTruth(), 0) == Counts(false=1)


def test_precision_recall_and_f1() -> None:
    score = Score(there=8, found=6, false=2)
    assert (score.precision, score.recall, score.f1) == (0.75, 0.75, 0.75)
    assert (Score(0, 0, 0).precision, Score(0, 0, 0).recall, Score(0, 0, 0).f1) == (None, None, None)
    assert (Score(3, 0, 0).precision, Score(3, 0, 0).recall, Score(3, 0, 0).f1) == (None, 0, 0)
    assert (Score(0, 0, 2).precision, Score(0, 0, 2).recall, Score(0, 0, 2).f1) == (0, None, 0)


def test_counts_add_up_and_false_boundaries_count_against_each_kind() -> None:
    total = Counts(2, 1, 3, 2, 4) + Counts(1, 1, 0, 0, 1)
    assert total == Counts(3, 2, 3, 2, 5)
    assert total.scores() == {"hard": Score(3, 2, 5), "gradual": Score(3, 2, 5), "all": Score(6, 4, 5)}
