"""Frames to windows of the network and back."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step3.windows import HEIGHT, LENGTH, MARGIN, STRIDE, WIDTH, Window, windows_of


def numbered(count: int) -> Iterator[bytes]:
    """Frames that tell their index in their first two bytes."""
    for index in range(count):
        frame = np.zeros(HEIGHT * WIDTH * 3, np.uint8)
        frame[:2] = divmod(index, 256)
        yield frame.tobytes()


def indices(window: Window) -> list[int]:
    """The indices of the frames in a window."""
    heads = window.frames[:, 0, 0, :2].astype(int)
    return [int(high * 256 + low) for high, low in heads]


@given(st.integers(0, 420))
def test_every_frame_is_central_in_exactly_one_window_in_order(count: int) -> None:
    windows = list(windows_of(numbered(count)))
    assert len(windows) == ceil(count / STRIDE)
    assert all(window.frames.shape == (LENGTH, HEIGHT, WIDTH, 3) for window in windows)
    central = [index for window in windows for index in indices(window)[MARGIN : MARGIN + window.valid]]
    assert central == list(range(count))


@given(st.integers(1, 300))
def test_around_the_central_part_are_its_neighbours_and_the_ends_are_continued(count: int) -> None:
    for number, window in enumerate(windows_of(numbered(count))):
        first = number * STRIDE - MARGIN
        assert indices(window) == [min(max(index, 0), count - 1) for index in range(first, first + LENGTH)]


@given(st.integers(1, 130))
def test_the_scores_that_count_are_those_of_the_central_frames(count: int) -> None:
    scores = [window.central(np.array(indices(window), np.float32)) for window in windows_of(numbered(count))]
    assert np.concatenate(scores).tolist() == list(range(count))


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        list(windows_of([b"\0" * 100]))


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in windows_of(numbered(count)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(4000) < 1.2 * peak(200)
