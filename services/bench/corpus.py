"""Measuring the pipeline on a folder of real videos, whose cuts may be known (`shot_truth.py`)."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from services.bench.shot_accuracy import Counts, judge
from services.bench.shot_truth import CutTruth
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
    """What the pipeline made of one video of the corpus; `cuts` is None where none are known or none were found."""

    name: str
    video: str
    state: str
    message: str
    cuts: Counts | None = None


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


def results(
    named: Mapping[str, Path], statuses: Sequence[VideoStatus], truths: Mapping[str, CutTruth]
) -> Iterator[FileResult]:
    """Compare what was found with the truth, a row per file."""
    by_stem = {row.video.stem: row for row in statuses}
    for stem, source in named.items():
        row = by_stem.get(stem)
        if row is None:
            yield FileResult(source.name, stem, "missing", "not in the project")
            continue
        state, message = _worst(row)
        cuts = None
        if source.name in truths and row.steps["STEP3"].state in ("succeeded", "degraded"):
            cuts = _cuts(source, row.video.delivered(".csv"), truths[source.name])
        yield FileResult(source.name, row.video.name, state, message, cuts)


def _worst(row: VideoStatus) -> tuple[str, str]:
    order = ("failed", "outdated", "pending", "degraded", "succeeded")
    status = min(row.steps.values(), key=lambda one: order.index(one.state))
    return status.state, status.message


def _cuts(source: Path, scenes: Path, truth: CutTruth) -> Counts:
    """How the shots of the 25 fps video agree with the truth, which counts the frames of the source."""
    clock = _source_times(source)
    boundaries = [shot.start for shot in read_scenes(scenes)][1:]
    return judge(boundaries, truth.moved(lambda index: _working_frame(clock, index)), TOLERANCE)


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
