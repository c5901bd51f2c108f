"""Measuring the pipeline on a folder of real videos whose truth is known.

The folder holds videos and `truth.json`: `{"cuts": {"<file>": {"hard": [index, …], "gradual": [[first, last], …],
"optional": [index, …]}}}`. An index is that of the first frame of a new shot, 0-based, among the file's own decoded
frames; a boundary at an optional one is neither asked for nor false.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from services.status import VideoStatus
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.projects import is_video_name

#: A cut is found when a boundary lies within so many frames.
TOLERANCE = 2

#: Shapes of names that break naive tools; `{}` takes the file's own stem. Real projects have most of them.
HOSTILE_NAMES = (
    "{}",
    "L’été à {} – n°1…",
    "{} ",
    "deux  espaces {}",
    "c'est {}! [final] + bonus",
    "-i {}",
    "%03d {}",
    "$(id) {}",
    "; rm {}",
    "* {} ?",
    '"{}"',
    "concat={}|x",
    "{}.mov",
    "\u202e{}",
    "e\u0301te\u0301 {}",
    "{} " + "tres long " * 10,
)


@dataclass(frozen=True)
class FileResult:
    """What the pipeline made of one video of the corpus; cut figures are None where no truth is known."""

    name: str
    video: str
    state: str
    message: str
    cuts: int | None = None
    found: int | None = None
    false: int | None = None
    gradual: int | None = None
    gradual_found: int | None = None


def corpus_files(folder: Path) -> list[Path]:
    """The videos of a corpus folder, by name.

    Raises:
        UsageError: there are none.
    """
    files = sorted(path for path in folder.iterdir() if is_video_name(path.name)) if folder.is_dir() else []
    if not files:
        raise UsageError(f"{folder}: no videos here.")
    return files


def pack(files: Sequence[Path], archive: Path) -> dict[str, Path]:
    """Zip videos under hostile names; returns the new stem of each. Nothing is copied elsewhere."""
    named = {}
    with zipfile.ZipFile(archive, "w") as target:
        for path, shape in zip(files, itertools.cycle(HOSTILE_NAMES), strict=False):
            stem = shape.format(path.stem)
            named[stem] = path
            target.write(path, f"{archive.stem}/{stem}{path.suffix}")
    return named


def results(named: dict[str, Path], statuses: Sequence[VideoStatus], truth: dict[str, Any]) -> Iterator[FileResult]:
    """Compare what was found with the truth, a row per file."""
    by_stem = {row.video.stem: row for row in statuses}
    for stem, source in named.items():
        row = by_stem.get(stem)
        if row is None:
            yield FileResult(source.name, stem, "missing", "not in the project")
            continue
        state, message = _worst(row)
        known = truth.get("cuts", {}).get(source.name)
        scenes = row.video.delivered(".csv")
        if known is None or row.steps["STEP3"].state not in ("succeeded", "degraded"):
            yield FileResult(source.name, row.video.name, state, message)
        else:
            yield FileResult(source.name, row.video.name, state, message, **_cut_figures(source, scenes, known))


def _worst(row: VideoStatus) -> tuple[str, str]:
    order = ("failed", "outdated", "pending", "degraded", "succeeded")
    status = min(row.steps.values(), key=lambda one: order.index(one.state))
    return status.state, status.message


def _cut_figures(source: Path, scenes: Path, truth: dict[str, Any]) -> dict[str, int]:
    """How many true cuts were found, how many gradual ones, how many boundaries are at neither."""
    clock = _source_times(source)
    hard = [_working_frame(clock, index) for index in truth["hard"]]
    gradual = [(_working_frame(clock, a), _working_frame(clock, b)) for a, b, *_ in truth["gradual"]]
    excused = [_working_frame(clock, index) for index in (*truth.get("optional", ()), *truth.get("ambiguous", ()))]
    boundaries = [shot.start for shot in read_scenes(scenes)][1:]

    def near(frame: int, first: int, last: int) -> bool:
        return first - TOLERANCE <= frame <= last + TOLERANCE

    spans = [*((cut, cut) for cut in (*hard, *excused)), *gradual]
    return {
        "cuts": len(hard),
        "found": sum(any(near(b, cut, cut) for b in boundaries) for cut in hard),
        "false": sum(not any(near(b, *span) for span in spans) for b in boundaries),
        "gradual": len(gradual),
        "gradual_found": sum(any(near(b, *span) for b in boundaries) for span in gradual),
    }


def _source_times(path: Path) -> list[Fraction]:
    """When each decoded frame of a file is shown, in seconds after its first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        unit = stream.time_base or Fraction(1)
        times = [Fraction(frame.pts) * unit for frame in container.decode(stream) if frame.pts is not None]
    return [time - times[0] for time in times]


def _working_frame(times: Sequence[Fraction], index: int) -> int:
    """The frame of the 25 fps video that first shows a frame of the source."""
    return round(times[min(index, len(times) - 1)] * 25)


def load_truth(folder: Path) -> dict[str, Any]:
    """The truth of a corpus, empty where there is none."""
    path = folder / "truth.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
