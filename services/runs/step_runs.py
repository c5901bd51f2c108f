"""Step runs: taken, started, followed, ended. What the scheduler writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.database import Database
from services.runs.journal import announce_step, append, find_step, move, settle, update_step
from services.runs.model import Clock, NewEvent, StepRun, VideoState
from services.runs.planning import check_free
from services.runs.requests import cancel_step
from services.runs.rows import (
    moment,
    name_column,
    progress_column,
    progress_of,
    seconds_of,
    step_run_of,
    video_state_of,
)
from services.states import State, TransitionError
from workflow_scripts.common.events import printable

#: The columns that belong to one attempt, as they are before it; a request to pause outlives it.
_FRESH: dict[str, Any] = {
    **dict.fromkeys(("owner", "pid", "create_time", "boot_id", "slot", "device", "started", "heartbeat")),
    **dict.fromkeys(("beat_clock", "progress", "finished", "seconds", "exit_code", "log_path", "events_path")),
    **dict.fromkeys(("events_offset", "cancel_requested", "paused", "stalled"), 0),
}
_SELECT = "SELECT step_runs.* FROM step_runs JOIN runs ON runs.id = step_runs.run_id"
_IN_TURN = "ORDER BY runs.priority DESC, runs.id, step_runs.position"
_RESTARTED = "The machine was restarted while this step ran."

#: A later attempt found a video's work done: how it went is what the attempt said that did it.
_FOUND_DONE = "excluded.state = 'up to date' AND state IN ('succeeded', 'degraded')"


class StepRuns:
    """The step runs of all runs. Every change but a heartbeat writes its event in the same transaction.

    Methods that take an id raise UnknownRun where there is none of it, and TransitionError where the state it is in
    does not allow what is asked.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, step_run_id: int) -> StepRun:
        """One step run."""
        with self._database.read() as connection:
            return find_step(connection, step_run_id)

    def active(self) -> list[StepRun]:
        """All step runs, ended ones too, of the runs that are not over: by priority, then age, then position."""
        return self._select("WHERE runs.state IN ('queued', 'running')")

    def ready(self) -> list[StepRun]:
        """The queued step runs whose time has come and that are not to pause, in their turn, whatever they need.

        One that was put off until later than it was queued is ready too when the clock was put back meanwhile.
        """
        now = moment(self._clock.now())
        return self._select(
            "WHERE step_runs.state = 'queued' AND NOT pause_requested"
            " AND (not_before IS NULL OR not_before <= ? OR step_runs.queued > ?)",
            now,
            now,
        )

    def running(self) -> list[StepRun]:
        """The step runs that somebody has claimed and that have not ended, in their turn."""
        return self._select("WHERE step_runs.state = 'running'")

    def silent(self, seconds: float) -> list[StepRun]:
        """The running ones without a heartbeat for so long; the claim counts as the first. For this boot only."""
        return self._select(
            "WHERE step_runs.state = 'running' AND ? - beat_clock > ?", self._clock.monotonic(), seconds
        )

    def videos(self, step_run_id: int) -> list[VideoState]:
        """How the videos of a step run stand, by name."""
        query = "SELECT * FROM video_states WHERE step_run_id = ? ORDER BY video"
        with self._database.read() as connection:
            return [video_state_of(row) for row in connection.execute(query, (step_run_id,))]

    def videos_of_run(self, run_id: int) -> dict[int, list[VideoState]]:
        """How the videos of all step runs of a run stand, by name; those of each step run under its id."""
        query = (
            "SELECT video_states.* FROM video_states JOIN step_runs ON step_runs.id = step_run_id"
            " WHERE run_id = ? ORDER BY step_run_id, video"
        )
        found: dict[int, list[VideoState]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query, (run_id,)):
                found.setdefault(row["step_run_id"], []).append(video_state_of(row))
        return found

    def claim(self, step_run_id: int, *, owner: str, boot_id: str, slot: str, device: str) -> StepRun | None:
        """Take a queued step run; None when somebody else has, or it was cancelled or is to pause.

        Args:
            step_run_id: which one.
            owner: who takes it, for people.
            boot_id: what tells this run of the machine from the next.
            slot: the slot it takes, for example `cpu` or a GPU's name.
            device: `cpu` or `cuda`.
        """
        now = moment(self._clock.now())
        values = (owner, boot_id, slot, device, now, self._clock.monotonic(), step_run_id)
        with self._database.write() as connection:
            row = connection.execute(
                "UPDATE step_runs SET state = 'running', owner = ?, boot_id = ?, slot = ?, device = ?, started = ?,"
                " beat_clock = ?, not_before = NULL, reason = ''"
                " WHERE id = ? AND state = 'queued' AND NOT pause_requested RETURNING *",
                values,
            ).fetchone()
            if row is None:
                return None
            step = step_run_of(row)
            announce_step(connection, self._clock, step)
            settle(connection, self._clock, step.run_id)
            connection.execute("UPDATE runs SET boot_id = ? WHERE id = ?", (boot_id, step.run_id))
            return step

    def started(
        self, step_run_id: int, *, pid: int, create_time: float, boot_id: str, log_path: str, events_path: str
    ) -> StepRun:
        """Note the process of a claimed step run, and where it writes."""
        process = {"pid": pid, "create_time": create_time, "boot_id": boot_id}
        files = {"log_path": name_column(log_path), "events_path": name_column(events_path)}
        return self._change(step_run_id, "started", {**process, **files})

    def beat(self, step_run_ids: Iterable[int]) -> None:
        """Note that step runs are being watched; one transaction for all, without an event."""
        now, clock = moment(self._clock.now()), self._clock.monotonic()
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE step_runs SET heartbeat = ?, beat_clock = ? WHERE id = ? AND state = 'running'",
                [(now, clock, step_run_id) for step_run_id in step_run_ids],
            )

    def book(self, step_run_id: int, events_offset: int, reported: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Write what a step reported, and up to where its file of events was read: both, or neither.

        Args:
            step_run_id: which one.
            events_offset: bytes of its file read so far; whoever goes on reading begins there.
            reported: kind and data of each event, oldest first. `video` also sets the state of that video,
                `progress` the progress of the step; of several `progress` only the last is written.

        Returns:
            The number of events written.
        """
        last = max((index for index, (kind, _) in enumerate(reported) if kind == "progress"), default=-1)
        kept = [event for index, event in enumerate(reported) if event[0] != "progress" or index == last]
        with self._database.write() as connection:
            step = find_step(connection, step_run_id)
            append(connection, self._clock, [NewEvent(kind, data, step.run_id, step.id) for kind, data in kept])
            self._note_videos(connection, step.id, [data for kind, data in kept if kind == "video"])
            progress = progress_of(reported[last][1]) if last >= 0 else step.progress
            connection.execute(
                "UPDATE step_runs SET events_offset = ?, progress = ? WHERE id = ?",
                (events_offset, progress_column(progress), step.id),
            )
        return len(kept)

    def finish(
        self, step_run_id: int, state: State, *, seconds: float, exit_code: int | None = None, reason: str = ""
    ) -> StepRun:
        """Book the end of a running step run; `seconds` as a monotonic clock measured them, `reason` a sentence."""
        return self._move(
            step_run_id,
            state,
            finished=moment(self._clock.now()),
            seconds=seconds,
            exit_code=exit_code,
            reason=printable(reason),
            paused=0,
            stalled=0,
        )

    def skip(self, step_run_id: int, reason: str) -> StepRun:
        """Book that a queued step run is not begun, because something it needs failed."""
        return self._move(step_run_id, "skipped", finished=moment(self._clock.now()), reason=printable(reason))

    def requeue(
        self, step_run_id: int, *, attempt: int, not_before: datetime | None = None, reason: str = ""
    ) -> StepRun:
        """Put a running, interrupted or skipped step run back into the queue, to be begun anew.

        One whose end was asked for is cancelled instead.

        Raises:
            Conflict: another run holds the same step of the same project by now.
        """
        now = moment(self._clock.now())
        with self._database.write() as connection:
            step = find_step(connection, step_run_id)
            if step.cancel_requested:
                return move(connection, self._clock, step, "cancelled", {"finished": now})
            if not step.active:
                check_free(connection, [step.planned], step.run_id)
            later = None if not_before is None else moment(not_before)
            changes = {"attempt": attempt, "queued": now, "not_before": later, "reason": printable(reason)}
            return move(connection, self._clock, step, "queued", {**_FRESH, **changes})

    def interrupt_other_boots(self, boot_id: str) -> list[StepRun]:
        """Book as interrupted what ran when the machine went down: whatever was claimed under another boot."""
        changes = {"finished": moment(self._clock.now()), "reason": _RESTARTED, "paused": 0, "stalled": 0}
        with self._database.write() as connection:
            connection.execute(  # the clock began anew: what the machine was down is not counted
                "UPDATE runs SET clock = ?, boot_id = ? WHERE clock IS NOT NULL AND boot_id IS NOT ?",
                (self._clock.monotonic(), boot_id, boot_id),
            )
            rows = connection.execute(
                "SELECT * FROM step_runs WHERE state = 'running' AND boot_id IS NOT ? ORDER BY id", (boot_id,)
            ).fetchall()
            return [move(connection, self._clock, step_run_of(row), "interrupted", changes) for row in rows]

    def request_cancel(self, step_run_id: int) -> StepRun:
        """Cancel one that is not running at once; ask the worker to end one that is."""
        return self._ask(step_run_id, cancel_step)

    def mark_paused(self, step_run_id: int, paused: bool) -> StepRun:
        """Note that its processes stand still, or go on."""
        return self._change(step_run_id, "paused" if paused else "resumed", {"paused": int(paused)})

    def mark_stalled(self, step_run_id: int, stalled: bool) -> StepRun:
        """Note that it shows no progress, or does again."""
        return self._change(step_run_id, "stalled" if stalled else "resumed", {"stalled": int(stalled)})

    def _select(self, rest: str, *values: Any) -> list[StepRun]:
        with self._database.read() as connection:
            return [step_run_of(row) for row in connection.execute(f"{_SELECT} {rest} {_IN_TURN}", values)]

    def _change(self, step_run_id: int, word: str, changes: dict[str, Any]) -> StepRun:
        with self._database.write() as connection:
            step = find_step(connection, step_run_id)
            if step.state != "running":
                raise TransitionError(str(step), step.state, word)
            return update_step(connection, self._clock, step.id, changes)

    def _move(self, step_run_id: int, state: State, **changes: Any) -> StepRun:
        with self._database.write() as connection:
            return move(connection, self._clock, find_step(connection, step_run_id), state, changes)

    def _ask(self, step_run_id: int, request: Callable[[sqlite3.Connection, Clock, StepRun], StepRun]) -> StepRun:
        with self._database.write() as connection:
            return request(connection, self._clock, find_step(connection, step_run_id))

    def _note_videos(
        self, connection: sqlite3.Connection, step_run_id: int, reported: Iterable[Mapping[str, Any]]
    ) -> None:
        now = moment(self._clock.now())
        connection.executemany(
            "INSERT INTO video_states (step_run_id, video, state, message, updated, seconds, length)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET updated = excluded.updated,"
            f" state = iif({_FOUND_DONE}, state, excluded.state),"
            f" message = iif({_FOUND_DONE}, message, excluded.message),"
            " seconds = ifnull(excluded.seconds, seconds), length = ifnull(excluded.length, length)",
            [
                (
                    step_run_id,
                    name_column(str(data["video"])),
                    str(data["state"]),
                    printable(str(data.get("message", ""))),
                    now,
                    seconds_of(data.get("seconds")),
                    seconds_of(data.get("length")),
                )
                for data in reported
                if "video" in data and "state" in data
            ],
        )
