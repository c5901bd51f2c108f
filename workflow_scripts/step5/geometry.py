"""Boxes and tiles: pure arithmetic on `(x0, y0, x1, y1)` boxes in pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Box = tuple[float, float, float, float]


def intersections(first: Boxes, second: Boxes) -> Boxes:
    """Area that each of n boxes shares with each of m boxes: (n, m), square pixels."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    sides = np.clip(high - low, 0, None)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float32)


def areas(boxes: Boxes) -> Boxes:
    """Area of each box: (n,), square pixels."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float32)


def overlaps(first: Boxes, second: Boxes) -> Boxes:
    """Intersection over union of each of n boxes with each of m boxes: (n, m), 0 to 1."""
    shared = intersections(first, second)
    union = areas(first)[:, None] + areas(second)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-6), np.float32)


def suppress(boxes: Boxes, scores: Boxes, overlap: float = 0.3, inside: float = 0.6) -> list[int]:
    """Indices of the boxes to keep, best score first (greedy non-maximum suppression).

    A box goes when it shares more than `overlap` (intersection over union) with a better one, or when more than
    `inside` of the smaller of the two lies in the other: the same face seen in two tiles at two scales.
    """
    shared, size = intersections(boxes, boxes), areas(boxes)
    smaller = np.maximum(np.minimum(size[:, None], size[None, :]), 1e-6)
    union = np.maximum(size[:, None] + size[None, :] - shared, 1e-6)
    same = (shared / union > overlap) | (shared / smaller > inside)
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if not same[index, kept].any():
            kept.append(int(index))
    return kept


def tile_spots(width: int, height: int, rows: int, overlap: float = 0.2) -> list[tuple[int, int, int]]:
    """Square tiles `(x, y, side)` that cover a picture, `rows` of them along its shorter side.

    Neighbours overlap by at least `overlap` of their side. Nothing where a tile would be the whole picture, or
    with `rows` 0.
    """
    if rows < 1:
        return []
    short = min(width, height)
    side = short if rows == 1 else math.ceil(short / (rows - (rows - 1) * overlap))

    def starts(length: int) -> list[int]:
        if length <= side:
            return [0]
        count = math.ceil((length - side) / (side * (1 - overlap)) - 1e-9) + 1
        return [round(i * (length - side) / (count - 1)) for i in range(count)]

    spots = [(x, y, side) for y in starts(height) for x in starts(width)]
    # A second look at nearly the same picture costs its time and finds nothing.
    return spots if max(width, height) > 1.15 * side else []


def cut_by_tile(boxes: Boxes, spot: tuple[int, int, int], width: int, height: int) -> NDArray[np.bool_]:
    """Which boxes (n, 4 or more) touch an edge of their tile inside the picture: (n,).

    Such a face continues beyond the tile; the neighbouring tile or the whole picture shows all of it.
    """
    x, y, side = spot
    margin = 0.01 * side
    left = (boxes[:, 0] < x + margin) & (x > 0)
    top = (boxes[:, 1] < y + margin) & (y > 0)
    right = (boxes[:, 2] > x + side - margin) & (x + side < width)
    bottom = (boxes[:, 3] > y + side - margin) & (y + side < height)
    return np.asarray(left | top | right | bottom, np.bool_)


def clip_box(box: Box, width: int, height: int) -> Box:
    """The part of a box inside the picture."""
    x0, y0, x1, y1 = box
    return (
        min(max(x0, 0.0), float(width)),
        min(max(y0, 0.0), float(height)),
        min(max(x1, 0.0), float(width)),
        min(max(y1, 0.0), float(height)),
    )


def whole_pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """A box in integer pixels inside the picture, at least one pixel wide and high."""
    x0, y0, x1, y1 = (round(value) for value in clip_box(box, width, height))
    x0, y0 = min(x0, width - 1), min(y0, height - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)
