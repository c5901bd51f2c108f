"""The figures of a period, all read from one state of the store."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from weakref import WeakKeyDictionary

from services.database import Database
from services.runs.rows import name_of_column
from services.statistics.pace import Pace, paces
from services.statistics.period import Period, day_of
from services.statistics.reasons import Complaint, Reason, reasons

#: The states of a video after work on it.
_WORKED_ON = ("succeeded", "degraded", "failed")
_ENDED = "s.finished >= ? AND s.finished < ?"
_MEASURED = "v.state IN ('succeeded', 'degraded', 'up to date') AND v.seconds IS NOT NULL AND v.length > 0"
_GIVEN = "s.step IN (SELECT value FROM json_each(?))"
_JOINED = "FROM step_runs s JOIN video_states v ON v.step_run_id = s.id"

#: What tells that a figure may have changed: how many runs are in which state, and which step runs have ended.
_NOW = """
    SELECT state, count(*), sum(id) FROM runs GROUP BY state
    UNION ALL SELECT max(finished), count(finished), 0 FROM step_runs WHERE finished > ''
"""
#: The last figures of each database, by what was asked; counted by one thread at a time.
_KEPT: WeakKeyDictionary[Database, dict[object, tuple[object, Overview]]] = WeakKeyDictionary()
_KEPT_AT_MOST = 8
_COUNTING = threading.Lock()


@dataclass(frozen=True)
class Day:
    """The runs that were asked for on one day, by the state they are in now."""

    day: date
    runs: Mapping[str, int]


@dataclass(frozen=True)
class StepQuality:
    """What became of the videos that a step worked on, by state, for each stretch of a period; empty: none."""

    step: str
    stretches: tuple[Mapping[str, int], ...]

    @property
    def total(self) -> Counter[str]:
        """Over the whole period."""
        return sum(map(Counter, self.stretches), Counter())

    @property
    def shares(self) -> tuple[float | None, ...]:
        """The share of degraded videos in each stretch, None where the step worked on none."""
        return tuple(degraded_share(stretch) for stretch in self.stretches)


@dataclass(frozen=True)
class Point:
    """One piece of work: a step that worked so many seconds on a video so many seconds long."""

    step: str
    device: str
    length: float
    seconds: float
    run_id: int


@dataclass(frozen=True)
class Overview:
    """All figures of a period.

    Runs belong to the day on which they were asked for, work and complaints to that on which their step run ended.
    `unmeasured` counts pieces of work well done whose duration or length nobody wrote down.
    """

    period: Period
    days: tuple[Day, ...]
    paces: tuple[Pace, ...]
    unmeasured: int
    quality: tuple[StepQuality, ...]
    failures: tuple[Reason, ...]
    complaints: tuple[Reason, ...]

    @property
    def runs(self) -> Counter[str]:
        """The runs of the period by state."""
        return sum((Counter(day.runs) for day in self.days), Counter())

    @property
    def videos(self) -> Counter[str]:
        """Pieces of work (a step on a video) by state."""
        return sum((step.total for step in self.quality), Counter())


def degraded_share(states: Mapping[str, int]) -> float | None:
    """The share of degraded among all that was worked on; None where nothing was."""
    total = sum(states.values())
    return states.get("degraded", 0) / total if total else None


def overview(database: Database, period: Period, steps: Sequence[str]) -> Overview:
    """The figures of a period; `steps` are those that work on videos, in the order in which they are told.

    Who asks again before anything has changed gets the same, without its being counted anew.
    """
    asked = (period, tuple(steps))
    with _COUNTING, database.read() as connection:
        now = connection.execute(_NOW).fetchall()
        kept = _KEPT.setdefault(database, {})
        if asked not in kept or kept[asked][0] != now:
            while len(kept) >= _KEPT_AT_MOST:
                del kept[next(iter(kept))]
            kept[asked] = now, _counted(connection, period, steps)
        return kept[asked][1]


def _counted(connection: sqlite3.Connection, period: Period, steps: Sequence[str]) -> Overview:
    listed = json.dumps(steps)
    work = connection.execute(
        f"SELECT s.step, s.device, v.seconds, v.length {_JOINED} WHERE {_ENDED} AND {_MEASURED}", period.bounds
    ).fetchall()
    well_done = f"v.state IN ('succeeded', 'degraded') AND NOT ({_MEASURED}) AND {_GIVEN}"
    unmeasured = connection.execute(
        f"SELECT count(*) {_JOINED} WHERE {_ENDED} AND {well_done}", (*period.bounds, listed)
    ).fetchone()[0]
    return Overview(
        period=period,
        days=_days(connection, period),
        paces=paces((row[0], row[1] or "", row[2], row[3]) for row in work),
        unmeasured=unmeasured,
        quality=_quality(connection, period, steps),
        failures=reasons(chain(_of_videos(connection, period, "failed"), _of_steps(connection, period))),
        complaints=reasons(_of_videos(connection, period, "degraded")),
    )


def points(database: Database, period: Period, limit: int = 2000) -> list[Point]:
    """The newest pieces of work of a period whose duration and length are known, the newest first."""
    query = (
        f"SELECT s.step, s.device, v.length, v.seconds, s.run_id {_JOINED} WHERE {_ENDED} AND {_MEASURED}"
        " ORDER BY s.finished DESC, v.video LIMIT ?"
    )
    with database.read() as connection:
        rows = connection.execute(query, (*period.bounds, limit)).fetchall()
    return [Point(row[0], row[1] or "", row[2], row[3], row[4]) for row in rows]


def oldest_run(database: Database) -> datetime | None:
    """When the oldest run that is remembered was asked for; None where there is none."""
    with database.read() as connection:
        found = connection.execute("SELECT min(created) FROM runs").fetchone()[0]
    return None if found is None else datetime.fromisoformat(found)


def _days(connection: sqlite3.Connection, period: Period) -> tuple[Day, ...]:
    counted: dict[date, Counter[str]] = {day: Counter() for day in period.days}
    query = "SELECT created, state FROM runs WHERE created >= ? AND created < ?"
    for created, state in connection.execute(query, period.bounds):
        counted[day_of(created)][state] += 1
    return tuple(Day(day, runs) for day, runs in counted.items())


def _quality(connection: sqlite3.Connection, period: Period, steps: Sequence[str]) -> tuple[StepQuality, ...]:
    places = {stretch: index for index, stretch in enumerate(period.stretches)}
    found: dict[str, list[Counter[str]]] = defaultdict(lambda: [Counter() for _ in places])
    query = (
        f"SELECT s.step, s.finished, v.state, count(*) {_JOINED} WHERE {_ENDED}"
        f" AND v.state IN {_WORKED_ON} AND {_GIVEN} GROUP BY s.id, v.state"
    )
    for step, finished, state, count in connection.execute(query, (*period.bounds, json.dumps(steps))):
        found[step][places[period.stretch_of(day_of(finished))]][state] += count
    return tuple(StepQuality(step, tuple(found[step])) for step in steps if step in found)


def _of_videos(connection: sqlite3.Connection, period: Period, state: str) -> Iterator[Complaint]:
    """What is said of the videos in a state."""
    query = (
        f"SELECT v.message, s.step, s.run_id, s.finished, v.video, s.project {_JOINED}"
        f" WHERE {_ENDED} AND v.state = ?"
    )
    for row in connection.execute(query, (*period.bounds, state)):
        yield _complaint(row)


def _of_steps(connection: sqlite3.Connection, period: Period) -> Iterator[Complaint]:
    """What is said of failed step runs in which no video is to blame."""
    query = (
        f"SELECT s.reason, s.step, s.run_id, s.finished, '', s.project FROM step_runs s WHERE {_ENDED}"
        " AND s.state = 'failed' AND NOT EXISTS"
        " (SELECT 1 FROM video_states v WHERE v.step_run_id = s.id AND v.state = 'failed')"
    )
    for row in connection.execute(query, period.bounds):
        yield _complaint(row)


def _complaint(row: sqlite3.Row) -> Complaint:
    sentence, step, run_id, finished, video, project = row
    when = datetime.fromisoformat(finished)
    return Complaint(sentence, step, run_id, when, name_of_column(video) or "", name_of_column(project) or "")
