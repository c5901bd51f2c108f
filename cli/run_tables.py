"""Runs as tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime

from cli.tables import table
from services.database import NAME, Database
from services.planning import WouldDo
from services.runs import Run, RunFilter, Runs, StepRun
from services.states import ACTIVE
from services.worker_lock import holder
from workflow_scripts.common.events import about, printable
from workflow_scripts.common.paths import data_folder


def dry_run_lines(rows: Sequence[WouldDo]) -> list[str]:
    """What each step would do about each video, and why."""
    several = len({row.project for row in rows if row.project is not None}) > 1
    lines = []
    for row in rows:
        label = f"{row.step} {row.project}" if several and row.project else row.step
        lines.append(printable(f"{label} | {row.video}: {row.reason}"))
    return lines or ["There is nothing to work on."]


def active_lines() -> list[str]:
    """What runs and waits now; nothing where no run was ever asked for."""
    if not (data_folder() / NAME).is_file():
        return []
    with closing(Database()) as database:
        runs = Runs(database)
        active = runs.page(RunFilter(states=ACTIVE)).runs
        lines = [line for run in active for line in run_lines(run, runs.show(run.id).steps)]
    if not lines:
        return []
    at_work = holder()
    return [f"At work: {at_work}" if at_work else "Nobody is at work: scripts/workflow worker start", *lines]


def run_lines(run: Run, steps: Sequence[StepRun]) -> list[str]:
    """A run in a line, and its steps that have something to tell in a line each."""
    done = sum(not step.active for step in steps)
    lines = [f"Run {run.id}: {run.state}, {done} of {len(steps)} steps done"]
    for step in steps:
        held = step.active and (step.pause_requested or step.cancel_requested)
        if step.state == "running" or held or (step.reason and step.state != "succeeded"):
            lines.append(printable(f"  {about(str(step.planned), _standing(step))}"))
    return lines


def history_lines(runs: Sequence[Run]) -> list[str]:
    """Runs, newest first."""
    rows = [
        [
            str(run.id),
            run.state,
            _moment(run.created),
            f"{run.seconds:.0f}",
            run.request.origin,
            " ".join(key.removeprefix("STEP") for key in run.request.sequence),
            ", ".join(run.request.projects) or "all",
        ]
        for run in runs
    ]
    return table(["run", "state", "asked for", "seconds", "from", "steps", "projects"], rows)


def _standing(step: StepRun) -> str:
    words: list[str] = [step.state]
    words += ["paused"] if step.paused else ["is to pause"] if step.pause_requested else []
    words += ["stalled: nothing was heard of it for long"] if step.stalled else []
    words += ["is to end"] if step.cancel_requested and step.active else []
    progress = step.progress
    if progress is not None and progress.total and step.state == "running":
        words.append(f"{progress.done / progress.total:.0%} of {progress.video or 'all'}")
    return ", ".join(words) + (f": {step.reason}" if step.reason else "")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
