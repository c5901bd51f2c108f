"""One running step as the scheduler watches it: what it tells goes into the store, sooner or later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.executors import RunningStep
from services.runs import Runs, StepRun
from services.supervision.step_events import StepEvent
from services.supervision.step_handle import Alive, Handle
from services.supervision.step_outcomes import Ended, Stop


class WatchedStep:
    """A step run, its process, and what of it is not yet in the store."""

    def __init__(self, step: StepRun, running: RunningStep) -> None:
        self.id = step.id
        self.running = running
        self._offset = step.events_offset
        self._kept: list[tuple[str, Mapping[str, Any]]] = []
        self._paused, self._stalled = step.paused, step.stalled
        self._stopping = False

    def look(self, runs: Runs) -> Ended | None:
        """Write down what has happened since the last time; its end, where that has come.

        Raises:
            StoreError: the store cannot be written; the next look writes what this one could not.
        """
        said = self.running.poll()
        self._keep(said.events, said.events_offset)
        if self._kept:
            runs.steps.book(self.id, self._offset, self._kept)
            self._kept = []
        if isinstance(said, Ended):
            return said
        self._note(runs, said)
        return None

    def obey(self, step: StepRun) -> None:
        """Carry out what is asked of the step run in the store: to end, to stand still, to go on."""
        if step.cancel_requested:
            if not self._stopping:
                self._stopping = True
                self.running.cancel()
        elif step.pause_requested and not self._paused:
            self.running.pause()
        elif self._paused and not step.pause_requested:
            self.running.resume()

    def stop(self, stop: Stop) -> None:
        """End the step because the worker wants it, not a person."""
        if isinstance(self.running, Handle):
            self.running.stop(stop)
        else:
            self.running.cancel()

    def _keep(self, events: tuple[StepEvent, ...], offset: int) -> None:
        self._kept += [(event.kind, {**event.data, "time": event.time}) for event in events]
        self._offset = max(self._offset, offset) if events else self._offset

    def _note(self, runs: Runs, said: Alive) -> None:
        if said.paused != self._paused:
            runs.steps.mark_paused(self.id, said.paused)
            self._paused = said.paused
        if said.stalled != self._stalled:
            runs.steps.mark_stalled(self.id, said.stalled)
            self._stalled = said.stalled
