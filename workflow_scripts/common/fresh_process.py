"""The running step's script started again for one item: what that process is told, and its certain end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from workflow_scripts.common.child_command import dying_with_parent
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import CancelledError
from workflow_scripts.common.manifest import Fallback

#: Holds, in a fresh process, what it is told: `HandedOn` as JSON.
FRESH_VARIABLE = "WORKFLOW_FRESH_PROCESS"
#: Seconds that a process has to end by itself when it is asked to; the controller grants a step ten.
GRACE_S = 5.0


@dataclass(frozen=True)
class HandedOn:
    """What a fresh process is told by the one that started it.

    Args:
        rung: the rung it is for; None where it goes down a ladder of its own.
        fallbacks: what was tried before.
        threads: its share of the cores where others work beside it; 0 where it has the machine for itself.
        log: the log file of the run; empty for one of its own.
    """

    rung: Rung | None = None
    fallbacks: tuple[Fallback, ...] = ()
    threads: int = 0
    log: str = ""

    def to_json(self) -> str:
        """As it is handed on."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HandedOn:
        """What was handed on."""
        data = json.loads(text)
        return cls(
            rung=Rung(**data["rung"]) if data["rung"] else None,
            fallbacks=tuple(Fallback(**fallback) for fallback in data["fallbacks"]),
            threads=data["threads"],
            log=data["log"],
        )


def handed_on() -> HandedOn | None:
    """What this process was told; None where a person or the controller started it."""
    text = os.environ.get(FRESH_VARIABLE)
    return None if text is None else HandedOn.from_json(text)


def in_fresh_process() -> bool:
    """Whether another run of the same step started this process for one item."""
    return FRESH_VARIABLE in os.environ


class FreshProcesses:
    """Starts the running script again, an item at a time or several at once from threads, and ends what it started.

    The processes are in groups of their own, so that Ctrl-C reaches this process alone, which then ends them.
    """

    def __init__(self, options: Sequence[str] = (), log: str = "") -> None:
        """Args:
        options: repeat this run's options.
        log: the log file of the run.
        """
        self._options = options
        self._log = log
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._ending = False
        self._lock = threading.Lock()

    def run(self, path: Path, told: HandedOn) -> int:
        """Process one item and return the exit status; a negative one is the signal that killed the process.

        Raises:
            CancelledError: the process was asked to stop, or all are.
        """
        command = [sys.executable, sys.argv[0], str(path), *self._options, "--force"]
        environment = {**os.environ, FRESH_VARIABLE: replace(told, log=self._log).to_json()}
        with self._lock:
            if self._ending:
                raise CancelledError("stopped before it was begun")
            process = subprocess.Popen(
                dying_with_parent(command), env=environment, stdin=subprocess.DEVNULL, process_group=0
            )
            self._alive.add(process)
        try:
            code = process.wait()
        except BaseException:
            self.end()
            raise
        finally:
            self._alive.discard(process)
        if self._ending or code == CancelledError.exit_code:
            raise CancelledError("stopped in a process of its own")
        return code

    def end(self) -> None:
        """Ask all processes to stop and kill those that have not after `GRACE_S`; none is started any more."""
        with _undisturbed():
            with self._lock:
                self._ending = True
                alive = list(self._alive)
            for process in alive:
                process.terminate()
            deadline = time.monotonic() + GRACE_S
            for process in alive:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
            for process in alive:
                process.kill()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no further SIGINT or SIGTERM in: one often follows the other, and what they ask for is being done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
