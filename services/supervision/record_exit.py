"""The parent of a step's process: keeps its log within a limit and writes down how it ended, as its own last act.

A program of its own, with the standard library alone, so that a step goes on and its end is booked while nobody
watches. It leads a new session, and:

- It starts nothing before it is told to, through standard input: the worker notes first who it is. A worker that
  dies in between leaves nothing behind.
- What the step prints goes through it into a log of limited size.
- All that the step starts stays below it, whatever session it moves to: orphans become its children (Linux). Those
  that outlive the step are ended.
- SIGTERM and SIGINT are passed on to the step once, which ends what it started itself; after `patience_s` seconds
  it is killed.
- If it is killed itself, the kernel kills the step (Linux): no step runs on that nobody knows of.

The order is one JSON object: `argv`, `cwd`, `log` and `status` (paths), `log_bytes`, `patience_s`, `oom_counter`
(a file with a line `oom_kill N`).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from services.supervision.step_logs import CappedLog

#: Room kept on the disk for the status, so that it can be written when a full disk was the end of the step.
STATUS_BYTES = 4096
#: How long what outlives its step has to end when asked to, in seconds.
LEFTOVERS_S = 1.0
#: How long killed ones are waited for at most: one that waits for a broken disk does not end.
KILLED_S = 5.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_FORWARDED = (signal.SIGTERM, signal.SIGINT)
#: The exit status of a process whose program could not be started, as shells have it.
_NOT_STARTED = 127


class Recorder:
    """One step, from its start to the record of its end."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._log = CappedLog(Path(order["log"]), order["log_bytes"])
        self._status = Path(order["status"])
        self._asked_to_stop = False
        self._kill_at = float("inf")
        self._child = 0

    def run(self) -> None:
        """Start the step, see it through, record how it ended."""
        wake, wake_write = os.pipe()
        for end in (wake, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        ooms = self._ooms()
        started = time.monotonic()
        self._child, output = _start(self._order["argv"], self._order["cwd"])
        for number in _FORWARDED:
            signal.signal(number, self._pass_on)
        reserved = self._reserve()
        status, usage = self._watch(output, wake)
        seconds = time.monotonic() - started
        left_over = self._end_leftovers()
        self._pump(output)
        self._log.close()
        code = os.waitstatus_to_exitcode(status)
        record = {
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "finished": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": round(seconds, 3),
            "peak_memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            "oom": code == -signal.SIGKILL and self._ooms() > ooms,
            "asked_to_stop": self._asked_to_stop,
            "left_over": left_over,
        }
        self._write(reserved, json.dumps(record).encode())

    def _watch(self, output: int, wake: int) -> tuple[int, resource.struct_rusage]:
        """Pump the output until the step has ended."""
        sources = [wake, output]
        while True:
            wait = None if self._kill_at == float("inf") else max(0.0, self._kill_at - time.monotonic())
            ready = select.select(sources, [], [], wait)[0]
            if wake in ready:
                os.read(wake, 512)
            if output in ready and not self._pump(output, once=True):
                sources.remove(output)
            pid, status, usage = os.wait4(self._child, os.WNOHANG)
            if pid:
                return status, usage
            if time.monotonic() >= self._kill_at:
                os.kill(self._child, signal.SIGKILL)
                self._kill_at = float("inf")

    def _pump(self, output: int, once: bool = False) -> bool:
        """Move what was printed into the log; False at the end of the output."""
        while True:
            try:
                data = os.read(output, 65536)
            except BlockingIOError:
                return True
            self._log.write(data)
            if once or not data:
                return bool(data)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if not self._asked_to_stop:  # a second one would come into the midst of its tidying up
            self._asked_to_stop = True
            self._kill_at = time.monotonic() + self._order["patience_s"]
            with suppress(ProcessLookupError):
                os.kill(self._child, number)

    def _end_leftovers(self) -> int:
        """End what the step left running, and what that leaves in turn; returns how many there were."""
        seen: set[int] = set()
        deadline = time.monotonic() + LEFTOVERS_S
        while _reap_some() and time.monotonic() < deadline + KILLED_S:
            for pid in _children():
                number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
                if pid not in seen or number == signal.SIGKILL:
                    seen.add(pid)
                    os.kill(pid, number)  # a child's number is its own until it is waited for
            time.sleep(0.02)
        return len(seen)

    def _ooms(self) -> int:
        with suppress(OSError, ValueError):
            for line in Path(self._order["oom_counter"]).read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0

    def _reserve(self) -> int | None:
        with suppress(OSError):
            descriptor = os.open(self._temporary(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.write(descriptor, b" " * STATUS_BYTES)
            return descriptor
        return None

    def _write(self, reserved: int | None, record: bytes) -> None:
        """Write the record over the room that was kept, and give it its name; the spaces after it are JSON too."""
        descriptor = reserved if reserved is not None else self._reserve()
        if descriptor is None:
            return
        os.pwrite(descriptor, record, 0)
        os.fsync(descriptor)
        self._temporary().replace(self._status)
        folder = os.open(self._status.parent, os.O_RDONLY)
        os.fsync(folder)

    def _temporary(self) -> Path:
        return self._status.with_name(f".tmp-{self._status.name}")


def _start(argv: list[str], cwd: str) -> tuple[int, int]:
    """Start the step; returns its process and the end of the pipe that what it prints comes from."""
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    if prctl:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    me = os.getpid()
    output, output_write = os.pipe()
    child = os.fork()  # safe: this process has no other thread
    if child:
        os.close(output_write)
        os.set_blocking(output, False)
        return child, output
    try:
        if prctl:  # the kernel does it when the *thread* ends that forked: here the only one
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != me:
                os._exit(_NOT_STARTED)
        for number in (*_FORWARDED, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)  # an ignored one would stay so in the step
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output_write, 1)
        os.dup2(output_write, 2)
        os.chdir(cwd)
        os.execv(argv[0], argv)
    except BaseException as error:
        os.write(2, f"{argv[0]} cannot be started: {error}.\n".encode(errors="backslashreplace"))
    os._exit(_NOT_STARTED)


def _reap_some() -> bool:
    """Wait for the children that have ended; False where there are no others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    me = str(os.getpid()).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "stat").read_bytes().rpartition(b")")[2].split()[1] == me:
                found.append(int(folder.name))
    return found


def main() -> int:
    """Wait for the order and carry it out."""
    os.setsid()
    order = sys.stdin.buffer.read()
    try:
        recorder = Recorder(json.loads(order))
    except ValueError:  # half of it, or none: the worker has died
        return 1
    recorder.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
