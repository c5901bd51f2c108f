"""Steps on this machine."""

from __future__ import annotations

from pathlib import Path

from services.supervision.step_command import Command
from services.supervision.step_handle import Handle, Limits
from services.supervision.supervisor import Supervisor


class LocalExecutor:
    """Starts each step as a process of this machine, in a session of its own."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._supervisor = Supervisor(limits)

    def start(self, command: Command, folder: Path) -> Handle:
        """Start a step; see `Supervisor.start`."""
        return self._supervisor.start(command, folder)

    def adopt(self, folder: Path, events_offset: int = 0) -> Handle:
        """Take over a step that was started before; see `Supervisor.adopt`."""
        return self._supervisor.adopt(folder, events_offset)
