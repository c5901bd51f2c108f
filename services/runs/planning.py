"""Adding step runs to a run, each piece of work in one unfinished run only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from services.runs.journal import announce_step, find_step
from services.runs.model import Clock, Conflict, PlannedStep
from services.runs.rows import moment, name_column


def check_free(connection: sqlite3.Connection, planned: Iterable[PlannedStep], own: int | None = None) -> None:
    """See that no unfinished step run of another run does what is planned; one for all projects does it for each.

    Raises:
        Conflict: one does.
    """
    for step in planned:
        row = connection.execute(
            "SELECT run_id FROM step_runs WHERE state IN ('queued', 'running') AND step = ?"
            " AND (project IS NULL OR ? IS NULL OR project = ?) AND run_id IS NOT ?",
            (step.step, name_column(step.project), name_column(step.project), own),
        ).fetchone()
        if row is not None:
            raise Conflict(step, row["run_id"])


def insert_steps(connection: sqlite3.Connection, clock: Clock, run_id: int, planned: Sequence[PlannedStep]) -> None:
    """Add queued step runs at the end of a run, in their order."""
    first = connection.execute("SELECT count(*) FROM step_runs WHERE run_id = ?", (run_id,)).fetchone()[0]
    now = moment(clock.now())
    for position, step in enumerate(planned, first):
        added = connection.execute(
            "INSERT INTO step_runs (run_id, step, project, position, state, queued)"
            " VALUES (?, ?, ?, ?, 'queued', ?)",
            (run_id, step.step, name_column(step.project), position, now),
        )
        announce_step(connection, clock, find_step(connection, added.lastrowid or 0))
