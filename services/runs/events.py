"""What happened, in the order it was committed: pages and programs follow it by id."""

from __future__ import annotations

from collections.abc import Iterable

from services.database import Database
from services.runs.journal import append, last_event
from services.runs.model import Clock, Event, NewEvent
from services.runs.rows import event_of


class Events:
    """The journal of all runs. Who asks from the last id that was read misses nothing and sees nothing twice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def append(self, events: Iterable[NewEvent]) -> int:
        """Write events in one transaction and return the id of the last."""
        with self._database.write() as connection:
            append(connection, self._clock, events)
            return last_event(connection)

    def after(
        self, event_id: int, limit: int = 1000, *, run_id: int | None = None, step_run_id: int | None = None
    ) -> list[Event]:
        """The next events after an id, oldest first, at most `limit`; of one run or of one step run where given."""
        wanted, values = ["id > ?"], [event_id]
        if step_run_id is not None:
            wanted += ["run_id = (SELECT run_id FROM step_runs WHERE id = ?)", "step_run_id = ?"]
            values += [step_run_id, step_run_id]
        if run_id is not None:
            wanted, values = [*wanted, "run_id = ?"], [*values, run_id]
        query = f"SELECT * FROM events WHERE {' AND '.join(wanted)} ORDER BY id LIMIT ?"
        with self._database.read() as connection:
            return [event_of(row) for row in connection.execute(query, (*values, limit))]

    def last_id(self) -> int:
        """The id of the newest event ever written, 0 before the first."""
        with self._database.read() as connection:
            return last_event(connection)
