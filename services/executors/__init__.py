"""Where steps run: on this machine (local.py), or on others."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from services.supervision.step_command import Command
from services.supervision.step_handle import Alive
from services.supervision.step_outcomes import Ended


class RunningStep(Protocol):
    """A step that was started, wherever it runs."""

    def poll(self) -> Alive | Ended:
        """What has happened since the last time."""

    def cancel(self) -> None:
        """Ask it to end, and end it when it does not; returns before it has."""

    def pause(self) -> None:
        """Stop it where it is."""

    def resume(self) -> None:
        """Let it go on."""


class Executor(Protocol):
    """Starts steps; the folder of a step must be seen by the executor's machines and by this one."""

    def start(self, command: Command, folder: Path) -> RunningStep:
        """Start a step; all that becomes known of it will be in `folder`, which must be new or empty."""

    def adopt(self, folder: Path, events_offset: int = 0) -> RunningStep:
        """Take over a step that was started before, whether it still runs or not."""
