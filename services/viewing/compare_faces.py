"""Where the faces of two results differ, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.viewing.build_faces import UNKNOWN
from services.viewing.index import Index

#: Share of the area of two boxes together that they have in common, from which they are the same face.
OVERLAP = 0.5
_COUNT, _PLACE, _SPEAKING = 1, 2, 3
_BOX = ["x0", "y0", "x1", "y1", "speaking"]
#: Those of one face.
Box = tuple[int, int, int, int, int]


def face_differences(now: Index, then: Index) -> NDArray[np.uint8]:
    """What differs in each frame that both have: 0 nothing, 1 how many, 2 where they are, 3 who of them speaks.

    Identities are names that each result gives as it likes; they are not compared.
    """
    length = min(now.meta["frames"], then.meta["frames"])
    ours, theirs = (np.diff(index["offsets"][: length + 1].astype(np.int64)) for index in (now, then))
    kinds = np.where(ours != theirs, _COUNT, 0).astype(np.uint8)
    comparable = (kinds == 0) & (ours > 0)
    mine, other = (_in_order(index, comparable) for index in (now, then))
    apart = _overlap(mine, other) < OVERLAP
    kinds[mine["frame"][mine["speaking"] != other["speaking"]]] = _SPEAKING
    for frame in np.unique(mine["frame"][apart]).tolist():  # seldom: the order from left to right is another one
        kinds[frame] = _matched(_rows(now, frame), _rows(then, frame))
    return kinds


def _in_order(index: Index, wanted: NDArray[np.bool_]) -> NDArray[Any]:
    """What is in the frames that are wanted, from left to right."""
    detections = index["detections"]
    inside = detections[detections["frame"] < len(wanted)]
    inside = inside[wanted[inside["frame"]]]
    ordered: NDArray[Any] = inside[np.lexsort((inside["y0"], inside["x0"], inside["frame"]))]
    return ordered


def _rows(index: Index, frame: int) -> list[Box]:
    begin, end = index["offsets"][frame : frame + 2]
    rows: list[Box] = index["detections"][_BOX][begin:end].tolist()
    return rows


def _matched(ours: list[Box], theirs: list[Box]) -> int:
    """What differs in one frame when every box is paired with the one that it overlaps most."""
    left = list(theirs)
    speaking = False
    for one in ours:
        best = max(left, key=lambda other: _share(one, other))
        if _share(one, best) < OVERLAP:
            return _PLACE
        left.remove(best)
        speaking |= one[4] != best[4]
    return _SPEAKING if speaking else 0


def _share(one: Box, other: Box) -> float:
    """As `_overlap`, of two boxes: arrays take ten times as long for them."""
    width, union_width = _along(one[0], one[2], other[0], other[2])
    if one[1] == other[1] == UNKNOWN:
        return width / union_width if union_width else 1.0
    height, _ = _along(one[1], one[3], other[1], other[3])
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - width * height
    return width * height / union if union else float(one == other)


def _along(start: int, end: int, other_start: int, other_end: int) -> tuple[int, int]:
    common = max(0, min(end, other_end) - max(start, other_start))
    return common, end - start + other_end - other_start - common


def _overlap(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union, row by row; where no file knows the height of things, of their widths."""
    width, union_width = _common(ours, theirs, "x")
    height, union_height = _common(ours, theirs, "y")
    areas = [_span(one, "x") * _span(one, "y") for one in (ours, theirs)]
    flat = (ours["y0"] == UNKNOWN) & (theirs["y0"] == UNKNOWN)
    common = width * height
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(flat, width / union_width, common / (areas[0] + areas[1] - common))
    same = (union_width == 0) & (flat | (union_height == 0))
    return np.where(same, 1.0, np.nan_to_num(share))


def _common(ours: NDArray[Any], theirs: NDArray[Any], axis: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How long what both cover is along an axis, and what at least one covers."""
    starts = [one[f"{axis}0"].astype(np.float64) for one in (ours, theirs)]
    ends = [one[f"{axis}1"].astype(np.float64) for one in (ours, theirs)]
    common = np.maximum(0, np.minimum(*ends) - np.maximum(*starts))
    return common, _span(ours, axis) + _span(theirs, axis) - common


def _span(boxes: NDArray[Any], axis: str) -> NDArray[np.float64]:
    return boxes[f"{axis}1"].astype(np.float64) - boxes[f"{axis}0"].astype(np.float64)
