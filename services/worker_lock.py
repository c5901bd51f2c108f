"""One process at a time does the work of a data folder: the worker, or a run in a terminal."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from services.supervision.processes import ProcessIdentity, boot_id, identity_of, is_alive
from services.supervision.step_folder import read_object
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.paths import data_folder

NAME = "workflow.db.worker"


@dataclass(frozen=True)
class Holder:
    """Who does the work: its process, what it is (`worker`, or a run), since when (UTC)."""

    identity: ProcessIdentity
    what: str
    since: datetime

    @property
    def is_worker(self) -> bool:
        """Whether it does whatever is asked for, and not one run alone."""
        return self.what == "worker"

    def __str__(self) -> str:
        since = self.since.astimezone()
        return f"{self.what} (process {self.identity.pid}, since {since:%Y-%m-%d %H:%M})"


class WorkerLock:
    """The right to do the work of the data folder; it goes with the process, however that ends."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_folder() / NAME
        self._descriptor: int | None = None

    def take(self, what: str) -> bool:
        """Take it, and say for what; False while another process holds it.

        Raises:
            WorkflowError: the file cannot be opened.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise WorkflowError(f"{self.path}: cannot be opened ({error.strerror}).") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self._note(what)
        return True

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> WorkerLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _note(self, what: str) -> None:
        assert self._descriptor is not None
        me = identity_of(os.getpid()) or ProcessIdentity(os.getpid(), 0.0, boot_id())
        note = {**me.to_json(), "what": what, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(note).encode(), 0)


def holder(path: Path | None = None) -> Holder | None:
    """Who does the work of the data folder now; None where nobody does. Takes no lock."""
    found = _noted(path)
    return found if found is not None and is_alive(found.identity) else None


def lost_holder(path: Path | None = None) -> Holder | None:
    """Who did the work and was killed at it; None where the last one ended by itself, or somebody does it now."""
    found = _noted(path)
    return found if found is not None and not is_alive(found.identity) else None


def _noted(path: Path | None) -> Holder | None:
    """Who took the lock last and has not given it back."""
    note = read_object(path or data_folder() / NAME)
    try:
        if note is None:
            return None
        return Holder(ProcessIdentity.from_json(note), str(note["what"]), datetime.fromisoformat(note["since"]))
    except (KeyError, TypeError, ValueError):
        return None
