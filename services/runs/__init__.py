"""The table of runs: what was asked for, what runs, what became of it. The one truth that all processes share."""

from services.runs.events import Events
from services.runs.model import (
    Clock,
    Conflict,
    Event,
    NewEvent,
    PlannedStep,
    Progress,
    Run,
    RunDetail,
    RunFilter,
    RunOptions,
    RunPage,
    RunRequest,
    StepRun,
    UnknownRun,
    VideoState,
)
from services.runs.step_runs import StepRuns
from services.runs.store import Runs

__all__ = [
    "Clock",
    "Conflict",
    "Event",
    "Events",
    "NewEvent",
    "PlannedStep",
    "Progress",
    "Run",
    "RunDetail",
    "RunFilter",
    "RunOptions",
    "RunPage",
    "RunRequest",
    "Runs",
    "StepRun",
    "StepRuns",
    "UnknownRun",
    "VideoState",
]
