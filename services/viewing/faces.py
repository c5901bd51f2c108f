"""The faces of a video for a viewer: identities over any range, and the boxes of single frames."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.viewing.build_faces import UNKNOWN
from services.viewing.index import Index

#: How many identities are told of one video, or of one range: those that are seen most.
MOST = 200
#: Frames `(start, end, speaking)`, half-open, and the share of those with a face in them in which it speaks.
Span = tuple[int, int, float]


@dataclass(frozen=True)
class IdentityView:
    """An identity: in how many frames it is seen, which are the first and the last, in how many it speaks."""

    id: str
    label: str
    frames: int
    first: int
    last: int
    speaking_frames: int


@dataclass(frozen=True)
class Presence:
    """Where an identity is seen."""

    id: str
    spans: list[Span]


@dataclass(frozen=True)
class FacesView:
    """The identities seen most in a range; how many `more` there are; and where anybody at all is seen."""

    identities: list[Presence]
    more: int
    anybody: list[Span]


@dataclass(frozen=True)
class BoxView:
    """One object in one frame; pixels of the video, None for what the file does not say."""

    id: str
    x0: int | None
    y0: int | None
    x1: int | None
    y1: int | None
    confidence: float | None
    speaking: bool
    mouth: float | None
    speaker: list[str]
    label: str
    source: str


def identities(index: Index) -> list[IdentityView]:
    """The identities that are seen most, in the order of how often."""
    table = index["identities"]
    order = np.argsort(-table["frames"].astype(np.int64), kind="stable")[:MOST]
    ids, labels = index.meta["ids"], index.meta["labels"]
    first_label = _labels(index, order)
    return [
        IdentityView(
            ids[number],
            labels[first_label[place]],
            int(table["frames"][number]),
            int(table["first"][number]),
            int(table["last"][number]),
            int(table["speaking"][number]),
        )
        for place, number in enumerate(order.tolist())
    ]


def presence(index: Index, start: int, end: int, points: int) -> FacesView:
    """Where faces are seen in a range, in at most `points` spans for each identity.

    Spans are cut at the edges of the range. Absences shorter than a point are bridged, nothing else is.
    """
    end = min(end, index.meta["frames"])
    start = min(start, end)
    step = max(1, -(-(end - start) // points))
    low, high = _rows(index, start, end)
    counts = high - low
    order = np.argsort(-counts, kind="stable")[: min(MOST, np.count_nonzero(counts))]
    told = [
        Presence(index.meta["ids"][number], _joined(*_seen(index, int(low[number]), int(high[number])), step))
        for number in order.tolist()
    ]
    return FacesView(told, int(np.count_nonzero(counts)) - len(told), _joined(*_anybody(index, start, end), step))


def boxes(index: Index, start: int, end: int) -> list[list[BoxView]]:
    """What is in each frame of a range; shorter than the range where the file ends before."""
    frames = index.meta["frames"]
    start, end = min(start, frames), min(end, frames)
    offsets = index["offsets"][start : end + 1].tolist()
    rows = index["detections"][offsets[0] : offsets[-1]].tolist() if end > start else []
    views = [_box(row, index) for row in rows]
    return [views[begin - offsets[0] : stop - offsets[0]] for begin, stop in pairwise(offsets)]


def _rows(index: Index, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of `seen` each identity has in a range, `[low, high)`."""
    table, frames = index["identities"], index["seen"]["frame"]
    low, high = table["begin"].astype(np.int64), table["end"].astype(np.int64)
    outside = (table["first"] >= end) | (table["last"] < start)
    high[outside] = low[outside]
    for number in np.flatnonzero(~outside & ((table["first"] < start) | (table["last"] >= end))).tolist():
        begin = low[number]
        low[number], high[number] = begin + np.searchsorted(frames[begin : high[number]], (start, end))
    return low, high


def _seen(index: Index, low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """In which frames an identity is seen, and in how many before each, and before the end, it speaks."""
    seen = index["seen"]
    return seen["frame"][low:high].astype(np.int64), seen["speaking_before"][low : high + 1].astype(np.int64)


def _anybody(index: Index, start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same for anybody in a range."""
    offsets = index["offsets"][start : end + 1].astype(np.int64)
    frames = np.flatnonzero(np.diff(offsets))
    rows = index["detections"][offsets[0] : offsets[-1]] if len(offsets) else index["detections"][:0]
    speaking = np.zeros(end - start, bool)
    speaking[rows["frame"][rows["speaking"] > 0].astype(np.int64) - start] = True
    return frames + start, np.concatenate([[0], np.cumsum(speaking[frames])])


def _joined(frames: NDArray[np.int64], speaking_before: NDArray[np.int64], step: int) -> list[Span]:
    """Frames in which somebody is seen, joined to spans wherever fewer than `step` lie between."""
    if not len(frames):
        return []
    breaks = np.flatnonzero(np.diff(frames) > step) + 1
    begins, ends = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(frames)]])
    shares = np.round((speaking_before[ends] - speaking_before[begins]) / (ends - begins), 3)
    return list(zip(frames[begins].tolist(), (frames[ends - 1] + 1).tolist(), shares.tolist(), strict=True))


def _labels(index: Index, numbers: NDArray[np.int64]) -> list[int]:
    """What each of some identities is when it is first seen, as a number in the meta's labels."""
    detections, offsets = index["detections"], index["offsets"]
    found = []
    for number, first in zip(numbers.tolist(), index["identities"]["first"][numbers].tolist(), strict=True):
        rows = detections[offsets[first] : offsets[first + 1]]
        found.append(int(rows["label"][rows["identity"] == number][0]))
    return found


def _box(row: tuple[Any, ...], index: Index) -> BoxView:
    _, identity, *box, confidence, mouth, speaking, label, source, speakers = row
    x0, y0, x1, y1 = (None if value == UNKNOWN else int(value) for value in box)
    meta = index.meta
    return BoxView(
        id=meta["ids"][identity],
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        confidence=_known(confidence),
        speaking=bool(speaking),
        mouth=_known(mouth),
        speaker=meta["speakers"][speakers],
        label=meta["labels"][label],
        source=meta["sources"][source],
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
