"""Projects, videos and their files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from routes.models.common import LARGEST, Asked, Name
from services.projects import Artifact
from services.status import StepStatus, VideoStatus
from workflow_scripts.common.events import printable
from workflow_scripts.common.projects import Project


class PageAsked(Asked):
    """Which part of a list."""

    offset: int = Field(default=0, ge=0, le=LARGEST)
    limit: int = Field(default=50, ge=1, le=500)


class ZipAsked(Asked):
    """Which files of a project."""

    video: str | None = Field(default=None, description="Only those of this video, by key or name.")
    step: str | None = Field(default=None, description="Only those that this step left.")
    videos: bool = Field(default=False, description="Videos too; they are large.")


class StepState(BaseModel):
    """How one step stands for one video; `message` says why where it is not plainly good."""

    state: Literal["succeeded", "degraded", "failed", "outdated", "pending"]
    message: str

    @classmethod
    def of(cls, status: StepStatus) -> StepState:
        """The state of a step."""
        return cls(state=status.state, message=printable(status.message))


class GateOut(BaseModel):
    """A quality gate: a figure, what it must be in words, and whether it is."""

    name: str
    value: float | None
    limit: str
    passed: bool | None


class StepFigures(StepState):
    """A step of one video with what its manifest says; empty where it never finished. Times in seconds."""

    device: str = ""
    started: str = ""
    finished: str = ""
    seconds: dict[str, float] = {}
    counts: dict[str, Any] = {}
    gates: list[GateOut] = []
    warnings: list[str] = []
    fallbacks: list[dict[str, str]] = []
    parameters: dict[str, Any] = {}

    @classmethod
    def of(cls, status: StepStatus) -> StepFigures:
        """The state and the manifest of a step."""
        state = StepState.of(status).model_dump()
        if (manifest := status.manifest) is None:
            return cls(**state)
        return cls(
            **state,
            device=manifest.device_used,
            started=manifest.started,
            finished=manifest.finished,
            seconds=dict(manifest.seconds),
            counts=dict(manifest.counts),
            gates=[GateOut(**asdict(gate)) for gate in manifest.gates],
            warnings=[printable(text) for text in manifest.warnings],
            fallbacks=[{k: printable(v) for k, v in asdict(rung).items()} for rung in manifest.fallbacks],
            parameters=dict(manifest.parameters),
        )


class VideoOut(Name):
    """A video and how every step stands for it."""

    steps: dict[str, StepState]

    @classmethod
    def at(cls, status: VideoStatus) -> VideoOut:
        """A video's status."""
        steps = {key: StepState.of(step) for key, step in status.steps.items()}
        return cls(**Name.of(status.video.name).model_dump(), steps=steps)


class VideoDetail(Name):
    """A video with all figures of its steps."""

    steps: dict[str, StepFigures]

    @classmethod
    def at(cls, status: VideoStatus) -> VideoDetail:
        """A video's status."""
        steps = {key: StepFigures.of(step) for key, step in status.steps.items()}
        return cls(**Name.of(status.video.name).model_dump(), steps=steps)


class ProjectOut(Name):
    """A project and its videos."""

    videos: list[VideoOut]

    @classmethod
    def at(cls, project: Project, videos: list[VideoStatus]) -> ProjectOut:
        """A project's status."""
        return cls(**Name.of(project.name).model_dump(), videos=[VideoOut.at(video) for video in videos])


class ProjectList(BaseModel):
    """Some projects, by name; `total` counts all."""

    projects: list[ProjectOut]
    total: int


class VideoList(BaseModel):
    """The videos of a project."""

    videos: list[VideoOut]


class ArtifactOut(Name):
    """A file that a step left: its size in bytes, and where it is to be had."""

    size: int
    modified: datetime
    step: str
    role: str
    video: Name | None
    url: str

    @classmethod
    def at(cls, project: Project, artifact: Artifact) -> ArtifactOut:
        """An artifact of a project."""
        return cls(
            key=artifact.key,
            name=printable(str(artifact.path)),
            size=artifact.size,
            modified=artifact.modified,
            step=artifact.step,
            role=artifact.role,
            video=Name.of(artifact.video) if artifact.video else None,
            url=f"/api/projects/{Name.of(project.name).key}/artifacts/{artifact.key}",
        )


class ArtifactList(BaseModel):
    """The files that steps and exports left in a project."""

    artifacts: list[ArtifactOut]
