"""How a step's process ended, as a sentence for people, from what was written down of it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.supervision.step_events import StepEvent
from services.supervision.step_logs import read_end
from workflow_scripts.common.errors import CancelledError, PreconditionError, UsageError
from workflow_scripts.common.events import printable

#: Who wanted a step stopped: a person, a limit of time, the watchdog, the worker that ends itself, or a signal from
#: outside of the controller.
StopKind = Literal["cancelled", "timeout", "stalled", "worker", "signal"]


@dataclass(frozen=True)
class Ended:
    """The end of a step's process.

    Args:
        exit_code: its exit status; None where a signal ended it or nobody knows.
        signal: the signal that ended it, else None.
        reason: a sentence for people; empty where all went well.
        seconds: how long it ran, by the monotonic clock.
        finished: when it ended, ISO 8601 in UTC; empty where nobody knows.
        stopped: who wanted it stopped; None where it ended by itself.
        oom: whether the kernel killed it for lack of memory.
        peak_memory: of the largest of its processes, in bytes; 0 where nobody knows.
        events: those that had not been told yet.
        events_offset: where the reading of its events stopped.
    """

    exit_code: int | None
    signal: int | None
    reason: str
    seconds: float
    finished: str = ""
    stopped: StopKind | None = None
    oom: bool = False
    peak_memory: int = 0
    events: tuple[StepEvent, ...] = ()
    events_offset: int = 0

    @property
    def died(self) -> bool:
        """Whether it went without anybody writing down how: killed with its recorder, or with the machine."""
        return self.exit_code is None and self.signal is None


@dataclass(frozen=True)
class Stop:
    """The wish that a step stops, and the sentence for it."""

    kind: StopKind
    reason: str


def booked(status: Mapping[str, Any], stop: Stop | None, log: Path) -> Ended:
    """The end of a process that was written down."""
    code, number, oom = status["exit_code"], status["signal"], bool(status["oom"])
    if status["asked_to_stop"] and stop is None:
        stop = Stop("signal", "It was stopped by a signal from outside; what was finished is kept.")
    if code == 0:  # it was done before the wish reached it
        stop = None
    reason = stop.reason if stop else _sentence(code, number, oom, log)
    return Ended(
        exit_code=code,
        signal=number,
        reason=reason,
        seconds=float(status["seconds"]),
        finished=str(status["finished"]),
        stopped=stop.kind if stop else None,
        oom=oom,
        peak_memory=int(status["peak_memory"]),
    )


def unbooked(seconds: float, stop: Stop | None, *, same_boot: bool) -> Ended:
    """The end of a process that nobody wrote down."""
    reason = "It was killed or never began, and nobody wrote down how; what was finished is kept."
    if not same_boot:
        reason = "The machine was restarted while it ran; what was finished is kept."
    return Ended(None, None, stop.reason if stop else reason, seconds, stopped=stop.kind if stop else None)


def _sentence(code: int | None, number: int | None, oom: bool, log: Path) -> str:
    if code is None:
        name = signal.strsignal(number or 0) or "unknown"
        why = "the system killed it because memory ran out" if oom else name.lower()
        return f"The step failed (signal {number}): {why}; what was finished is kept."
    if code == 0:
        return ""
    if code == 1:
        return "Some items failed; the others are done."
    if code == CancelledError.exit_code:
        return "It was cancelled; what was finished is kept."
    said = _last_line(log)
    if code in (UsageError.exit_code, PreconditionError.exit_code) and said:
        return said
    return f"The step ended with exit status {code}{f': {said}' if said else '.'}"


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in read_end(log, 4096).text.splitlines() if line.strip()]
    return printable(lines[-1][-500:]) if lines else ""
