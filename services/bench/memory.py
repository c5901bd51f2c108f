"""How much memory steps take on a short and on a long video."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from services import workflow
from services.pipeline import load_pipeline
from services.sample import SampleShot, SampleVideo, render
from workflow_scripts.common.errors import VideoError
from workflow_scripts.common.manifest import read_manifest
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Project, Video

SHOWS = ("face wide", "hills", "discs", "face close", "clouds")


@dataclass(frozen=True)
class Peak:
    """Peak memory of one step on one video, in bytes, and its seconds."""

    step: str
    minutes: float
    memory: int
    seconds: float


def measure_memory(minutes: Sequence[float], keys: Sequence[str], show: Callable[[str], None]) -> list[Peak]:
    """Run the pipeline on a video of each length and read the steps' peak memory from their manifests.

    The videos have a shot every 5 seconds and no sound; a long one repeats the packets of a minute, so making
    it takes no time.
    """
    root = projects_folder() / "Memory"
    shutil.rmtree(root, ignore_errors=True)
    (root / "docs").mkdir(parents=True)
    minute = root / "minute.mp4"
    shots = tuple(SampleShot(125, SHOWS[index % len(SHOWS)]) for index in range(12))
    render(SampleVideo("minute", Fraction(25), shots, None), minute)
    project = Project.at(root)
    for length in minutes:
        repeat(minute, root / "docs" / f"{length:g} min.mp4", round(length))
    pipeline = load_pipeline()
    workflow.run(pipeline, workflow.request_of(pipeline, (project,), "2-5"), show)
    return [_peak(Video(project, f"{length:g} min.mp4"), key, length) for length in minutes for key in keys]


def repeat(source: Path, target: Path, times: int) -> None:
    """Write the packets of a video one time after the other; timestamps go on."""
    with av.open(str(target), "w") as output:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(source)) as container:
                picture = container.streams.video[0]
                stream = stream or output.add_stream_from_template(picture)
                for packet in container.demux(picture):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    output.mux(packet)
                offset += picture.duration or 0


def _peak(video: Video, key: str, minutes: float) -> Peak:
    manifest = read_manifest(video.workflow / f"{key}.json")
    if manifest is None:
        raise VideoError(f"{video.name}: {key} did not finish; see scripts/workflow status.")
    return Peak(key, minutes, manifest.peak_memory, manifest.seconds["total"])
