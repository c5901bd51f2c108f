"""A step's process that runs: what it tells, its limits, and its end.

Times are measured by the monotonic clock, which goes on from one process to the next while the machine is up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.supervision.processes import (
    ProcessIdentity,
    ProcessTree,
    boot_id,
    end_tree,
    is_alive,
    is_stopped,
    pause_tree,
    resume_tree,
    send,
)
from services.supervision.step_events import EventReader, StepEvent, StepProgress, progress_of
from services.supervision.step_folder import STEP_RUN_VARIABLE, StepFolder, read_object, write_object
from services.supervision.step_logs import LIMIT, log_length
from services.supervision.step_outcomes import Ended, Stop, booked, unbooked

#: Seconds between two looks at which processes a step has, kept for the case that its recorder is killed.
_LOOK_S = 5.0
#: Seconds beyond its patience after which the recorder itself is taken to be stuck.
_STUCK_S = 5.0
#: No process has this identity.
_NOBODY = ProcessIdentity(0, -1.0, "")


@dataclass(frozen=True)
class Limits:
    """What a step may take; seconds and bytes.

    Args:
        stall_s: without an event or output for so long it counts as stalled.
        kill_stalled: whether it is stopped then.
        timeout_s: how long it may run at most, pauses not counted; None without end.
        patience_s: how long it has to end when it is asked to.
        log_bytes: how large its log may be.
        oom_counter: the kernel's file that counts kills for lack of memory.
    """

    stall_s: float = 600.0
    kill_stalled: bool = False
    timeout_s: float | None = None
    patience_s: float = 10.0
    log_bytes: int = LIMIT
    oom_counter: Path = Path("/proc/vmstat")


@dataclass(frozen=True)
class Alive:
    """A step that runs.

    Args:
        events: those since the last time.
        events_offset: where the next ones begin in the file.
        progress: the last that was told.
        seconds: since it was started, pauses included.
        quiet_s: since its last event or output.
        stalled: whether that is longer than its limit.
        paused: whether it is stopped.
        stopping: whether it was asked to end.
    """

    events: tuple[StepEvent, ...]
    events_offset: int
    progress: StepProgress | None
    seconds: float
    quiet_s: float
    stalled: bool
    paused: bool
    stopping: bool


class Handle:
    """A step that was started or taken over. `poll` it now and then (a second is often enough)."""

    def __init__(
        self, files: StepFolder, limits: Limits, recorder: ProcessIdentity | None, events_offset: int = 0
    ) -> None:
        self.files = files
        self.limits = limits
        started = read_object(files.process) or {}
        self._ours = recorder is not None
        self._started = float(started.get("monotonic", time.monotonic()))
        #: Who records the step's end; None where none was ever started.
        self.identity = recorder or _recorder_in(started)
        self._tree = ProcessTree(self.identity or _NOBODY, STEP_RUN_VARIABLE, str(files.path))
        self._events = EventReader(files.events, events_offset)
        self._progress: StepProgress | None = None
        self._signs = (events_offset, log_length(files.log))
        self._sign_at = self._looked_at = time.monotonic()
        self._paused_since = time.monotonic() if not self._ours and self._is_paused() else None
        self._paused_s = 0.0
        self._stop = _read_stop(files.stop)
        self._stop_at = time.monotonic()
        self._end: Ended | None = None
        if self._stop is not None:
            self._ask_to_end()  # who wrote it down may have died before doing so

    def poll(self) -> Alive | Ended:
        """What has happened since the last time; `Ended` once all events were told, and from then on."""
        if self._end is not None:
            return replace(self._end, events=())
        alive = self.identity is not None and is_alive(self.identity)  # first: what it wrote before is read below
        events = tuple(self._events.read())
        for event in events:
            self._progress = progress_of(event) or self._progress
        if not alive and not self._events.more:
            self._end = replace(self._book(), events=events, events_offset=self._events.offset)
            return self._end
        self._look_for_life()
        if alive:
            self._keep_limits()
        return self._alive(events)

    def stop(self, stop: Stop) -> None:
        """Ask the step to end; it is killed with all it started after `patience_s`. Returns at once.

        A step whose recorder is gone has nobody else to do that: then this takes up to `patience_s`.
        """
        if self._end is not None:
            return
        if self._stop is None:
            self._stop = stop
            with contextlib.suppress(OSError):  # a full disk: then only this process knows why
                write_object(self.files.stop, {"kind": stop.kind, "reason": stop.reason})
            self._stop_at = time.monotonic()
        if not self._ask_to_end():
            end_tree(self._tree.look_everywhere, self.limits.patience_s)

    def cancel(self) -> None:
        """Ask the step to end because a person wants it; see `stop`."""
        self.stop(Stop("cancelled", "It was cancelled; what was finished is kept."))

    def pause(self) -> None:
        """Stop the step and all it started where they are; memory, also a GPU's, stays taken."""
        if self._paused_since is None and self._stop is None and pause_tree(self._step):
            self._paused_since = time.monotonic()

    def resume(self) -> None:
        """Let a paused step go on."""
        resume_tree(self._step)
        if self._paused_since is not None:
            now = time.monotonic()
            self._paused_s += now - self._paused_since
            self._paused_since, self._sign_at = None, now

    def processes(self) -> list[ProcessIdentity]:
        """The processes that live: who records its end, the step, all it started."""
        return self._tree.look()

    def _ask_to_end(self) -> bool:
        """Ask the recorder, which asks the step once and kills it in the end; False where there is no recorder."""
        asked = self.identity is not None and send(self.identity, signal.SIGTERM)
        if asked:
            self.resume()  # one that is paused would not notice
        return asked

    def _step(self) -> list[ProcessIdentity]:
        """All but the recorder, which has to hear when it is to end."""
        return [one for one in self._tree.look() if one != self.identity]

    def _is_paused(self) -> bool:
        return any(is_stopped(one) for one in self._step()[:1])

    def _look_for_life(self) -> None:
        signs = (self._events.offset, log_length(self.files.log))
        now = time.monotonic()
        if signs != self._signs:
            self._signs, self._sign_at = signs, now
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._tree.look()

    def _keep_limits(self) -> None:
        now = time.monotonic()
        if self._stop is not None:
            if now - self._stop_at > self.limits.patience_s + _STUCK_S:
                end_tree(self._tree.look, 0.0)
            return
        if self._paused_since is not None:
            return
        limit = self.limits.timeout_s
        ran = now - self._started - self._paused_s
        if limit is not None and ran > limit:
            self.stop(Stop("timeout", f"It was stopped: it ran longer than its limit of {limit:g} s."))
        elif self.limits.kill_stalled and self._quiet_s() > self.limits.stall_s:
            self.stop(Stop("stalled", f"It was stopped: nothing was heard of it for {self.limits.stall_s:g} s."))

    def _quiet_s(self) -> float:
        return time.monotonic() - self._sign_at

    def _alive(self, events: tuple[StepEvent, ...]) -> Alive:
        paused = self._paused_since is not None
        return Alive(
            events=events,
            events_offset=self._events.offset,
            progress=self._progress,
            seconds=time.monotonic() - self._started,
            quiet_s=self._quiet_s(),
            stalled=not paused and self._quiet_s() > self.limits.stall_s,
            paused=paused,
            stopping=self._stop is not None,
        )

    def _book(self) -> Ended:
        """How it ended; what it left behind, where its recorder could not see to that, is ended."""
        if self._ours and self.identity is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.identity.pid, os.WNOHANG)
        status = read_object(self.files.status)
        if status is not None:
            return booked(status, self._stop, self.files.log)
        if self.identity is None:
            return Ended(None, None, "It was never started.", 0.0)
        end_tree(self._tree.look_everywhere, 0.0)
        same_boot = self.identity.boot_id == boot_id()
        return unbooked(self._last_heard() if same_boot else 0.0, self._stop, same_boot=same_boot)

    def _last_heard(self) -> float:
        """Seconds from the start to the last that was heard of a step whose end nobody wrote down."""
        written = max((path.stat().st_mtime for path in self.files.path.glob("*")), default=time.time())
        return max(0.0, time.monotonic() - self._started - max(0.0, time.time() - written))


def _recorder_in(started: dict[str, Any]) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.from_json(started["recorder"])
    except (KeyError, TypeError, ValueError):
        return None


def _read_stop(path: Path) -> Stop | None:
    found = read_object(path)
    return Stop(found["kind"], found["reason"]) if found else None
