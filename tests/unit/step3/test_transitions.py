"""From transition probabilities to shots."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step3.shots import find_cuts, shots_between

PROBABILITIES = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.9, 1.0]), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("probabilities", "cuts"),
    [
        ([0, 0, 0, 0], []),
        ([0, 0.9, 0, 0], [2]),  # "the shot ends with frame 1"
        ([0.9, 0, 0, 0], [1]),
        ([0, 0, 0, 0.9], []),  # after the last frame there is nothing to cut
        ([0, 0.5, 0, 0], []),  # above the threshold, not at it
        ([0, 0.6, 0.9, 0.7, 0], [3]),  # a run of positive frames is one transition, cut at its peak
        ([0, 0.9, 0.9, 0.9, 0], [2]),
        ([0, 0.6, 0, 0.6, 0], [2, 4]),
        ([0.6, 0.7, 0.8, 0.9], []),
        ([0, 0, 0.8, 0.7], [3]),
        ([0.9], []),
    ],
)
def test_cuts_of_known_probabilities(probabilities: list[float], cuts: list[int]) -> None:
    assert find_cuts(np.array(probabilities, np.float32), 0.5) == cuts


@given(PROBABILITIES, st.sampled_from([0.1, 0.5, 0.7]))
def test_every_run_above_the_threshold_is_one_cut_inside_it(probabilities: list[float], threshold: float) -> None:
    values = np.array(probabilities, np.float32)
    cuts = find_cuts(values, threshold)
    runs, place = [], 0
    for above, members in groupby(value > np.float32(threshold) for value in values):
        length = len(list(members))
        runs += [range(place, place + length)] if above else []
        place += length
    expected = [run for run in runs if run[int(np.argmax(values[run.start : run.stop]))] < len(values) - 1]
    assert len(cuts) == len(expected)
    assert all(cut - 1 in run for cut, run in zip(cuts, expected, strict=True))


@given(PROBABILITIES)
def test_shots_cover_every_frame_once_and_none_is_empty(probabilities: list[float]) -> None:
    shots = shots_between(find_cuts(np.array(probabilities, np.float32), 0.5), len(probabilities))
    assert [index for shot in shots for index in range(shot.start, shot.end)] == list(range(len(probabilities)))
    assert all(len(shot) > 0 for shot in shots)


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_run_of_positive_frames_never_makes_one_frame_shots(before: int, length: int) -> None:
    values = np.concatenate([np.zeros(before), np.full(length, 0.9), np.zeros(10)]).astype(np.float32)
    assert len(shots_between(find_cuts(values, 0.5), len(values))) == 2


def test_a_low_score_that_stands_alone_is_a_hard_cut_and_a_low_plateau_is_none() -> None:
    alone = np.array([0, 0, 0.3, 0.01, 0, 0], np.float32)
    plateau = np.array([0, 0.25, 0.3, 0.25, 0, 0], np.float32)
    assert find_cuts(alone, 0.5, 0.2) == [3]
    assert find_cuts(plateau, 0.5, 0.2) == []
    assert find_cuts(alone, 0.5) == []
