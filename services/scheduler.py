"""Gives ready step runs to free slots, sees each through to its end, and carries out what people ask for.

All that it knows is in the store and in the folders of the steps: it may be killed at any moment, and the next one
goes on from there. Only one works on a data folder at a time (services/worker_lock.py).
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.executors import Executor, RunningStep
from services.executors.local import LocalExecutor
from services.pipeline import Pipeline, StepDefinition
from services.planning import FIRST_STEP, FROM_INBOX, all_projects, command, environment_of, plan_made
from services.runs import Conflict, NewEvent, PlannedStep, Run, Runs, StepRun, UnknownRun
from services.slots import Slot, Slots
from services.states import TransitionError
from services.step_results import GOOD, retry_delay, state_of
from services.supervision.processes import ProcessIdentity, boot_id, is_alive
from services.supervision.step_command import Command
from services.supervision.step_folder import StepFolder, read_object, write_object
from services.supervision.step_handle import Handle, Limits
from services.supervision.step_outcomes import Ended, Stop
from services.turns import Turns, decide, free
from services.watched_step import WatchedStep
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.paths import logs_folder

#: Seconds between two looks at the running steps, and between two heartbeats.
LOOK_S = 0.5
BEAT_S = 10.0
#: Seconds after which the store is read though nothing was written: what was put off may be due.
REREAD_S = 1.0
#: Why steps end with their worker.
_WORKER_STOPS = Stop("worker", "The worker was stopped, and its steps with it; what was finished is kept.")
_LOG = logging.getLogger("workflow.worker")


def limits_of(definition: StepDefinition) -> Limits:
    """What the graph lets a step take."""
    return Limits(stall_s=definition.stall_s, kill_stalled=definition.kill_stalled, timeout_s=definition.timeout_s)


def runs_folder() -> Path:
    """Where the folders of the runs are, and in them those of each attempt of a step."""
    return logs_folder() / "runs"


def attempt_folder(step: StepRun) -> Path:
    """The folder of the process of a step run's present attempt."""
    return runs_folder() / str(step.run_id) / f"{step.id}.{step.attempt}"


@dataclass
class Scheduler:
    """Does the work of the store.

    Args:
        runs: the store.
        pipeline: the graph.
        slots: how many steps run at once.
        owner: who takes step runs, for people.
        only: begin step runs of this run alone; None of all. Those that run already are seen through either way.
        executor: makes what starts steps within limits.
        argv: the command line of a step for a project.
    """

    runs: Runs
    pipeline: Pipeline
    slots: Slots
    owner: str = "worker"
    only: int | None = None
    executor: Callable[[Limits], Executor] = LocalExecutor
    argv: Callable[..., list[str]] = command
    _watched: dict[int, WatchedStep] = field(default_factory=dict)
    _turns: Turns = field(default_factory=Turns)
    _requests: dict[int, Run] = field(default_factory=dict)
    _seen: int = -1
    _next_look: float = 0.0
    _next_beat: float = 0.0
    _next_read: float = 0.0

    def recover(self) -> None:
        """Take up what an earlier one left: book as interrupted what went down with the machine, and queue it anew.

        What still runs is adopted, and what ended meanwhile booked, at the next `tick`.
        """
        for step in self.runs.steps.interrupt_other_boots(boot_id()):
            with contextlib.suppress(Conflict, TransitionError):  # somebody began the same anew, or cancelled it
                self.runs.steps.requeue(
                    step.id, attempt=step.attempt + 1, reason=f"{step.reason} It is begun anew."
                )

    def tick(self) -> None:
        """Look at what has happened and do what is to be done; returns soon. Call it ten times a second or so.

        Raises:
            StoreError: the store cannot be written just now; nothing is lost, call again.
        """
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            self._look_at_all()
        last = self.runs.events.last_id()
        if last != self._seen or now >= self._next_read:
            self._seen, self._next_read = last, now + REREAD_S
            self._act()
        if self._watched and now >= self._next_beat:
            self._next_beat = now + BEAT_S
            self.runs.steps.beat(self._watched)

    def _look_at_all(self) -> None:
        """Write down what the steps tell; what this writes itself is no reason to read the store again."""
        if not self._watched:
            return
        before = self.runs.events.last_id()
        ended = [self._look(watched) for watched in list(self._watched.values())]
        if any(ended):
            self._next_read = 0.0
        elif before == self._seen:
            self._seen = self.runs.events.last_id()

    @property
    def running(self) -> int:
        """How many steps it watches."""
        return len(self._watched)

    def stop_steps(self) -> None:
        """Ask all that runs to end and see it end; it is queued anew."""
        for watched in self._watched.values():
            watched.stop(_WORKER_STOPS)
        while self._watched:
            for watched in list(self._watched.values()):
                self._look(watched)
            time.sleep(0.05)

    def _act(self) -> None:
        """Adopt, obey, skip and begin, as the store says."""
        steps = self.runs.steps.active()
        self._requests = {
            step.run_id: self._requests[step.run_id] for step in steps if step.run_id in self._requests
        }
        for step in steps:
            if step.state == "running":
                (self._watched.get(step.id) or self._adopt(step)).obey(step)
        due = {step.id for step in self.runs.steps.ready() if self.only in (None, step.run_id)}
        decision = decide(self.pipeline, steps, due, self._produced)
        for step, reason in decision.skipped:
            if self.only in (None, step.run_id):
                self.runs.steps.skip(step.id, reason)
        if decision.ready:
            self._begin(list(decision.ready), [step for step in steps if step.state == "running"])

    def _begin(self, ready: list[StepRun], running: list[StepRun]) -> None:
        """Give free slots to those whose turn it is."""
        while ready:
            priorities = {step.run_id: self._run(step).request.priority for step in ready}
            for step in self._turns.order(ready, priorities):
                definition = self.pipeline[step.step]
                device = self._run(step).request.options.device
                slot = self.slots.free_for(definition, device, [one.slot or "" for one in running])
                if slot is not None and free(self.pipeline, step, running):
                    break
            else:
                return
            ready.remove(step)
            claimed = self._start(step, definition, slot)
            if claimed is not None:
                running.append(claimed)

    def _start(self, step: StepRun, definition: StepDefinition, slot: Slot) -> StepRun | None:
        claimed = self.runs.steps.claim(
            step.id, owner=self.owner, boot_id=boot_id(), slot=slot.name, device=slot.device
        )
        if claimed is None:
            return None
        self._turns.served(claimed)
        try:
            running = self._process(claimed, definition, slot)
        except WorkflowError as error:
            self._could_not_start(claimed, definition, error)
            return None
        self._watched[claimed.id] = WatchedStep(claimed, running)
        self._note_process(claimed, running)
        return claimed

    def _process(self, step: StepRun, definition: StepDefinition, slot: Slot) -> RunningStep:
        folder = attempt_folder(step)
        _clear(folder)
        if step.step == FIRST_STEP:
            _note_projects(folder.parent)
        argv = self.argv(definition, step.project, self._run(step).request.options)
        environment = environment_of(definition, slot.environment)
        return self.executor(limits_of(definition)).start(Command(argv, environment), folder)

    def _note_process(self, step: StepRun, running: RunningStep) -> None:
        identity = running.identity if isinstance(running, Handle) else None
        if identity is not None:
            files = StepFolder(attempt_folder(step))
            self.runs.steps.started(
                step.id,
                pid=identity.pid,
                create_time=identity.create_time,
                boot_id=identity.boot_id,
                log_path=str(files.log),
                events_path=str(files.events),
            )

    def _could_not_start(self, step: StepRun, definition: StepDefinition, error: WorkflowError) -> None:
        """A step whose process cannot be started: tried again where that can help."""
        if error.retry and step.attempt <= len(definition.retry_after_s):
            self._again(step, definition.retry_after_s[step.attempt - 1], str(error))
        else:
            self.runs.steps.finish(step.id, "failed", seconds=0.0, exit_code=error.exit_code, reason=str(error))

    def _adopt(self, step: StepRun) -> WatchedStep:
        """Watch a step that another process began, whether it still runs or not."""
        _LOG.info("%s: adopted", step)
        definition = self._definition(step)
        limits = limits_of(definition) if definition else Limits()
        running = self.executor(limits).adopt(attempt_folder(step), step.events_offset)
        watched = self._watched[step.id] = WatchedStep(step, running)
        if step.pid is None:
            self._note_process(step, running)
        return watched

    def _look(self, watched: WatchedStep) -> bool:
        """Write down what a step tells; whether it has ended."""
        try:
            ended = watched.look(self.runs)
            if ended is not None:
                self._end(watched, ended)
        except (UnknownRun, TransitionError) as error:  # somebody else booked its end
            _LOG.warning("%s", error)
        else:
            if ended is None:
                return False
        del self._watched[watched.id]
        return True

    def _end(self, watched: WatchedStep, ended: Ended) -> None:
        step = self.runs.steps.get(watched.id)
        if ended.died and step.pid is None and not StepFolder(attempt_folder(step)).process.exists():
            self.runs.steps.requeue(step.id, attempt=step.attempt, reason="It had not begun when the worker ended.")
            return
        if ended.stopped == "worker":  # an orderly end does not count as an attempt
            said = f"{ended.reason} It is begun anew."
            self.runs.steps.requeue(step.id, attempt=step.attempt, reason=said)
            return
        definition = self._definition(step)
        videos = self.runs.steps.videos(step.id)
        state = state_of(ended, videos)
        delay = retry_delay(definition, step, ended, videos) if definition and state == "failed" else None
        _LOG.info("%s: %s %s", step, state, ended.reason)
        if delay is not None:
            self._again(step, delay, ended.reason)
            return
        if step.step == FIRST_STEP:
            self._plan_made(step)
        self.runs.steps.finish(
            step.id, state, seconds=ended.seconds, exit_code=ended.exit_code, reason=ended.reason
        )

    def _again(self, step: StepRun, delay: float, reason: str) -> None:
        """Queue a step anew; the folder of its next attempt is another one."""
        later = datetime.now(UTC) + timedelta(seconds=delay) if delay else None
        when = f"tried again in {delay:g} s" if delay else "begun anew"
        said = f"{reason} It is {when} (attempt {step.attempt + 1})."
        self.runs.steps.requeue(step.id, attempt=step.attempt + 1, not_before=later, reason=said)

    def _plan_made(self, step: StepRun) -> None:
        """Add the steps of the projects that STEP1 made to its run, before that can be over."""
        run = self.runs.show(step.run_id).run
        if run.request.projects:  # of a run for named projects, or added before the last worker died
            return
        before = set((read_object(_projects_note(attempt_folder(step).parent)) or {}).get("projects", ()))
        new = [name for name in all_projects() if run.request.origin != FROM_INBOX or name not in before]
        while True:
            planned = self._not_held(run, plan_made(run.request, new))
            try:
                self.runs.extend(run.id, list(dict.fromkeys(str(one.project) for one in planned)), planned)
                return
            except Conflict as conflict:  # begun since this one looked
                _LOG.info("%s", conflict)

    def _not_held(self, run: Run, planned: list[PlannedStep]) -> list[PlannedStep]:
        """What is planned, without the projects that another run works on."""
        active = [step for step in self.runs.steps.active() if step.active and step.run_id != run.id]
        held = {step.project: step.run_id for step in active if step.planned in planned}
        self.runs.events.append(
            NewEvent("warning", {"text": f"“{name}” is left to run {other}, which works on it."}, run.id)
            for name, other in held.items()
        )
        return [step for step in planned if step.project not in held]

    def _definition(self, step: StepRun) -> StepDefinition | None:
        """The step in the graph; None where it was taken out of it meanwhile."""
        return next((one for one in self.pipeline.steps if one.key == step.step), None)

    def _produced(self, step: StepRun) -> bool:
        return any(video.state in GOOD for video in self.runs.steps.videos(step.id))

    def _run(self, step: StepRun) -> Run:
        """The run of a step run; what was asked for does not change."""
        if step.run_id not in self._requests:
            self._requests[step.run_id] = self.runs.show(step.run_id).run
        return self._requests[step.run_id]


def _clear(folder: Path) -> None:
    """Remove what lies where a new attempt is to be: of a run of that number in a store that was put away.

    Raises:
        WorkflowError: a step of it still runs.
    """
    recorder = (read_object(StepFolder(folder).process) or {}).get("recorder")
    if recorder and is_alive(ProcessIdentity.from_json(recorder)):
        raise WorkflowError(f"{folder}: a step of another run of that number still works there.", retry=True)
    shutil.rmtree(folder, ignore_errors=True)


def forget_folders(runs: Runs) -> None:
    """Remove the folders of runs that the store has forgotten."""
    for folder in runs_folder().glob("[0-9]*"):
        try:
            runs.show(int(folder.name))
        except UnknownRun:
            shutil.rmtree(folder, ignore_errors=True)


def _projects_note(run_folder: Path) -> Path:
    return run_folder / "projects-before.json"


def _note_projects(run_folder: Path) -> None:
    """Note which projects there are before STEP1's first attempt, to know later which it made."""
    note = _projects_note(run_folder)
    try:
        if not note.exists():
            run_folder.mkdir(parents=True, exist_ok=True)
            write_object(note, {"projects": all_projects()})
    except OSError as error:
        raise WorkflowError(f"{note}: cannot be written ({error.strerror}).", retry=True) from error
