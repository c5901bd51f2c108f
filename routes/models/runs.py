"""Runs and their step runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, Field, StringConstraints, field_validator

from routes.models.common import LARGEST, Asked, Name
from services.runs import Run, RunDetail, StepRun, VideoState
from services.states import State
from workflow_scripts.common.devices import DEVICES
from workflow_scripts.common.events import printable

#: A text that fits on a line of a command.
Word = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RunAsked(Asked):
    """What to run: which steps, on which projects, how."""

    sequence: Word | list[Word] = Field(
        default="all",
        description="`all`, steps or a range as one text (`3`, `3-5`, `1,3,STEP6`), or a list in the wanted order.",
    )
    projects: list[Word] = Field(
        default=[], max_length=1000, description="Keys or names; none is the inbox and all projects."
    )
    force: bool = Field(default=False, description="Do again what is up to date.")
    device: Literal["auto", "cpu", "cuda"] | None = None
    parameters: dict[Word, dict[Word, bool | int | float | Word | None]] = Field(
        default={}, description="Values for this run only, by step and name."
    )
    priority: int = Field(default=0, ge=-100, le=100, description="The larger, the sooner.")


assert set(DEVICES) == {"auto", "cpu", "cuda"}


class RunsAsked(Asked):
    """Which runs to list."""

    state: str | None = Field(default=None, description="One or several states, with commas.")
    origin: str | None = None
    project: str | None = Field(default=None, description="Key or name.")
    step: str | None = None
    before: int | None = Field(default=None, ge=0, le=LARGEST, description="`older` of the page before this one.")
    limit: int = Field(default=50, ge=1, le=500)

    @field_validator("state")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        known = get_args(State)
        if text is not None and not set(text.split(",")) <= set(known):
            raise ValueError(f"known are {', '.join(known)}")
        return text


class RunOut(BaseModel):
    """A run: what was asked for, and how it stands; `seconds` is how long it was running."""

    id: int
    state: State
    created: datetime
    started: datetime | None
    finished: datetime | None
    seconds: float
    sequence: list[str]
    projects: list[Name]
    force: bool
    device: str | None
    parameters: dict[str, dict[str, bool | int | float | str | None]]
    priority: int
    origin: str
    retry_of: int | None

    @classmethod
    def at(cls, run: Run) -> RunOut:
        """A run of the store."""
        asked = run.request
        return cls(
            id=run.id,
            state=run.state,
            created=run.created,
            started=run.started,
            finished=run.finished,
            seconds=run.seconds,
            sequence=list(asked.sequence),
            projects=[Name.of(name) for name in asked.projects],
            force=asked.options.force,
            device=asked.options.device,
            parameters={step: dict(values) for step, values in asked.options.parameters.items()},
            priority=asked.priority,
            origin=asked.origin,
            retry_of=asked.retry_of,
        )


class RunList(BaseModel):
    """Some runs, newest first; `older` is `before` for the next page, null on the last."""

    runs: list[RunOut]
    total: int
    older: int | None


class ProgressOut(BaseModel):
    """How far a step is: `done` of `total` units of a video, or of all."""

    done: float
    total: float
    unit: str
    video: Name | None


class RunVideo(Name):
    """How one video stands within a step run, in the step's own words."""

    state: str
    message: str
    updated: datetime

    @classmethod
    def at(cls, video: VideoState) -> RunVideo:
        """A video's state of the store."""
        name = Name.of(video.video).model_dump()
        return cls(**name, state=printable(video.state), message=printable(video.message), updated=video.updated)


class StepRunOut(BaseModel):
    """One step of a run for one project; without a project it is for all there is."""

    id: int
    run: int
    step: str
    project: Name | None
    position: int
    state: State
    attempt: int
    not_before: datetime | None
    reason: str
    slot: str | None
    device: str | None
    started: datetime | None
    heartbeat: datetime | None
    progress: ProgressOut | None
    finished: datetime | None
    seconds: float | None
    exit_code: int | None
    cancel_requested: bool
    pause_requested: bool
    paused: bool
    stalled: bool
    log: str | None = Field(description="Where its log is to be had.")
    videos: list[RunVideo]

    @classmethod
    def at(cls, step: StepRun, videos: list[VideoState]) -> StepRunOut:
        """A step run of the store, with its videos."""
        same = (
            *("id", "step", "position", "state", "attempt", "not_before", "slot", "device", "started", "heartbeat"),
            *("finished", "seconds", "exit_code", "cancel_requested", "pause_requested", "paused", "stalled"),
        )
        progress = step.progress
        return cls(
            **{name: getattr(step, name) for name in same},
            run=step.run_id,
            project=Name.of(step.project) if step.project is not None else None,
            reason=printable(step.reason),
            progress=ProgressOut(
                done=progress.done,
                total=progress.total,
                unit=printable(progress.unit),
                video=Name.of(progress.video) if progress.video else None,
            )
            if progress
            else None,
            log=f"/api/steps/{step.id}/log" if step.log_path else None,
            videos=[RunVideo.at(video) for video in videos],
        )


class RunDetailOut(RunOut):
    """A run with its step runs, in their order."""

    steps: list[StepRunOut]

    @classmethod
    def of(cls, detail: RunDetail, videos: dict[int, list[VideoState]]) -> RunDetailOut:
        """A run of the store, with the videos of each of its step runs."""
        steps = [StepRunOut.at(step, videos.get(step.id, [])) for step in detail.steps]
        return cls(**RunOut.at(detail.run).model_dump(), steps=steps)


class PlanEntry(BaseModel):
    """One piece of work: whether it would be done, and why (`new`, `input changed`, …, `up to date`)."""

    step: str
    project: Name | None
    video: Name | None
    reason: str


class FindingOut(BaseModel):
    """Something a run needs: `problem` stops it, `note` is worth knowing; `remedy` says what to do."""

    what: str
    verdict: Literal["ok", "note", "problem"]
    text: str
    remedy: str


class PlanOut(BaseModel):
    """What a run would do, and whether what it needs is there. Nothing was started."""

    ready: bool
    findings: list[FindingOut]
    entries: list[PlanEntry]
