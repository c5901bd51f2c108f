"""Runs that somebody looks for: of a period, by state, origin, project, step and any text about them."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from services.database import Database
from services.runs import Run
from services.runs.rows import name_column, name_of_column, run_of
from services.states import State, run_state
from services.statistics.period import Period
from workflow_scripts.common.events import printable


@dataclass(frozen=True)
class RunSearch:
    """Which runs are wanted; what is empty or None does not matter. `project` and `step` are about one step run.

    `text` is the run's number (`12`, `#12`), or part of a project's or video's name, a reason or a message, in
    whatever case.
    """

    states: tuple[State, ...] = ()
    origin: str | None = None
    project: str | None = None
    step: str | None = None
    text: str = ""


@dataclass(frozen=True)
class StepOfRun:
    """One step of a run, over all its projects."""

    step: str
    state: State


@dataclass(frozen=True)
class FoundRun:
    """A run with its steps in their order, how many videos are failed and degraded, and why the first one is."""

    run: Run
    steps: tuple[StepOfRun, ...]
    failed: int
    degraded: int
    trouble: str


@dataclass(frozen=True)
class Found:
    """A page of runs, newest first; pages count from 1, and there is always one."""

    runs: tuple[FoundRun, ...]
    total: int
    page: int
    pages: int


def find_runs(database: Database, period: Period, wanted: RunSearch, page: int = 1, size: int = 25) -> Found:
    """A page of the runs asked for in a period; where there are not so many pages, the last."""
    conditions, values = _conditions(period, wanted)
    with database.read() as connection:
        rows = connection.execute(f"SELECT id FROM runs WHERE {conditions} ORDER BY id DESC", values)
        ids = [row[0] for row in rows]
        if wanted.text.strip():
            ids = _with_text(connection, ids, wanted.text)
        pages = max(1, -(-len(ids) // size))
        page = min(max(page, 1), pages)
        chosen = ids[(page - 1) * size : page * size]
        return Found(_described(connection, chosen), len(ids), page, pages)


def _conditions(period: Period, wanted: RunSearch) -> tuple[str, list[Any]]:
    conditions, values = ["created >= ?", "created < ?"], list[Any](period.bounds)
    if wanted.states:
        conditions.append(f"state IN ({', '.join('?' * len(wanted.states))})")
        values += wanted.states
    if wanted.origin:
        conditions.append("origin = ?")
        values.append(wanted.origin)
    asked = {"step": wanted.step or None, "project": name_column(wanted.project)}
    given = {column: value for column, value in asked.items() if value is not None}
    if given:
        matching = " AND ".join(f"{column} = ?" for column in given)
        conditions.append(f"id IN (SELECT run_id FROM step_runs WHERE {matching})")
        values += given.values()
    return " AND ".join(conditions), values


def _with_text(connection: sqlite3.Connection, ids: list[int], text: str) -> list[int]:
    """Those of the runs that a text is about."""
    wanted = _folded(text.strip())
    found = {run_id for run_id in ids if wanted.removeprefix("#") == str(run_id)}
    bounds = (min(ids, default=0), max(ids, default=0))
    for run_id, projects in connection.execute("SELECT id, projects FROM runs WHERE id BETWEEN ? AND ?", bounds):
        if any(wanted in _folded(name) for name in json.loads(projects)):
            found.add(run_id)
    queries = (
        "SELECT run_id, ifnull(project, ''), reason FROM step_runs WHERE run_id BETWEEN ? AND ?",
        "SELECT DISTINCT s.run_id, v.video, v.message FROM step_runs s JOIN video_states v ON v.step_run_id = s.id"
        " WHERE s.run_id BETWEEN ? AND ?",
    )
    for query in queries:
        for run_id, name, sentence in connection.execute(query, bounds):
            if run_id not in found and (
                wanted in _folded(name_of_column(name) or "") or wanted in _folded(sentence)
            ):
                found.add(run_id)
    return [run_id for run_id in ids if run_id in found]


def _folded(text: str) -> str:
    """A text as it is compared: as it is shown, whatever its case, composed or not."""
    return unicodedata.normalize("NFC", printable(text)).casefold()


def _described(connection: sqlite3.Connection, ids: list[int]) -> tuple[FoundRun, ...]:
    listed = json.dumps(ids)
    chosen = "(SELECT value FROM json_each(?))"
    runs = connection.execute(f"SELECT * FROM runs WHERE id IN {chosen} ORDER BY id DESC", (listed,)).fetchall()
    states: dict[int, dict[str, list[State]]] = defaultdict(lambda: defaultdict(list))
    reasons: dict[int, str] = {}
    query = f"SELECT run_id, step, state, reason FROM step_runs WHERE run_id IN {chosen} ORDER BY position"
    for run_id, step, state, reason in connection.execute(query, (listed,)):
        states[run_id][step].append(state)
        if state in ("failed", "interrupted") and reason:
            reasons.setdefault(run_id, reason)
    counts, messages = _troubled(connection, chosen, listed)
    return tuple(
        FoundRun(
            run=run_of(row),
            steps=tuple(StepOfRun(step, _together(found)) for step, found in states[row["id"]].items()),
            failed=counts[row["id"]]["failed"],
            degraded=counts[row["id"]]["degraded"],
            trouble=messages.get(row["id"]) or reasons.get(row["id"], ""),
        )
        for row in runs
    )


def _troubled(
    connection: sqlite3.Connection, chosen: str, listed: str
) -> tuple[dict[int, dict[str, int]], dict[int, str]]:
    """By run: how many videos are failed and degraded in one of its steps, and the gravest and first message."""
    videos: dict[int, dict[str, set[tuple[object, object]]]] = defaultdict(lambda: defaultdict(set))
    messages: dict[int, str] = {}
    query = (
        "SELECT s.run_id, s.project, v.video, v.state, v.message FROM step_runs s"
        " JOIN video_states v ON v.step_run_id = s.id"
        f" WHERE s.run_id IN {chosen} AND v.state IN ('failed', 'degraded')"
        " ORDER BY v.state = 'degraded', s.position"
    )
    for run_id, project, video, state, message in connection.execute(query, (listed,)):
        videos[run_id][state].add((project, video))
        messages.setdefault(run_id, message)
    counts: dict[int, dict[str, int]] = defaultdict(lambda: {"failed": 0, "degraded": 0})
    for run_id, found in videos.items():
        failed = found["failed"]
        counts[run_id] = {"failed": len(failed), "degraded": len(found["degraded"] - failed)}
    return counts, messages


def _together(states: list[State]) -> State:
    """The state of a step over several projects; where it was left out everywhere, that."""
    return "skipped" if set(states) == {"skipped"} else run_state(states)


def projects_of_runs(database: Database) -> list[str]:
    """The projects that runs were about, by name."""
    with database.read() as connection:
        found = connection.execute("SELECT DISTINCT project FROM step_runs WHERE project IS NOT NULL")
        return sorted((name_of_column(row[0]) or "" for row in found), key=_folded)
