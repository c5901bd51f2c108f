"""Running steps in the foreground: in the order of the graph, side by side where slots allow."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from services.pipeline import Pipeline, StepDefinition
from workflow_scripts.common.paths import ROOT

#: Exit statuses from the gravest down: the run's is the gravest of its steps'.
_GRAVITY = (130, 2, 3, 1, 0)
_NOT_STARTED = (2, 3)
_PATIENCE = 10.0


@dataclass(frozen=True)
class StepReport:
    """How one step of a run ended; `exit_code` None means it was not started, `reason` says why."""

    step: StepDefinition
    exit_code: int | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Slots:
    """How many steps of each kind may run at once; without a GPU its steps take CPU slots."""

    cpu: int
    gpu: int

    def free_for(self, step: StepDefinition, running: Sequence[StepDefinition]) -> bool:
        """Whether a step may start beside those that run."""
        on_gpu = [other for other in running if other.slot == "gpu" and self.gpu]
        if step.slot == "gpu" and self.gpu:
            return len(on_gpu) < self.gpu
        return len(running) - len(on_gpu) < self.cpu


def run_steps(
    pipeline: Pipeline,
    steps: Sequence[StepDefinition],
    commands: Mapping[str, Callable[[], Sequence[str] | None]],
    slots: Slots,
    show: Callable[[str], None],
) -> list[StepReport]:
    """Run steps and return how each ended, in the order they ended.

    Args:
        pipeline: the graph.
        steps: the chosen steps; needs that are not chosen count as met.
        commands: per step key, what makes its command line when it starts; None has nothing to work on.
        slots: how many run at once.
        show: takes each line of a step's output.

    A step whose need could not start (exit 2 or 3) is not started. On SIGINT or SIGTERM the running steps are
    ended and what they finished is kept.
    """
    return _Foreground(pipeline, commands, slots, show).run(steps)


def exit_code(reports: Sequence[StepReport]) -> int:
    """The gravest exit status among steps; a step that was not started counts through the one it needed."""
    codes = {report.exit_code for report in reports if report.exit_code is not None}
    known = {code if code in _GRAVITY else 1 for code in codes}
    return next((code for code in _GRAVITY if code in known), 0)


@dataclass
class _Running:
    process: subprocess.Popen[str]
    reader: threading.Thread
    started: float


@dataclass
class _Foreground:
    pipeline: Pipeline
    commands: Mapping[str, Callable[[], Sequence[str] | None]]
    slots: Slots
    show: Callable[[str], None]
    running: dict[str, _Running] = field(default_factory=dict)
    reports: list[StepReport] = field(default_factory=list)
    lines: queue.Queue[str] = field(default_factory=queue.Queue)

    def run(self, steps: Sequence[StepDefinition]) -> list[StepReport]:
        waiting = {step.key for step in steps}
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            while waiting or self.running:
                self._start_ready(waiting)
                self._pass_on_lines()
                self._book_ended()
        except KeyboardInterrupt:
            self._end_all()
            self._pass_on_lines()
        except BaseException:  # nobody would read what they print, nor wait for them
            self._end_all()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
        return self.reports

    def _start_ready(self, waiting: set[str]) -> None:
        for step in self.pipeline.ready(waiting, self.running):
            failed = self._could_not_start(step)
            if failed:
                waiting.discard(step.key)
                self.reports.append(StepReport(step, None, 0.0, f"{failed} could not start"))
            elif self.slots.free_for(step, [self.pipeline[key] for key in self.running]):
                waiting.discard(step.key)
                self._start(step)

    def _could_not_start(self, step: StepDefinition) -> str:
        needs = self.pipeline.all_needs(step.key)
        return ", ".join(r.step.key for r in self.reports if r.step.key in needs and r.exit_code in _NOT_STARTED)

    def _start(self, step: StepDefinition) -> None:
        command = self.commands[step.key]()
        if command is None:
            self.reports.append(StepReport(step, 0, 0.0, "nothing to work on"))
            return
        self.show(f"{step.key} {step.title}")
        process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        reader = threading.Thread(target=self._read, args=(step.key, process.stdout), daemon=True)
        reader.start()
        self.running[step.key] = _Running(process, reader, time.monotonic())

    def _read(self, key: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.lines.put(f"{key} | {line.rstrip()}")

    def _pass_on_lines(self) -> None:
        try:
            self.show(self.lines.get(timeout=0.1))
            while True:
                self.show(self.lines.get_nowait())
        except queue.Empty:
            return

    def _book_ended(self) -> None:
        for key, running in list(self.running.items()):
            code = running.process.poll()
            if code is not None:
                running.reader.join(_PATIENCE)
                self._pass_on_lines()
                del self.running[key]
                reason = f"killed by signal {-code}" if code < 0 else ""
                spent = time.monotonic() - running.started
                self.reports.append(StepReport(self.pipeline[key], code, spent, reason))

    def _end_all(self) -> None:
        """Ask the running steps to stop, kill those that do not, and book all as cancelled."""
        for running in self.running.values():
            running.process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for key, running in self.running.items():
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
            running.reader.join(1.0)
            spent = time.monotonic() - running.started
            self.reports.append(StepReport(self.pipeline[key], 130, spent, "cancelled"))
        self.running.clear()
