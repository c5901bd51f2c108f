"""What the manifests of its videos say of a step run: seconds per phase, speed, memory, devices, parameters.

A manifest is replaced when its step finishes again. It belongs to a run where it was written while that ran; else
what the run measured is no longer known, and is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.names import Named
from services.planning import project_folder
from services.runs import Run, StepRun, VideoState
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.media_info import read_media
from workflow_scripts.common.projects import Project, Video

#: Phases are parts of this one.
TOTAL = "total"


@dataclass(frozen=True)
class VideoFigures:
    """One video of a step run; `manifest` is None where what the run measured is not known.

    `frames` are those of the video, None where nothing has measured them.
    """

    video: Named
    state: str
    message: str
    manifest: Manifest | None
    frames: int | None

    @property
    def seconds(self) -> float | None:
        """What the video took, all phases together."""
        return self.manifest.seconds.get(TOTAL) if self.manifest else None

    @property
    def speed(self) -> float | None:
        """Frames per second."""
        return self.frames / self.seconds if self.frames and self.seconds else None


@dataclass(frozen=True)
class Figures:
    """The videos of a step run, and what is known of all together.

    `seconds` are per phase, without the total; `peak_memory` is the largest of any video, in bytes; `of` is the
    number of videos that the sums are of.
    """

    videos: tuple[VideoFigures, ...]
    of: int
    total: float
    seconds: dict[str, float]
    speed: float | None
    peak_memory: int
    fallbacks: int


@dataclass(frozen=True)
class ParameterRow:
    """A parameter that videos of a step run were processed with; `values` is how many different ones there were."""

    name: str
    value: Any
    origin: str
    values: int


def figures(run: Run, step: StepRun, videos: Sequence[VideoState]) -> Figures:
    """The figures of a step run, from the manifests that lie beside its videos now."""
    found = tuple(_of_video(run, step, video) for video in videos)
    known = [one for one in found if one.manifest is not None]
    seconds: dict[str, float] = {}
    for one in known:
        for phase, value in (one.manifest.seconds if one.manifest else {}).items():
            seconds[phase] = seconds.get(phase, 0.0) + value
    total = seconds.pop(TOTAL, 0.0)
    timed = [(one.frames, one.seconds) for one in known if one.frames and one.seconds]
    frames, time = sum(frames for frames, _ in timed), sum(taken for _, taken in timed)
    return Figures(
        videos=found,
        of=len(known),
        total=total,
        seconds=seconds,
        speed=frames / time if time else None,
        peak_memory=max((one.manifest.peak_memory for one in known if one.manifest), default=0),
        fallbacks=sum(len(one.manifest.fallbacks) for one in known if one.manifest),
    )


def parameters(videos: Iterable[VideoFigures]) -> list[ParameterRow]:
    """The parameters that the videos of a step run were processed with, as their manifests say; by name."""
    found: dict[str, list[tuple[Any, str]]] = {}
    for video in videos:
        for name, row in (video.manifest.parameters if video.manifest else {}).items():
            value = (row.get("value"), str(row.get("origin", "")))
            known = found.setdefault(name, [])
            if value not in known:
                known.append(value)
    return [ParameterRow(name, *values[0], len(values)) for name, values in sorted(found.items())]


def belongs(manifest: Manifest, run: Run, step: StepRun) -> bool:
    """Whether a manifest was written by a step run: begun and finished between the run's start and its own end."""
    try:
        began, ended = (datetime.fromisoformat(text) for text in (manifest.started, manifest.finished))
        return (
            run.started is not None
            and run.started <= began <= ended
            and (step.finished is None or ended <= step.finished)
        )
    except (TypeError, ValueError):  # no time, or one without a zone
        return False


def _of_video(run: Run, step: StepRun, state: VideoState) -> VideoFigures:
    shown = Named.of(state.video)
    if step.project is None:  # an archive
        return VideoFigures(shown, _shown(step, state), state.message, None, None)
    workflow = Video(Project.at(project_folder(step.project)), state.video).workflow
    manifest = read_manifest(workflow / f"{step.step}.json")
    if manifest is not None and not belongs(manifest, run, step):
        manifest = None
    return VideoFigures(shown, _shown(step, state), state.message, manifest, _frames(workflow))


def _shown(step: StepRun, video: VideoState) -> str:
    """The state of a video: what was at work when its step run ended is not any more."""
    return "interrupted" if video.state == "running" and not step.active else video.state


def _frames(workflow: Path) -> int | None:
    try:
        return read_media(workflow / "media.json").frames
    except ArtifactError:
        return None
