"""Boxes and tiles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workflow_scripts.step5.geometry import clip_box, cut_by_tile, overlaps, suppress, tile_spots, whole_pixels

SIDES = st.integers(16, 4000)


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_overlap_is_one_for_equal_boxes_and_zero_for_distant_ones() -> None:
    found = overlaps(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 10), (5, 0, 15, 10), (20, 20, 30, 30)))
    assert found[0].tolist() == pytest.approx([1, 1 / 3, 0])


def test_the_same_face_seen_twice_is_kept_once_with_the_better_score() -> None:
    seen = boxes((0, 0, 100, 100), (10, 5, 105, 98), (300, 0, 340, 40))
    assert suppress(seen, np.array([0.6, 0.9, 0.5], np.float32)) == [1, 2]


def test_a_small_box_inside_a_larger_one_is_the_same_face() -> None:
    assert suppress(boxes((0, 0, 100, 100), (20, 20, 60, 60)), np.array([0.9, 0.7], np.float32)) == [0]


def test_nothing_found_means_nothing_kept() -> None:
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == []


@given(width=SIDES, height=SIDES, rows=st.integers(1, 4))
def test_tiles_are_squares_inside_the_picture_that_cover_all_of_it(width: int, height: int, rows: int) -> None:
    spots = tile_spots(width, height, rows)
    for x, y, side in spots:
        assert x >= 0
        assert y >= 0
        assert x + side <= width
        assert y + side <= height
    if spots:
        for length, axis in ((width, 0), (height, 1)):
            edges = sorted({(spot[axis], spot[axis] + spot[2]) for spot in spots})
            assert edges[0][0] == 0
            assert edges[-1][1] == length
            assert all(later[0] < earlier[1] for earlier, later in pairwise(edges))


def test_a_wide_picture_needs_two_tiles_and_a_square_one_none() -> None:
    assert tile_spots(1920, 1080, 1) == [(0, 0, 1080), (840, 0, 1080)]
    assert tile_spots(844, 844, 1) == []
    assert tile_spots(1920, 1080, 0) == []


def test_a_face_at_the_edge_of_a_tile_counts_only_where_the_picture_ends_too() -> None:
    faces = boxes((0, 10, 50, 60), (1040, 10, 1079, 60), (500, 500, 600, 600))
    assert cut_by_tile(faces, (0, 0, 1080), 1920, 1080).tolist() == [False, True, False]


@given(*[st.floats(-5000, 5000)] * 4, SIDES, SIDES)
def test_written_boxes_are_whole_pixels_inside_the_picture(
    x0: float, y0: float, x1: float, y1: float, width: int, height: int
) -> None:
    left, top, right, bottom = whole_pixels((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), width, height)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_a_box_over_the_border_is_cut_at_the_border() -> None:
    assert clip_box((-10, 5, 700, 20), 640, 360) == (0, 5, 640, 20)
