"""Where the cuts of a folder of videos truly are: its `truth.json`.

    {"cuts": {"<file>": {"hard": [index, …], "gradual": [[first, last, …], …],
                         "optional": [index, …], "ambiguous": [index, …], "frames": n, "sure": "…"}}}

An index is that of the first frame of a new shot, 0-based, among the file's own decoded frames, each counted once
(no conversion of the frame rate). A gradual transition is its first and last mixed frame, both included. At an
optional or ambiguous index a boundary is neither asked for nor false. `optional`, `ambiguous`, `frames` and `sure`
(a remark) may be missing; everything else in the file is for people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import UsageError

NAME = "truth.json"


@dataclass(frozen=True)
class CutTruth:
    """The cuts of one video, in frame indices.

    `excused` are the optional and ambiguous ones; `frames` is how many frames the video has, None when not told.
    """

    hard: tuple[int, ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()
    excused: tuple[int, ...] = ()
    frames: int | None = None
    note: str = ""

    def certain(self) -> CutTruth:
        """The same without the hard cuts that are listed as optional or ambiguous too."""
        return replace(self, hard=tuple(cut for cut in self.hard if cut not in self.excused))

    def moved(self, frame_of: Callable[[int], int]) -> CutTruth:
        """The same on another clock; `frame_of` gives the frame there for a frame here."""
        return CutTruth(
            hard=tuple(map(frame_of, self.hard)),
            gradual=tuple((frame_of(first), frame_of(last)) for first, last in self.gradual),
            excused=tuple(map(frame_of, self.excused)),
            note=self.note,
        )


def load_truth(folder: Path) -> dict[str, CutTruth]:
    """The truth of a folder of videos, by file name.

    Raises:
        UsageError: there is none, it cannot be understood, or it names a video that is not in the folder.
    """
    path = folder / NAME
    try:
        cuts = json.loads(path.read_text(encoding="utf-8"))["cuts"]
        entries = list(cuts.items())
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}.",
            hint="It says where the cuts of the videos beside it are; see docs/measurements.md.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path}: not JSON in UTF-8: {error}.") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f'{path}: holds no object "cuts" with an entry per video.') from error
    absent = [name for name, _ in entries if not (folder / name).is_file()]
    if absent:
        raise UsageError(f"{path}: names videos that are not in the folder: {', '.join(absent)}.")
    return {name: _cut_truth(entry, f"{path}: {name}") for name, entry in entries}


def _cut_truth(entry: Any, where: str) -> CutTruth:
    if not isinstance(entry, dict) or not {"hard", "gradual"} <= entry.keys():
        raise UsageError(f'{where}: needs "hard" and "gradual", lists that may be empty.')
    frames = entry.get("frames")
    if frames is not None and not _are_frames([frames]):
        raise UsageError(f'{where}: "frames" is {frames!r}, not a number of frames.')
    return CutTruth(
        hard=_indices(entry, "hard", where),
        gradual=_spans(entry["gradual"], where),
        excused=(*_indices(entry, "optional", where), *_indices(entry, "ambiguous", where)),
        frames=frames,
        note=str(entry.get("sure", "")),
    )


def _indices(entry: dict[str, Any], key: str, where: str) -> tuple[int, ...]:
    values = entry.get(key, [])
    if not _are_frames(values):
        raise UsageError(f'{where}: "{key}" is {values!r}, not a list of frame indices.')
    return tuple(values)


def _spans(values: Any, where: str) -> tuple[tuple[int, int], ...]:
    for value in values if isinstance(values, list) else [values]:
        if not isinstance(value, list) or len(value) < 2 or not _are_frames(value[:2]) or value[0] > value[1]:
            raise UsageError(f'{where}: "gradual" holds {value!r}, not [first, last] frame indices.')
    return tuple((first, last) for first, last, *_ in values)


def _are_frames(values: Sequence[Any] | Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
