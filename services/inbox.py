"""Watching the inbox: what has stopped growing starts a run, once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from services.pipeline import Pipeline
from services.planning import FIRST_STEP, FROM_INBOX, chosen, plan
from services.runs import Conflict, RunRequest, Runs
from services.supervision.step_folder import read_object, write_object
from workflow_scripts.common.paths import data_folder, inbox_folder

#: Where STEP1 puts what it has dealt with.
_PROCESSED = "processed"
#: What was handed on, by name; kept so that a restarted worker does not do it again.
MEMORY = "workflow.db.inbox"

#: What tells one state of a file or folder from another.
Look = tuple[tuple[str, int, int], ...]


class InboxWatch:
    """Looks at the inbox now and then.

    What does not change for a while is handed on; the same thing, unchanged, never again: what STEP1 refused lies
    where it was until somebody does something about it.
    """

    def __init__(
        self, quiet_s: float, folder: Path | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder or inbox_folder()
        self._memory = data_folder() / MEMORY
        self._quiet_s = quiet_s
        self._monotonic = monotonic
        self._since: dict[str, tuple[Look, float]] = {}
        self._done: dict[str, str] = dict(read_object(self._memory) or {})

    def settled(self) -> list[str]:
        """The names of what has lain unchanged for long enough and was not handed on as it is now."""
        now = self._monotonic()
        names = []
        looks = {path.name: _look(path) for path in self._entries()}
        for name, look in looks.items():
            before, since = self._since.get(name, (None, now))
            if before != look:
                since = now
            self._since[name] = (look, since)
            if look and now - since >= self._quiet_s and self._done.get(name) != _signature(look):
                names.append(name)
        self._since = {name: known for name, known in self._since.items() if name in looks}
        return names

    def hand_on(self, names: Sequence[str]) -> None:
        """Remember that these, as they are now, were handed on."""
        kept = {name: said for name, said in self._done.items() if name in self._since}
        self._done = {**kept, **{name: _signature(self._since[name][0]) for name in names if name in self._since}}
        write_object(self._memory, dict(self._done))

    def _entries(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [
            path
            for path in sorted(self._folder.iterdir())
            if not path.name.startswith(".") and path.name != _PROCESSED
        ]


def start_run(runs: Runs, pipeline: Pipeline, watch: InboxWatch, steps: str | None) -> int | None:
    """Begin a run for what has settled in the inbox; its number, None where there is nothing or STEP1 is busy."""
    names = watch.settled()
    if not names:
        return None
    keys = chosen(pipeline, steps)
    sequence = keys if FIRST_STEP in keys else (FIRST_STEP, *keys)
    request = RunRequest(sequence, origin=FROM_INBOX)
    try:
        run = runs.create(request, plan(pipeline, request)).run
    except Conflict:  # its turn comes when that run is over
        return None
    watch.hand_on(names)
    return run.id


def _look(path: Path) -> Look:
    """Name, size and time of the last change of each file; nothing where it is gone meanwhile."""
    try:
        files = sorted(one for one in path.rglob("*") if not one.is_dir()) if path.is_dir() else [path]
        return tuple((str(one), (status := one.lstat()).st_size, status.st_mtime_ns) for one in files)
    except FileNotFoundError:
        return ()


def _signature(look: Look) -> str:
    return json.dumps(look)
