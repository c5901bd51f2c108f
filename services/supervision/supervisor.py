"""Starts steps on this machine, each as a process with a folder of its own, and takes over those that run."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from services.supervision import record_exit
from services.supervision.processes import ProcessIdentity, identity_of
from services.supervision.step_command import Command
from services.supervision.step_folder import STEP_RUN_VARIABLE, StepFolder, write_object
from services.supervision.step_handle import Handle, Limits
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import utc_now


class Supervisor:
    """Starts steps on this machine and takes over those that run already."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def start(self, command: Command, folder: Path) -> Handle:
        """Start a step; all that becomes known of it will be in `folder`, which must be new or empty.

        Raises:
            WorkflowError: it cannot be started, or was started there before.
        """
        files = StepFolder(folder)
        try:
            files.path.mkdir(parents=True, exist_ok=True)
            if files.process.exists():
                raise WorkflowError(f"{files.path}: a step was started here before.", hint="Give it a new folder.")
            recorder = _start_recorder(command, files, self.limits)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise WorkflowError(f"{files.path.name}: the step cannot be started ({reason}).", retry=True) from error
        return Handle(files, self.limits, recorder)

    def adopt(self, folder: Path, events_offset: int = 0) -> Handle:
        """Take over what was started in a folder, by whomever; `poll` tells whether it still runs.

        Args:
            folder: what `start` was given.
            events_offset: how far its events were read before.
        """
        return Handle(StepFolder(folder), self.limits, None, events_offset)


def _start_recorder(command: Command, files: StepFolder, limits: Limits) -> ProcessIdentity:
    """Start the process that records the step's end, note who it is, and then tell it what to start."""
    order = {
        "argv": [os.fspath(word) for word in command.argv],
        "cwd": str(command.cwd),
        "log": str(files.log),
        "status": str(files.status),
        "log_bytes": limits.log_bytes,
        "patience_s": limits.patience_s,
        "oom_counter": str(limits.oom_counter),
    }
    environment = {
        **command.environment,
        "WORKFLOW_EVENTS": str(files.events),
        STEP_RUN_VARIABLE: str(files.path),
    }
    read_end, write_end = os.pipe()
    try:
        try:
            pid = _spawn(environment, read_end, files.log)
        finally:
            os.close(read_end)  # or telling a dead recorder would wait for ever
        try:
            identity = identity_of(pid)
            if identity is None:
                raise OSError(f"its recorder ended at once; {files.log.name} may say why")
            note = {"recorder": identity.to_json(), "started": utc_now(), "monotonic": time.monotonic()}
            write_object(files.process, {**note, "argv": order["argv"]})
            _write_all(write_end, json.dumps(order).encode())
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
    finally:
        os.close(write_end)
    return identity


def _spawn(environment: Mapping[str, str], stdin: int, log: Path) -> int:
    argv = [sys.executable, "-I", "-S", record_exit.__file__]
    actions = [
        (os.POSIX_SPAWN_DUP2, stdin, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
    ]
    return os.posix_spawn(argv[0], argv, environment, file_actions=actions)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
