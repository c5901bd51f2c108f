"""Which process is which, and everything that a process started: found, stopped, continued, ended.

A number alone names no process, for the system gives it to another one later. An identity is the number, the time
at which the process began and the boot of the machine; nothing here ever sends a signal to what fits only in part.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

#: Seconds between two looks at processes that were asked to end.
_LOOK_S = 0.05
#: Seconds after which a killed process that is still there is given up (one that waits for a broken disk).
_KILL_S = 5.0


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of one boot of this machine.

    Args:
        pid: its number.
        create_time: when it began, in seconds: on Linux since the boot, so that moving the clock changes nothing.
        boot_id: the boot of the machine it belongs to.
    """

    pid: int
    create_time: float
    boot_id: str

    def to_json(self) -> dict[str, Any]:
        """As a file holds it."""
        return {"pid": self.pid, "create_time": self.create_time, "boot_id": self.boot_id}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ProcessIdentity:
        """What a file holds."""
        return cls(int(data["pid"]), float(data["create_time"]), str(data["boot_id"]))


@cache
def boot_id() -> str:
    """What tells this boot of the machine from all others."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    asked = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or str(round(psutil.boot_time()))


def identity_of(pid: int) -> ProcessIdentity | None:
    """The process that has this number now; None where there is none, or only its exit status is left."""
    began = _create_time(pid)
    return None if began is None else ProcessIdentity(pid, began, boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether this very process still runs (or is stopped): number, time and boot all agree."""
    return identity_of(identity.pid) == identity


def _create_time(pid: int) -> float | None:
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return None if fields[0] in (b"Z", b"X") else int(fields[19]) / os.sysconf("SC_CLK_TCK")
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.create_time()
    return None


def send(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to this very process; False where it is gone, whoever has its number now."""
    if sys.platform == "linux":
        with suppress(OSError):
            descriptor = os.pidfd_open(identity.pid)  # stands for one process, even once its number is given away
            try:
                if is_alive(identity):
                    signal.pidfd_send_signal(descriptor, number)
                    return True
            finally:
                os.close(descriptor)
        return False
    with suppress(ProcessLookupError, PermissionError):
        if is_alive(identity):
            os.kill(identity.pid, number)
            return True
    return False


def tree(root: ProcessIdentity) -> list[ProcessIdentity]:
    """A process and all that it started, in whatever sessions they are; each before what it started itself.

    Empty where the process is gone: what it left behind then has another parent.
    """
    if not is_alive(root):
        return []
    with suppress(psutil.Error):
        children = psutil.Process(root.pid).children(recursive=True)
        return [root, *filter(None, (identity_of(child.pid) for child in children))]
    return [root]


def marked(variable: str, value: str) -> list[ProcessIdentity]:
    """The processes whose environment holds `variable=value`, whoever their parents are.

    It reads the environment of every process of this user: for after a parent's death, not for every second.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(variable) == value:
                found.append(identity_of(process.pid))
    return [identity for identity in found if identity is not None and identity.pid != os.getpid()]


class ProcessTree:
    """A process and all that it started, remembered: after its death its children have another parent."""

    def __init__(self, root: ProcessIdentity, variable: str, value: str) -> None:
        """Args:
        root: the process.
        variable: a variable that the environment of all of them holds.
        value: what it holds there and nowhere else.
        """
        self.root = root
        self._mark = (variable, value)
        self._seen: dict[ProcessIdentity, None] = {}

    def look(self) -> list[ProcessIdentity]:
        """Those that live: under the root, and those seen earlier with what they started; parents first."""
        for known in (self.root, *self._seen):
            self._seen.update(dict.fromkeys(tree(known)))
        self._seen = {one: None for one in self._seen if is_alive(one)}
        return list(self._seen)

    def look_everywhere(self) -> list[ProcessIdentity]:
        """Those that live, those too that were never seen with their parent; reads every process's environment."""
        self._seen.update(dict.fromkeys(marked(*self._mark)))
        return self.look()


def end_tree(look: Callable[[], Collection[ProcessIdentity]], patience: float = 10.0) -> list[ProcessIdentity]:
    """End processes: TERM, wait, KILL; returns those that had to be killed.

    Args:
        look: says which of them live; asked again and again, for they may start others meanwhile.
        patience: seconds between TERM and KILL.
    """
    asked: set[ProcessIdentity] = set()
    deadline = time.monotonic() + patience
    while (alive := look()) and time.monotonic() < deadline:
        for identity in alive:
            if identity not in asked:
                asked.add(identity)
                send(identity, signal.SIGTERM)
                send(identity, signal.SIGCONT)  # one that is stopped would not notice
        time.sleep(_LOOK_S)
    return _kill(look)


def _kill(look: Callable[[], Collection[ProcessIdentity]]) -> list[ProcessIdentity]:
    killed: dict[ProcessIdentity, None] = {}
    deadline = time.monotonic() + _KILL_S
    while (alive := look()) and time.monotonic() < deadline:
        killed.update({one: None for one in alive if send(one, signal.SIGKILL)})
        time.sleep(_LOOK_S)
    return list(killed)


def pause_tree(look: Callable[[], Sequence[ProcessIdentity]]) -> list[ProcessIdentity]:
    """Stop processes and return them; parents first, so that none notices that its child does no more."""
    stopped: dict[ProcessIdentity, None] = {}
    while fresh := [one for one in look() if one not in stopped]:  # those started while the others were stopped
        for identity in fresh:
            stopped[identity] = None
            send(identity, signal.SIGSTOP)
    return list(stopped)


def resume_tree(look: Callable[[], Sequence[ProcessIdentity]]) -> list[ProcessIdentity]:
    """Let stopped processes go on and return them; children first, so that each parent finds its own at work."""
    return [one for one in reversed(look()) if send(one, signal.SIGCONT)]


def is_stopped(identity: ProcessIdentity) -> bool:
    """Whether a process is stopped (paused)."""
    with suppress(psutil.Error):
        return is_alive(identity) and bool(psutil.Process(identity.pid).status() == psutil.STATUS_STOPPED)
    return False
