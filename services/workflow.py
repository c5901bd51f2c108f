"""Running the pipeline over projects from a terminal: which steps, on what, with what result."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from services import preflight
from services.database import Database
from services.following import Follower
from services.pipeline import Pipeline
from services.planning import FIRST_STEP, chosen, name_of, plan
from services.reports import NOTHING, StepReport, reports_of
from services.runs import Conflict, RunDetail, RunOptions, RunRequest, Runs, StepRun
from services.scheduler import Scheduler
from services.slots import slots
from services.status import VideoStatus, project_status
from services.supervision.step_logs import read_log
from services.worker_lock import Holder, WorkerLock, holder
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Project, named_path, projects_in

#: Where runs come from that a terminal waits for; without it nobody does.
FROM_SHELL = "shell"
IN_TERMINAL = "a run in a terminal"
_TICK_S = 0.05
#: Seconds between two looks at what steps print.
_SHOW_S = 0.2


def find_projects(names: Sequence[str]) -> tuple[Project, ...]:
    """The projects that names or paths mean.

    Raises:
        UsageError: there is no such project.
    """
    found = []
    for name in names:
        path = named_path(name)
        if not path.is_dir():
            known = ", ".join(project.name for project in projects_in(projects_folder())) or "none yet"
            raise UsageError(f"{name}: there is no such project.", hint=f"Known projects: {known}.")
        found.append(Project.at(path))
    return tuple(found)


def request_of(
    pipeline: Pipeline,
    projects: Sequence[Project] = (),
    steps: str | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008 - a value
    *,
    origin: str = FROM_SHELL,
    priority: int = 0,
) -> RunRequest:
    """What a person asks for; with projects named and no steps, all but the one that makes projects."""
    keys = list(chosen(pipeline, steps, options.parameters))
    if projects and steps is None:
        keys = [key for key in keys if key != FIRST_STEP]
    names = tuple(dict.fromkeys(name_of(project) for project in projects))
    return RunRequest(tuple(keys), names, options, priority, origin)


def run(pipeline: Pipeline, request: RunRequest, show: Callable[[str], None]) -> list[StepReport]:
    """Run a request and see it through; `show` takes each line that its steps print.

    Where a worker runs, it does the work; else this process does, and whoever kills it finds the run in the store.
    SIGINT and SIGTERM cancel the run, unless a worker does it: then it goes on.

    Raises:
        PreconditionError: something is missing; nothing was started.
        Conflict: another run that is at work does the same.
    """
    preflight.require(preflight.check(pipeline, request))
    for note in preflight.notes(pipeline, request):
        show(note)
    planned = plan(pipeline, request)
    if not planned:
        return [StepReport(pipeline[key], 0, 0.0, NOTHING) for key in request.sequence]
    with closing(Database()) as database, WorkerLock() as lock:
        runs = Runs(database)
        mine = lock.take(IN_TERMINAL)
        try:
            detail = runs.create(request, planned)
        except Conflict as conflict:
            if not mine or not _abandoned(runs, conflict.run_id):
                raise
            _end_abandoned(runs, pipeline, conflict.run_id, show)
            detail = runs.create(request, planned)
        return reports_of(pipeline, _see_through(runs, pipeline, detail.run.id, mine, show))


def see_through(pipeline: Pipeline, run_id: int, show: Callable[[str], None]) -> list[StepReport]:
    """See a run through that is in the store already, as `run` does."""
    with closing(Database()) as database, WorkerLock() as lock:
        runs = Runs(database)
        mine = lock.take(IN_TERMINAL)
        return reports_of(pipeline, _see_through(runs, pipeline, run_id, mine, show))


def statuses(pipeline: Pipeline, projects: Sequence[Project]) -> dict[str, list[VideoStatus]]:
    """Per project, every video's status in the steps that work on videos; equal names are told apart by path."""
    keys = [step.key for step in pipeline.steps if step.key != FIRST_STEP]
    found: dict[str, list[VideoStatus]] = {}
    for project in projects or projects_in(projects_folder()):
        name = project.name if project.name not in found else str(project.root)
        found[name] = project_status(project, keys)
    return found


def follow(pipeline: Pipeline, run_id: int, show: Callable[[str], None]) -> list[StepReport]:
    """Show what the steps of a run print until it is over; does nothing for it."""
    with closing(Database()) as database:
        runs = Runs(database)
        follower = Follower(runs, pipeline, run_id, show)
        while (detail := follower.look()).run.active:
            time.sleep(_SHOW_S)
        return reports_of(pipeline, detail)


def show_log(step: StepRun, show: Callable[[str], None]) -> None:
    """Show what a step run has printed so far, line by line."""
    offset, rest = 0, ""
    while step.log_path and (part := read_log(Path(step.log_path), offset)).next_offset != offset:
        *lines, rest = f"{rest}{part.text}".split("\n")
        for line in lines:
            show(line)
        offset = part.next_offset
    if rest:
        show(rest)


def _see_through(runs: Runs, pipeline: Pipeline, run_id: int, mine: bool, show: Callable[[str], None]) -> RunDetail:
    """Do a run, or wait while another process does it, and do it when that process has gone."""
    follower = Follower(runs, pipeline, run_id, show)
    scheduler = _scheduler(runs, pipeline, run_id) if mine else None
    told: Holder | None = None
    with _signals() as asked, WorkerLock() as later:
        shown = 0.0
        while True:
            if asked and not _stop_here(runs, run_id, scheduler, show):
                return runs.show(run_id)
            asked.clear()
            if scheduler is not None:
                scheduler.tick()
            elif told != (found := holder()) and found is not None:
                told = found
                show(f"Run {run_id}: done by {found}." if found.is_worker else f"Run {run_id} waits for {found}.")
            if time.monotonic() - shown >= _SHOW_S:
                shown = time.monotonic()
                detail = follower.look()
                if not detail.run.active:
                    return detail
                if scheduler is None and holder() is None and later.take(IN_TERMINAL):
                    scheduler = _scheduler(runs, pipeline, run_id)
            time.sleep(_TICK_S)


def _stop_here(runs: Runs, run_id: int, scheduler: Scheduler | None, show: Callable[[str], None]) -> bool:
    """What a signal means: cancel what this process does; leave to a worker what that does. Whether to go on."""
    found = holder()
    if scheduler is None and found is not None and found.is_worker:
        show(f"Run {run_id} goes on without this terminal; scripts/workflow cancel {run_id} ends it.")
        return False
    if runs.show(run_id).run.active:
        runs.cancel(run_id)
    return True


def _scheduler(runs: Runs, pipeline: Pipeline, run_id: int) -> Scheduler:
    scheduler = Scheduler(runs, pipeline, slots(), owner=IN_TERMINAL, only=run_id)
    scheduler.recover()
    return scheduler


def _abandoned(runs: Runs, run_id: int) -> bool:
    """Whether a run was begun by a terminal that has gone: nobody else works, or this would not be asked."""
    return runs.show(run_id).run.request.origin == FROM_SHELL


def _end_abandoned(runs: Runs, pipeline: Pipeline, run_id: int, show: Callable[[str], None]) -> None:
    """End what is left of a run whose terminal was killed; what it finished is kept and not done again."""
    show(f"Run {run_id} was left by its terminal: it is ended, and what it finished is kept.")
    scheduler = _scheduler(runs, pipeline, run_id)
    if runs.show(run_id).run.active:
        runs.cancel(run_id)
    while runs.show(run_id).run.active:
        scheduler.tick()
        time.sleep(_TICK_S)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying of them."""
    asked: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
