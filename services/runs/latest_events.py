"""The journal of a run from its end: what people read first is what happened last."""

from __future__ import annotations

from services.database import Database
from services.runs.model import Event
from services.runs.rows import event_of


def events_before(
    database: Database, run_id: int, before: int | None = None, kind: str | None = None, limit: int = 100
) -> list[Event]:
    """The events of a run before an id, newest first, at most `limit`; progress, which is many, is not among them.

    Args:
        database: the store.
        run_id: the run.
        before: only events of a smaller id; the last of the page before this one.
        kind: only events of this kind.
        limit: how many at most.
    """
    given: dict[str, int | str | None] = {"run_id = ?": run_id, "id < ?": before, "kind = ?": kind or None}
    wanted = ["kind != 'progress'", *(condition for condition, value in given.items() if value is not None)]
    values = [value for value in given.values() if value is not None]
    query = f"SELECT * FROM events WHERE {' AND '.join(wanted)} ORDER BY id DESC LIMIT ?"
    with database.read() as connection:
        return [event_of(row) for row in connection.execute(query, (*values, limit))]


def kinds_of(database: Database, run_id: int) -> list[str]:
    """The kinds of events that a run has, progress not among them, by name."""
    query = "SELECT DISTINCT kind FROM events WHERE run_id = ? AND kind != 'progress' ORDER BY kind"
    with database.read() as connection:
        return [row[0] for row in connection.execute(query, (run_id,))]
