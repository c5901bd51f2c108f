"""Frames to windows of the network and back."""

from __future__ import annotations

import tracemalloc
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step3.second_look import SPANS
from workflow_scripts.step3.windows import HEIGHT, USUAL_WINDOWS, WIDTH, Windowing, windows_of

#: Windows whose context is longer than their stride are among them, and such without any.
WINDOWINGS = [
    USUAL_WINDOWS,
    SPANS,
    Windowing(10, 4, 3),
    Windowing(5, 1, 2),
    Windowing(12, 2, 5),
    Windowing(7, 7, 0),
]
ANY = st.sampled_from(WINDOWINGS)


@given(st.integers(0, 420), ANY)
def test_every_frame_is_central_in_exactly_one_window_in_order(
    numbered: Any, indices: Any, count: int, windowing: Windowing
) -> None:
    windows = list(windows_of(numbered(count), windowing))
    assert len(windows) == ceil(count / windowing.stride)
    assert all(window.frames.shape == (windowing.length, HEIGHT, WIDTH, 3) for window in windows)
    assert {window.padding for window in windows} <= {windowing.padding}
    first = windowing.padding
    central = [index for window in windows for index in indices(window.frames)[first : first + window.valid]]
    assert central == list(range(count))


@given(st.integers(1, 420), ANY)
def test_around_the_central_part_are_its_neighbours_and_the_ends_are_continued(
    numbered: Any, indices: Any, count: int, windowing: Windowing
) -> None:
    for number, window in enumerate(windows_of(numbered(count), windowing)):
        first = number * windowing.stride - windowing.padding
        around = range(first, first + windowing.length)
        assert indices(window.frames) == [min(max(index, 0), count - 1) for index in around]


@given(st.integers(1, 320), ANY)
def test_the_scores_that_count_are_those_of_the_central_frames(
    numbered: Any, indices: Any, count: int, windowing: Windowing
) -> None:
    windows = windows_of(numbered(count), windowing)
    scores = [window.central(np.array(indices(window.frames), np.float32)) for window in windows]
    assert np.concatenate(scores).tolist() == list(range(count))


@pytest.mark.parametrize(
    ("length", "stride", "padding"), [(100, 50, 24), (100, 60, 25), (0, 0, 0), (10, 20, -5), (99, 50, 25)]
)
def test_windows_that_do_not_fit_together_are_refused_with_their_numbers(
    length: int, stride: int, padding: int
) -> None:
    with pytest.raises(ValueError, match=rf"\({length}\) is its stride \({stride}\) and .* \({padding}\)"):
        Windowing(length, stride, padding)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        list(windows_of([b"\0" * 100]))


def test_memory_does_not_grow_with_the_number_of_frames(numbered: Any) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in windows_of(numbered(count)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(4000) < 1.2 * peak(200)
