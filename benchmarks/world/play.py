"""Pretending to work: a run whose steps make progress, though no process does anything."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from benchmarks.world.projects import STEPS
from services.runs import PlannedStep, RunRequest, Runs, StepRun
from services.supervision.processes import boot_id
from services.worker_lock import WorkerLock
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.projects import Project

#: Seconds between two reports of a step, as the worker reads them.
PAUSE_S = 0.5
_FRAMES, _REPORTS = 1500, 8


def play(
    runs: Runs,
    projects: Sequence[Project],
    stop: threading.Event,
    done: Callable[[int], None],
    what: str = "worker",
) -> None:
    """Hold the worker's place and let one run after the other make progress until told to stop.

    Args:
        runs: the store.
        projects: on which; two more runs than the one at work wait in the queue.
        stop: ends it; what is not over then is cancelled.
        done: told the id of each run that begins.
        what: who is said to do the work; a `worker` is ended by whoever stops the worker.
    """
    with WorkerLock() as lock:
        if not lock.take(what):
            raise WorkflowError("Another process does the work of this data folder.")
        waiting = [_ask(runs, project) for project in projects[:2]]
        turn = 2
        try:
            while not stop.is_set():
                waiting.append(_ask(runs, projects[turn % len(projects)]))
                turn += 1
                run_id = waiting.pop(0)
                done(run_id)
                for step in runs.show(run_id).steps:
                    _work(runs, step, projects[(turn - 3) % len(projects)], stop)
        finally:
            for run in runs.page(limit=10).runs:
                if run.active:
                    runs.cancel(run.id)
                for step in runs.show(run.id).steps:
                    if step.state == "running":
                        runs.steps.finish(step.id, "cancelled", seconds=1.0)


def _ask(runs: Runs, project: Project) -> int:
    steps = STEPS[1:]
    planned = [PlannedStep(step, project.name) for step in steps]
    return runs.create(RunRequest(steps, (project.name,)), planned).run.id


def _work(runs: Runs, step: StepRun, project: Project, stop: threading.Event) -> None:
    """One step: its videos, each with its progress; cancelled where that is asked for."""
    slot = "GPU-0" if step.step in ("STEP3", "STEP4") else "cpu"
    device = "cuda" if slot == "GPU-0" else "cpu"
    taken = runs.steps.claim(step.id, owner=f"worker {os.getpid()}", boot_id=boot_id(), slot=slot, device=device)
    names = [video.name for video in project.videos()]
    seconds = 0.0
    for name in names if taken else ():
        runs.steps.book(step.id, 1, [("video", {"video": name, "state": "running", "reason": "new"})])
        for part in range(1, _REPORTS + 1):
            if stop.wait(PAUSE_S) or runs.steps.get(step.id).cancel_requested:
                runs.steps.finish(step.id, "cancelled", seconds=seconds, reason="It was cancelled.")
                return
            seconds += PAUSE_S
            far = {"video": name, "done": _FRAMES * part // _REPORTS, "total": _FRAMES, "unit": "frames"}
            runs.steps.book(step.id, 1, [("progress", far)])
            runs.steps.beat([step.id])
        ended = {"video": name, "state": "succeeded", "message": "", "seconds": _REPORTS * PAUSE_S, "length": 60.0}
        runs.steps.book(step.id, 1, [("video", ended)])
    if taken:
        runs.steps.finish(step.id, "succeeded", seconds=seconds, exit_code=0)
