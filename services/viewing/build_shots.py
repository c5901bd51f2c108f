"""The index of the shots: where they are, how each begins, and the scores behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.viewing.index import Index
from workflow_scripts.common.artifacts.files import load_json
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.transitions import read_transitions
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Shot, Transition

#: A shot, half-open, 0-based; `kind` is 0 where nothing is known of how it begins, then the rest means nothing.
SHOT = np.dtype([("start", "u4"), ("end", "u4"), ("kind", "u1"), ("first", "u4"), ("last", "u4"), ("score", "f4")])
KINDS = ("", "hard", "gradual")
SCORES = ("single", "many")


def shots_index(files: Mapping[str, Path], tell: Callable[[float], None]) -> Index:
    """What the delivered CSV says now, or where there is none the transitions; details from the transitions."""
    found: tuple[Transition, ...] = ()
    scores: dict[str, NDArray[np.float32]] = {}
    frames = 0
    if "transitions" in files:
        path = files["transitions"]
        found = read_transitions(path)
        data = load_json(path)
        scores, frames = _scores(path, data), _count(path, data)
    if "scenes" in files:
        shots = read_scenes(files["scenes"])
        frames = shots[-1].end
    else:
        edges = [0, *(one.cut for one in found), frames]
        try:
            shots = tuple(Shot(start, end) for start, end in pairwise(edges))
        except ValueError as error:
            raise ArtifactError(files["transitions"], f"its cuts are not in order ({error}).") from error
    tell(1.0)
    by_cut = {one.cut: one for one in found}
    rows = [_row(shot, by_cut.get(shot.start)) for shot in shots]
    return Index({"shots": np.array(rows, SHOT), **scores}, {"frames": frames})


def _row(shot: Shot, begins: Transition | None) -> tuple[float, ...]:
    if begins is None:
        return (shot.start, shot.end, 0, 0, 0, 0)
    return (shot.start, shot.end, KINDS.index(begins.kind), begins.first, begins.last, begins.score)


def _scores(path: Path, data: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    held = data.get("scores") or {}
    try:
        found = {name: np.asarray(held[name], np.float32) for name in SCORES if name in held}
    except (TypeError, ValueError) as error:
        raise ArtifactError(path, f"holds scores that are no numbers ({error}).") from error
    if any(values.ndim != 1 or not np.isfinite(values).all() for values in found.values()):
        raise ArtifactError(path, "holds scores that are no list of numbers.")
    return found


def _count(path: Path, data: dict[str, Any]) -> int:
    frames = data.get("frames")
    if not isinstance(frames, int) or frames < 0:
        raise ArtifactError(path, "does not say how many frames the video has.")
    return frames
