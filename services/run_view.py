"""A run as a table of projects and steps, and what its events say."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.names import Named, key_of
from services.runs import Event, RunDetail, StepRun, VideoState
from workflow_scripts.common.events import printable

#: What an event of the store says of a step run or run is in its state; the rest is shown as it is.
_TEXTS = {"warning": "text", "artifact": "path", "video": "message", "step": "reason"}
_SHOWN_ELSEWHERE = ("time", "state", "step", "project", "video", "text", "path", "message", "reason")


@dataclass(frozen=True)
class RunCell:
    """One step run in the table of its run: `videos` counts them by their state in the step's own words."""

    step: StepRun
    videos: Mapping[str, int]

    @property
    def state(self) -> str:
        """How it stands, a request that is not yet followed included."""
        return shown_state(self.step)

    @property
    def failed(self) -> int:
        """How many of its videos failed."""
        return self.videos.get("failed", 0)


@dataclass(frozen=True)
class RunRow:
    """The step runs of one project by step; `project` None is all there is, `link` the key of its page, if any."""

    project: Named | None
    link: str | None
    cells: Mapping[str, RunCell]


@dataclass(frozen=True)
class RunTable:
    """The step runs of a run, projects down and steps across, both in the order of the run."""

    steps: tuple[str, ...]
    rows: tuple[RunRow, ...]


@dataclass(frozen=True)
class Said:
    """An event for people: what it is about, the state it tells, and the rest as a text."""

    id: int
    time: datetime
    kind: str
    step: str
    project: str
    video: str
    state: str
    text: str


def shown_state(step: StepRun) -> str:
    """The state of a step run for people: a paused or stalled one is said to be so."""
    if step.active and (step.paused or (step.pause_requested and step.state == "queued")):
        return "paused"
    return "stalled" if step.state == "running" and step.stalled else step.state


def table(detail: RunDetail, videos: Mapping[int, Sequence[VideoState]]) -> RunTable:
    """The table of a run.

    Args:
        detail: the run.
        videos: the videos of its step runs, by the ids of those.
    """
    rows: dict[str | None, dict[str, RunCell]] = {}
    for step in detail.steps:
        cell = RunCell(step, Counter(video.state for video in videos.get(step.id, ())))
        rows.setdefault(step.project, {})[step.step] = cell
    present = {step.step for step in detail.steps}
    steps = tuple(key for key in detail.run.request.sequence if key in present)
    return RunTable(steps, tuple(_row(project, cells) for project, cells in rows.items()))


def project_link(project: str | None) -> str | None:
    """The key of a project's page; None for what is no project, or lies elsewhere."""
    return None if project is None or os.sep in project else key_of(project)


def worth_showing(detail: RunDetail) -> StepRun | None:
    """The step run that one looks at first: what runs, else what failed, else what ended last, else the first."""
    for states in (("running",), ("failed", "interrupted"), ("degraded",)):
        found = next((step for step in detail.steps if step.state in states), None)
        if found is not None:
            return found
    ended = [step for step in detail.steps if step.log_path is not None]
    return next(iter(ended[-1:] or detail.steps), None)


def said(event: Event, steps: Mapping[int, StepRun]) -> Said:
    """An event for people.

    Args:
        event: the event.
        steps: the step runs of the run, by id.
    """
    data = event.data
    about = steps.get(event.step_run_id or 0)
    text = str(data.get(_TEXTS.get(event.kind, ""), "") or "")
    rest = {name: value for name, value in data.items() if name not in _SHOWN_ELSEWHERE and value not in (None, "")}
    if not text and event.kind not in ("run", "step", "video"):
        text = ", ".join(f"{name} {_brief(value)}" for name, value in rest.items())
    return Said(
        id=event.id,
        time=event.time,
        kind=printable(event.kind),
        step=about.step if about else "",
        project=printable(about.project or "") if about else "",
        video=printable(str(data.get("video") or "")),
        state=printable(str(data.get("state") or "")),
        text=printable(text),
    )


def _brief(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_brief(inner)}" for name, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _row(project: str | None, cells: Mapping[str, RunCell]) -> RunRow:
    return RunRow(None if project is None else Named.of(project), project_link(project), cells)
