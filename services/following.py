"""Showing what the steps of a run print while they run, whoever runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.pipeline import Pipeline
from services.runs import RunDetail, Runs, StepRun
from services.supervision.step_logs import read_log

#: Bytes of a line without an end after which it is shown as it is.
_LONGEST = 100_000


@dataclass
class _Reading:
    """How far a log was read: the offset, and the beginning of a line that has no end yet."""

    path: Path
    offset: int = 0
    rest: str = ""


class Follower:
    """Follows one run: `look` shows what is new since the last time."""

    def __init__(self, runs: Runs, pipeline: Pipeline, run_id: int, show: Callable[[str], None]) -> None:
        """Args:
        runs: the store.
        pipeline: the graph.
        run_id: the run.
        show: takes each line; those of a step begin with its key.
        """
        self._runs, self._titles = runs, {step.key: step.title for step in pipeline.steps}
        self._run_id = run_id
        self._show = show
        self._logs: dict[int, _Reading] = {}
        self._said: dict[int, str] = {}

    def look(self) -> RunDetail:
        """Show what is new; the run as it stands."""
        detail = self._runs.show(self._run_id)
        several = len({step.project for step in detail.steps if step.project is not None}) > 1
        for step in detail.steps:
            self._follow(step, f"{step.step} {step.project}" if several and step.project else step.step)
        return detail

    def _follow(self, step: StepRun, label: str) -> None:
        reading = self._logs.get(step.id)
        path = Path(step.log_path) if step.log_path else None
        if reading is not None:
            self._read(reading, label, ended=path != reading.path or not step.active)
        if path is not None and (reading is None or path != reading.path):
            reading = self._logs[step.id] = _Reading(path)
            self._show(f"{label} {self._titles.get(step.step, '')}")
            self._read(reading, label, ended=not step.active)
        if step.reason and step.state in ("queued", "skipped") and self._said.get(step.id) != step.reason:
            self._said[step.id] = step.reason
            self._show(f"{label} | {'not started: ' if step.state == 'skipped' else ''}{step.reason}")

    def _read(self, reading: _Reading, label: str, *, ended: bool) -> None:
        while True:
            part = read_log(reading.path, reading.offset)
            if part.next_offset == reading.offset:
                break
            if part.left_out:
                self._show(f"{label} | … {part.left_out} bytes left out")
            reading.offset = part.next_offset
            *lines, reading.rest = f"{reading.rest}{part.text}".split("\n")
            self._tell(lines, label)
        if reading.rest and (ended or len(reading.rest) > _LONGEST):
            self._tell([reading.rest], label)
            reading.rest = ""

    def _tell(self, lines: list[str], label: str) -> None:
        for line in lines:
            self._show(f"{label} | {line.rstrip()}")
