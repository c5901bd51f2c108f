"""What a run is made of, as values; times are aware and in UTC, durations are seconds of a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.states import ACTIVE, State
from workflow_scripts.common.errors import UsageError, WorkflowError


class Conflict(WorkflowError):
    """Raised when a run that is not over holds the same step of the same project; `run_id` tells which."""

    def __init__(self, planned: PlannedStep, run_id: int) -> None:
        super().__init__(
            f"{planned} is already part of run {run_id}, which is not over.",
            hint="Wait for it, or cancel it.",
            retry=True,
        )
        self.run_id = run_id


class UnknownRun(UsageError):
    """Raised when a number names no run or step run: it never existed, or its history was cleared."""

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(f"There is no {kind} {number}.")


@dataclass(frozen=True)
class Clock:
    """Where times come from: `now` for people, `monotonic` (seconds) for durations; nobody can move that one."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class RunOptions:
    """What was asked for this run only; `parameters` holds values by name, per step key."""

    force: bool = False
    device: str | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedStep:
    """One step to run for one project; None is all there is (STEP1, or all projects at once)."""

    step: str
    project: str | None = None

    def __str__(self) -> str:
        return self.step if self.project is None else f"{self.step} of “{self.project}”"


@dataclass(frozen=True)
class RunRequest:
    """What somebody asks for: steps by key in their order, projects by folder name (none: the inbox and all)."""

    sequence: tuple[str, ...]
    projects: tuple[str, ...] = ()
    options: RunOptions = RunOptions()
    priority: int = 0
    origin: str = "dashboard"
    retry_of: int | None = None


@dataclass(frozen=True)
class Run:
    """One run; the larger its priority, the sooner its turn.

    `started` and `finished` are for people; `seconds` is how long it was running in all, until it last
    stopped.
    """

    id: int
    created: datetime
    request: RunRequest
    state: State
    started: datetime | None
    finished: datetime | None
    seconds: float

    def __str__(self) -> str:
        return f"Run {self.id}"

    @property
    def active(self) -> bool:
        """Whether there is still something to do."""
        return self.state in ACTIVE


@dataclass(frozen=True)
class Progress:
    """How far a step is: `done` of `total` units of one video, or of all where `video` is empty."""

    done: float
    total: float
    unit: str = ""
    video: str = ""


@dataclass(frozen=True)
class StepRun:
    """One step of a run for one project.

    `pid`, `create_time` and `boot_id` together identify its process; `boot_id` is there from the claim on, the
    other two once it has started. `seconds` is what its last attempt took.
    """

    id: int
    run_id: int
    step: str
    project: str | None
    position: int
    state: State
    attempt: int
    not_before: datetime | None
    reason: str
    owner: str | None
    pid: int | None
    create_time: float | None
    boot_id: str | None
    slot: str | None
    device: str | None
    started: datetime | None
    heartbeat: datetime | None
    progress: Progress | None
    finished: datetime | None
    seconds: float | None
    exit_code: int | None
    log_path: str | None
    events_path: str | None
    events_offset: int
    cancel_requested: bool
    pause_requested: bool
    paused: bool
    stalled: bool

    def __str__(self) -> str:
        return f"{self.planned} in run {self.run_id}"

    @property
    def planned(self) -> PlannedStep:
        """What it does, without how it stands."""
        return PlannedStep(self.step, self.project)

    @property
    def active(self) -> bool:
        """Whether there is still something to do."""
        return self.state in ACTIVE


@dataclass(frozen=True)
class VideoState:
    """How one video stands within a step run, in the step's own words; `message` where it is not plainly good."""

    step_run_id: int
    video: str
    state: str
    message: str
    updated: datetime


@dataclass(frozen=True)
class NewEvent:
    """Something that happened, not yet written; `data` must be representable as JSON."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    run_id: int | None = None
    step_run_id: int | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened; ids grow in the order of commits and are never used again.

    The store's own kinds are `run` and `step` (how one stands now), `progress` and `video`; whatever else a step or
    the controller reports is there under the name they gave it.
    """

    id: int
    time: datetime
    kind: str
    data: Mapping[str, Any]
    run_id: int | None
    step_run_id: int | None


@dataclass(frozen=True)
class RunDetail:
    """A run and its step runs, in their order."""

    run: Run
    steps: tuple[StepRun, ...]

    @property
    def to_retry(self) -> tuple[PlannedStep, ...]:
        """What a new run would have to do: all that was tried or wanted and is neither done nor still to come."""
        again = ("failed", "cancelled", "interrupted", "skipped")
        return tuple(step.planned for step in self.steps if step.state in again)


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; what is empty or None does not matter. `project` and `step` are about one step run."""

    states: tuple[State, ...] = ()
    origin: str | None = None
    project: str | None = None
    step: str | None = None


@dataclass(frozen=True)
class RunPage:
    """Some runs, newest first; `total` counts all that pass the filter, `older` is `before` for the next page."""

    runs: tuple[Run, ...]
    total: int
    older: int | None
