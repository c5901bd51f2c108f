"""The index of the faces: every box of every frame, and when each identity is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.viewing.index import Index
from workflow_scripts.common.artifacts.files import open_text
from workflow_scripts.common.artifacts.tracking import TrackedObject, read_tracking
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.events import printable

#: One object in one frame. Pixels; `UNKNOWN` and NaN stand for what the file does not say. `identity`, `label`,
#: `source` and `speakers` count in the lists of the meta.
DETECTION = np.dtype(
    [
        ("frame", "u4"),
        ("identity", "u4"),
        ("x0", "i4"),
        ("y0", "i4"),
        ("x1", "i4"),
        ("y1", "i4"),
        ("confidence", "f4"),
        ("mouth", "f4"),
        ("speaking", "u1"),
        ("label", "u2"),
        ("source", "u2"),
        ("speakers", "u4"),
    ]
)
#: When an identity is seen: first and last frame, both inclusive, in how many, in how many of them speaking, and
#: which rows of `seen` are its own, `[begin, end)`.
IDENTITY = np.dtype(
    [("first", "u4"), ("last", "u4"), ("frames", "u4"), ("speaking", "u4"), ("begin", "u4"), ("end", "u4")]
)
#: By identity and frame: the frame, and in how many earlier rows of all somebody speaks.
SEEN = np.dtype([("frame", "u4"), ("speaking_before", "u4")])
UNKNOWN = -(2**31)
#: Bytes from which a file that is not written frame by frame would take too much memory.
LARGEST_WHOLE = 200_000_000
_CHUNK = 20_000


class _Numbers:
    """Numbers for texts (or tuples of them) in the order in which they come."""

    def __init__(self) -> None:
        self.found: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.found.setdefault(value, len(self.found))


def faces_index(files: Mapping[str, Path], tell: Callable[[float], None]) -> Index:
    """Read a tracking file of any generation, frame by frame where it is written so.

    Raises:
        ArtifactError: it cannot be read, or would have to be read whole and is too large.
    """
    path = files["tracking"]
    _check_size(path)
    tracking = read_tracking(path)
    ids, labels, sources, speakers = _Numbers(), _Numbers(), _Numbers(), _Numbers()
    chunks: list[NDArray[Any]] = []
    rows: list[tuple[float, ...]] = []
    count = 0
    try:
        for frame, objects in enumerate(tracking.frames()):
            count = frame + 1
            for item in objects:
                names = (ids(item.id), labels(item.label), sources(item.source), speakers(item.active_speakers))
                rows.append(_row(frame, item, *names))
            if len(rows) >= _CHUNK:
                chunks.append(np.array(rows, DETECTION))
                rows = []
                tell(min(0.95, frame / max(tracking.total_frames or 0, frame + 1)))
        chunks.append(np.array(rows, DETECTION))
    except (OverflowError, ValueError) as error:
        raise ArtifactError(path, f"holds a number that is out of range ({error}).") from error
    detections = np.concatenate(chunks)
    offsets = np.searchsorted(detections["frame"], np.arange(count + 1)).astype(np.uint32)
    identities, seen = _by_identity(detections, len(ids.found))
    meta = {
        "frames": count,
        "ids": [printable(text) for text in ids.found],
        "labels": [printable(text) for text in labels.found],
        "sources": [printable(text) for text in sources.found],
        "speakers": [[printable(text) for text in found] for found in speakers.found],
    }
    return Index({"detections": detections, "offsets": offsets, "identities": identities, "seen": seen}, meta)


def _row(frame: int, item: TrackedObject, *names: int) -> tuple[float, ...]:
    box = item.box or (UNKNOWN,) * 4
    if item.box is not None and item.centroid_y is None and box[1] == 0:
        box = (box[0], UNKNOWN, box[2], UNKNOWN)  # a reduced file: the reader had to put it somewhere
    confidence = np.nan if item.confidence is None else item.confidence
    mouth = _mouth(item)
    identity, label, source, speakers = names
    return (frame, identity, *box, confidence, mouth, item.is_speaking, label, source, speakers)


def _mouth(item: TrackedObject) -> float:
    """How far the mouth is open: the distance of the lips by that of the eyes; of older files the jaw, 0..1."""
    visual = item.speaking_sources.get("visual")
    value = visual.get("mouth_opening") if isinstance(visual, dict) else None
    if value is None and item.blendshapes is not None:
        value = item.blendshapes.get("jawOpen")
    return float(value) if isinstance(value, int | float) else np.nan


def _by_identity(detections: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    order = np.lexsort((detections["frame"], detections["identity"]))
    frames, speaking = detections["frame"][order], detections["speaking"][order].astype(np.uint32)
    before = np.concatenate([[0], np.cumsum(speaking)]).astype(np.uint32)
    seen = np.zeros(len(order) + 1, SEEN)  # one more, so that a sum has an end
    seen["frame"][:-1], seen["speaking_before"] = frames, before
    edges = np.searchsorted(detections["identity"][order], np.arange(count + 1))
    identities = np.zeros(count, IDENTITY)
    begin, end = edges[:-1], edges[1:]
    identities["begin"], identities["end"] = begin, end
    identities["frames"] = end - begin
    identities["speaking"] = before[end] - before[begin]
    identities["first"], identities["last"] = frames[begin], frames[end - 1]
    return identities, seen


def _check_size(path: Path) -> None:
    """A packed file counts as it is on the disk, about a tenth of what is inside."""
    with open_text(path) as stream:
        first = stream.readline(100_000)
    size = path.stat().st_size * (10 if path.suffix == ".gz" else 1)
    if size > LARGEST_WHOLE and not first.endswith('"frames": [\n'):
        raise ArtifactError(
            path,
            f"is too large to be shown ({size // 1_000_000} MB, not written frame by frame).",
            hint="Run STEP5 again for this video.",
        )
