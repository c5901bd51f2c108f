"""Runs: asked for, listed, shown, cancelled, held, and in the end forgotten."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from services.database import Database
from services.runs.events import Events
from services.runs.journal import announce_run, find_run, settle, steps_of
from services.runs.model import Clock, PlannedStep, RunDetail, RunFilter, RunPage, RunRequest, StepRun
from services.runs.planning import check_free, insert_steps
from services.runs.requests import cancel_step, pause_step, resume_step
from services.runs.rows import moment, name_column, request_columns, run_of
from services.runs.step_runs import StepRuns
from services.states import TransitionError
from workflow_scripts.common.errors import UsageError

#: Events removed in one transaction, so that nobody waits long while history is cleared.
_BATCH = 10_000


class Runs:
    """The runs of a database, with their step runs (`steps`) and all that happened (`events`).

    Methods that take an id raise UnknownRun where there is none of it. All may be called from any thread.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or Clock()
        self.steps = StepRuns(database, self._clock)
        self.events = Events(database, self._clock)

    def create(self, request: RunRequest, planned: Sequence[PlannedStep]) -> RunDetail:
        """Write a run with its step runs, all queued, in the order planned.

        Raises:
            Conflict: an unfinished step run of another run does one of them; nothing was written.
            UsageError: nothing is planned, or one step twice for the same project.
        """
        if not planned or len(set(planned)) < len(planned):
            raise UsageError("A run needs at least one step, and each only once for a project.")
        columns = {**request_columns(request), "created": moment(self._clock.now()), "state": "queued"}
        places = ", ".join("?" * len(columns))
        with self._database.write() as connection:
            check_free(connection, planned)
            if request.retry_of is not None:
                find_run(connection, request.retry_of)
            inserted = connection.execute(
                f"INSERT INTO runs ({', '.join(columns)}) VALUES ({places})", tuple(columns.values())
            )
            run_id = inserted.lastrowid or 0
            announce_run(connection, self._clock, run_id, "queued")
            insert_steps(connection, self._clock, run_id, planned)
            return _detail(connection, run_id)

    def extend(self, run_id: int, projects: Sequence[str], planned: Sequence[PlannedStep]) -> RunDetail:
        """Add projects and step runs to a run that is not over, once STEP1 has told which projects there are.

        What the run has already is left alone, so that a worker that died here can do it again. Call it before
        the last step run is booked as ended: a run without anything to do is over.

        Raises:
            Conflict: another run does one of them.
            TransitionError: the run is over.
        """
        with self._database.write() as connection:
            before = _detail(connection, run_id)
            if not before.run.active:
                raise TransitionError(str(before.run), before.run.state, "extended")
            there = {step.planned for step in before.steps}
            new = [step for step in dict.fromkeys(planned) if step not in there]
            check_free(connection, new, run_id)
            named = tuple(dict.fromkeys((*before.run.request.projects, *projects)))
            connection.execute("UPDATE runs SET projects = ? WHERE id = ?", (json.dumps(named), run_id))
            insert_steps(connection, self._clock, run_id, new)
            settle(connection, self._clock, run_id)
            return _detail(connection, run_id)

    def show(self, run_id: int) -> RunDetail:
        """A run and its step runs."""
        with self._database.read() as connection:
            return _detail(connection, run_id)

    def page(self, wanted: RunFilter | None = None, *, before: int | None = None, limit: int = 50) -> RunPage:
        """Runs that pass a filter, newest first.

        Args:
            wanted: the filter; all runs without one.
            before: only runs of a smaller id; the `older` of the page before this one.
            limit: how many at most.
        """
        conditions, values = _conditions(wanted or RunFilter())
        older, limits = ("AND id < ?", [before]) if before is not None else ("", [])
        with self._database.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM runs WHERE {conditions}", values).fetchone()[0]
            rows = connection.execute(
                f"SELECT * FROM runs WHERE {conditions} {older} ORDER BY id DESC LIMIT ?",
                [*values, *limits, limit + 1],
            ).fetchall()
        runs = tuple(run_of(row) for row in rows[:limit])
        return RunPage(runs, total, runs[-1].id if len(rows) > limit and runs else None)

    def cancel(self, run_id: int) -> RunDetail:
        """Cancel all that is not running at once, and ask for the end of what is.

        Raises:
            TransitionError: nothing of it can be cancelled any more.
        """
        return self._ask(run_id, ("queued", "running", "interrupted"), "cancelled", cancel_step)

    def pause(self, run_id: int) -> RunDetail:
        """Ask that all that runs pauses, and that nothing of it begins.

        Raises:
            TransitionError: it is over.
        """
        return self._ask(run_id, ("queued", "running"), "paused", pause_step)

    def resume(self, run_id: int) -> RunDetail:
        """Take the request to pause back.

        Raises:
            TransitionError: it is over.
        """
        return self._ask(run_id, ("queued", "running"), "resumed", resume_step)

    def prune(self, age: timedelta) -> int:
        """Forget the runs that ended longer ago than `age`, and events of no run as old; returns how many runs."""
        limit = moment(self._clock.now() - age)
        query = "SELECT id FROM runs WHERE state NOT IN ('queued', 'running') AND finished < ?"
        with self._database.read() as connection:
            old = [row[0] for row in connection.execute(query, (limit,))]
        for run_id in old:
            self._forget_events("run_id = ?", run_id)
            with self._database.write() as connection:
                connection.execute("DELETE FROM runs WHERE id = ? AND finished < ?", (run_id, limit))
        self._forget_events("run_id IS NULL AND time < ?", limit)
        return len(old)

    def _forget_events(self, which: str, value: object) -> None:
        """Delete events in batches; others may write between two."""
        query = f"DELETE FROM events WHERE id IN (SELECT id FROM events WHERE {which} LIMIT {_BATCH})"
        removed = _BATCH
        while removed == _BATCH:
            with self._database.write() as connection:
                removed = connection.execute(query, (value,)).rowcount

    def _ask(
        self,
        run_id: int,
        states: Sequence[str],
        word: str,
        request: Callable[[sqlite3.Connection, Clock, StepRun], StepRun],
    ) -> RunDetail:
        with self._database.write() as connection:
            detail = _detail(connection, run_id)
            able = [step for step in detail.steps if step.state in states]
            if not able:
                raise TransitionError(str(detail.run), detail.run.state, word)
            for step in able:
                request(connection, self._clock, step)
            return _detail(connection, run_id)


def _detail(connection: sqlite3.Connection, run_id: int) -> RunDetail:
    return RunDetail(find_run(connection, run_id), steps_of(connection, run_id))


def _conditions(wanted: RunFilter) -> tuple[str, list[Any]]:
    """A filter as SQL, and its values."""
    conditions: list[str] = ["1"]
    values: list[Any] = []
    if wanted.states:
        conditions.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        values += wanted.states
    if wanted.origin is not None:
        conditions.append("origin = ?")
        values.append(wanted.origin)
    steps = {"step": wanted.step, "project": name_column(wanted.project)}
    given = {column: value for column, value in steps.items() if value is not None}
    if given:
        matching = " AND ".join(f"{column} = ?" for column in given)
        conditions.append(f"id IN (SELECT run_id FROM step_runs WHERE {matching})")
        values += given.values()
    return " AND ".join(conditions), values
