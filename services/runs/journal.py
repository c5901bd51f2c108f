"""What every change writes besides itself, in the same transaction: its event, and the state of its run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from services.runs.model import Clock, NewEvent, Run, StepRun, UnknownRun
from services.runs.rows import moment, run_of, step_run_of
from services.states import ACTIVE, State, check_transition, run_state


def find_run(connection: sqlite3.Connection, run_id: int) -> Run:
    """One run.

    Raises:
        UnknownRun: there is none of that number.
    """
    row = connection.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is None:
        raise UnknownRun("run", run_id)
    return run_of(row)


def find_step(connection: sqlite3.Connection, step_run_id: int) -> StepRun:
    """One step run.

    Raises:
        UnknownRun: there is none of that number.
    """
    row = connection.execute("SELECT * FROM step_runs WHERE id = ?", (step_run_id,)).fetchone()
    if row is None:
        raise UnknownRun("step run", step_run_id)
    return step_run_of(row)


def steps_of(connection: sqlite3.Connection, run_id: int) -> tuple[StepRun, ...]:
    """The step runs of a run, in their order."""
    rows = connection.execute("SELECT * FROM step_runs WHERE run_id = ? ORDER BY position", (run_id,))
    return tuple(step_run_of(row) for row in rows)


def append(connection: sqlite3.Connection, clock: Clock, events: Iterable[NewEvent]) -> None:
    """Write events, in their order."""
    now = moment(clock.now())
    connection.executemany(
        "INSERT INTO events (time, run_id, step_run_id, kind, data) VALUES (?, ?, ?, ?, ?)",
        ((now, event.run_id, event.step_run_id, event.kind, json.dumps(dict(event.data))) for event in events),
    )


def last_event(connection: sqlite3.Connection) -> int:
    """The id of the newest event ever written, 0 before the first; clearing history does not change it."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def update_step(
    connection: sqlite3.Connection, clock: Clock, step_run_id: int, changes: Mapping[str, Any]
) -> StepRun:
    """Change columns of a step run and write the event that says how it stands now."""
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(f"UPDATE step_runs SET {columns} WHERE id = ?", (*changes.values(), step_run_id))
    step = find_step(connection, step_run_id)
    announce_step(connection, clock, step)
    return step


def move(
    connection: sqlite3.Connection,
    clock: Clock,
    step: StepRun,
    after: State,
    changes: Mapping[str, Any],
) -> StepRun:
    """Take a step run to another state, and its run with it.

    Raises:
        TransitionError: `after` cannot follow the state it is in.
    """
    check_transition(str(step), step.state, after)
    moved = update_step(connection, clock, step.id, {"state": after, **changes})
    settle(connection, clock, step.run_id)
    return moved


def announce_step(connection: sqlite3.Connection, clock: Clock, step: StepRun) -> None:
    """Write the event that says how a step run stands."""
    shown = ("step", "project", "state", "attempt", "reason", "exit_code", "slot", "device", "seconds")
    flags = ("cancel_requested", "pause_requested", "paused", "stalled")
    data = {name: getattr(step, name) for name in (*shown, *flags)}
    append(connection, clock, [NewEvent("step", data, step.run_id, step.id)])


def settle(connection: sqlite3.Connection, clock: Clock, run_id: int) -> None:
    """Let the state of a run follow from those of its step runs, and count the time it was running."""
    rows = connection.execute("SELECT DISTINCT state FROM step_runs WHERE run_id = ?", (run_id,))
    after = run_state(row[0] for row in rows)
    before = connection.execute(
        "SELECT state, started, seconds, clock FROM runs WHERE id = ?", (run_id,)
    ).fetchone()
    if after == before["state"]:
        return
    now = moment(clock.now())
    seconds = before["seconds"]
    if before["clock"] is not None:
        seconds += max(0.0, clock.monotonic() - before["clock"])
    connection.execute(
        "UPDATE runs SET state = ?, started = ?, finished = ?, seconds = ?, clock = ? WHERE id = ?",
        (
            after,
            before["started"] or (now if after == "running" else None),
            None if after in ACTIVE else now,
            seconds,
            clock.monotonic() if after == "running" else None,
            run_id,
        ),
    )
    announce_run(connection, clock, run_id, after)


def announce_run(connection: sqlite3.Connection, clock: Clock, run_id: int, state: State) -> None:
    """Write the event that says how a run stands."""
    append(connection, clock, [NewEvent("run", {"state": state}, run_id)])
