"""When scores that may be off by a little are sure enough to be decided by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from workflow_scripts.common.settings import resolve
from workflow_scripts.step3 import transitions
from workflow_scripts.step3.parameters import DOUBT, PARAMETERS, is_sure_with
from workflow_scripts.step3.transitions import (
    USUAL_THRESHOLDS,
    Scores,
    Thresholds,
    find_transitions,
    is_sure,
    needs_half_rate,
)

Floats = npt.NDArray[np.float32]
#: Scores far enough from most thresholds that a good part of what is made of them is sure.
SINGLE = (0, 0, 0, 0.03, 0.1, 0.12, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.97, 1)
MANY = (0, 0, 0.1, 0.14, 0.26, 0.3, 0.44, 0.56, 0.6, 0.7, 0.9, 0.95)
THRESHOLDS = (USUAL_THRESHOLDS, Thresholds(0.8, 0.8), Thresholds(0.7, 0.1), Thresholds(0.3, 0.3))


def decisions(scores: Scores, thresholds: Thresholds) -> list[object]:
    """All that is decided by scores of the first look, but for the score that is told."""
    found: list[object] = [(t.kind, t.cut, t.first, t.last) for t in find_transitions(scores, thresholds)]
    return [*found, needs_half_rate(scores.single, scores.many, thresholds)]


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
@pytest.mark.parametrize("doubt", [0.01, 0.05])
def test_where_scores_are_sure_none_that_is_off_by_less_changes_a_decision(
    thresholds: Thresholds, doubt: float
) -> None:
    rng = np.random.default_rng(7)
    far = [value for value in SINGLE if all(abs(value - bound) > doubt for bound in thresholds.decisive)]
    sure = 0
    for _ in range(1500):
        count = int(rng.integers(3, 14))
        single, many = (
            (rng.choice(values, count) + rng.uniform(-0.04, 0.04, count)).clip(0, 1).astype(np.float32)
            for values in (far, MANY)
        )
        single[[0, -1]] *= 0.1
        many[[0, -1]] *= 0.1
        if not is_sure(single, many, thresholds, doubt):
            continue
        sure += 1
        half = rng.random((count + 1) // 2).astype(np.float32)
        slow = (rng.random(count) * rng.integers(0, 2) * (single <= thresholds.usual)).astype(np.float32)
        expected = decisions(Scores(single, many, half, slow), thresholds)
        for _ in range(3):
            off = 0.999 * doubt * rng.choice([-1, 0, 0.5, 1], (2, count))
            other, rest = (
                (one + by).clip(0, 1).astype(np.float32) for one, by in zip((single, many), off, strict=True)
            )
            assert decisions(Scores(other, rest, half, slow), thresholds) == expected, (single, many, off)
    assert sure > 5


def scores(*values: float) -> Floats:
    """Scores, with nothing before and after them."""
    return np.array([0, 0, *values, 0, 0], np.float32)


@pytest.mark.parametrize(
    ("single", "many", "why"),
    [
        ([0.96], [0.9], ""),
        ([0.02, 0.96, 0.05], [0.1, 0.9, 0.1], ""),
        ([0.7, 0.9, 0.7], [0.9, 0.9, 0.9], ""),
        ([0.53], [0], "near the usual threshold"),
        ([0.18], [0], "near that of a score that stands alone"),
        ([0.33], [0], "near what half agrees"),
        ([0.9], [transitions._PART - 0.02], "near where the second head marks"),
        ([0.9, 0.82, 0.9], [0.9, 0.9, 0.9], "two peaks of one run"),
        ([0.88, 0.95], [0, 0], "neighbours that may change places"),
        ([0.7, 0.02, 0.75], [0.9, 0.9, 0.9], "two peaks of frames that are marked without a gap"),
        ([0, 0, 0.9, 0, 0], [0.9, 0.9, 0.23, 0.9, 0.9], "a gap that may be none"),
        ([0.12, 0.8], [0.9, 0.9], "may stand alone or not"),
    ],
)
def test_what_is_sure_and_what_is_not(single: list[float], many: list[float], why: str) -> None:
    assert is_sure(scores(*single), scores(*many), USUAL_THRESHOLDS, DOUBT) is (why == "")


def test_what_reaches_the_first_or_the_last_frame_is_not_sure() -> None:
    plain = np.zeros(20, np.float32)
    for place in (0, -1):
        peak = plain.copy()
        peak[place] = 0.95
        assert not is_sure(peak, plain, USUAL_THRESHOLDS, DOUBT)
        assert not is_sure(plain, peak, USUAL_THRESHOLDS, DOUBT)
    assert is_sure(plain, plain, USUAL_THRESHOLDS, DOUBT)


def test_what_is_no_number_is_not_sure() -> None:
    plain, broken = np.zeros(20, np.float32), np.zeros(20, np.float32)
    broken[7] = np.nan
    assert not is_sure(broken, plain, USUAL_THRESHOLDS, DOUBT)
    assert not is_sure(plain, broken, USUAL_THRESHOLDS, DOUBT)


@pytest.mark.parametrize(
    ("windows", "length", "counting"),
    [
        ({}, 100, range(25, 75)),
        ({"window": "200", "stride": "100", "padding": "50"}, 200, range(50, 150)),
        ({"window": "200", "stride": "100", "padding": "50"}, 100, range(25, 75)),  # a second look
        ({"stride": "20", "padding": "40"}, 100, range(25, 75)),  # as long as a second look
        ({"stride": "90", "padding": "5"}, 100, range(5, 95)),
        ({"window": "7", "stride": "7", "padding": "0"}, 7, range(7)),
    ],
)
def test_a_doubt_about_any_frame_of_a_window_that_counts_is_one(
    windows: dict[str, str], length: int, counting: range
) -> None:
    sure = is_sure_with(resolve(PARAMETERS, None, windows))
    for place in range(length):
        single = np.zeros(length, np.float32)
        single[place] = 0.52
        if place in counting:
            assert not sure(single, np.zeros(length, np.float32))
        elif not counting.start - 3 < place < counting.stop + 2:
            assert sure(single, np.zeros(length, np.float32))
