"""Rows of the database as values, and values as what a column holds."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from services.runs.model import Event, Progress, Run, RunOptions, RunRequest, StepRun, VideoState

_STEP_RUN = tuple(field.name for field in fields(StepRun))
_MOMENTS = ("not_before", "started", "heartbeat", "finished")
_FLAGS = ("cancel_requested", "pause_requested", "paused", "stalled")


def moment(value: datetime) -> str:
    """A time as it is stored: UTC with milliseconds, so that texts sort as times do."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds")


def name_column(name: str | None) -> str | bytes | None:
    """The name of a folder or file as it is stored: as bytes where it is no UTF-8."""
    if name is None:
        return None
    data = os.fsencode(name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def request_columns(request: RunRequest) -> dict[str, Any]:
    """The columns of a run that say what was asked for."""
    return {
        "sequence": json.dumps(request.sequence),
        "projects": json.dumps(request.projects),
        "options": json.dumps(asdict(request.options)),
        "priority": request.priority,
        "origin": request.origin,
        "retry_of": request.retry_of,
    }


def progress_of(data: Mapping[str, Any]) -> Progress | None:
    """Progress as a step reports it, None where that makes no sense."""
    done, total = data.get("done"), data.get("total")
    if not isinstance(done, int | float) or not isinstance(total, int | float):
        return None
    return Progress(done, total, str(data.get("unit") or ""), str(data.get("video") or ""))


def seconds_of(value: Any) -> float | None:
    """Seconds as a step reports them, None where that makes no sense."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if good else None


def progress_column(progress: Progress | None) -> str | None:
    """Progress as it is stored."""
    return None if progress is None else json.dumps(asdict(progress))


def run_of(row: sqlite3.Row) -> Run:
    """A row of `runs`."""
    request = RunRequest(
        sequence=tuple(json.loads(row["sequence"])),
        projects=tuple(json.loads(row["projects"])),
        options=RunOptions(**json.loads(row["options"])),
        priority=row["priority"],
        origin=row["origin"],
        retry_of=row["retry_of"],
    )
    return Run(
        id=row["id"],
        created=datetime.fromisoformat(row["created"]),
        request=request,
        state=row["state"],
        started=_moment(row["started"]),
        finished=_moment(row["finished"]),
        seconds=row["seconds"],
    )


def step_run_of(row: sqlite3.Row) -> StepRun:
    """A row of `step_runs`."""
    values: dict[str, Any] = {name: row[name] for name in _STEP_RUN}
    values |= {name: _moment(values[name]) for name in _MOMENTS}
    values |= {name: bool(values[name]) for name in _FLAGS}
    values |= {name: name_of_column(values[name]) for name in ("project", "log_path", "events_path")}
    values["progress"] = progress_of(json.loads(row["progress"])) if row["progress"] else None
    return StepRun(**values)


def video_state_of(row: sqlite3.Row) -> VideoState:
    """A row of `video_states`."""
    updated = datetime.fromisoformat(row["updated"])
    return VideoState(row["step_run_id"], name_of_column(row["video"]) or "", row["state"], row["message"], updated)


def event_of(row: sqlite3.Row) -> Event:
    """A row of `events`."""
    time = datetime.fromisoformat(row["time"])
    return Event(row["id"], time, row["kind"], json.loads(row["data"]), row["run_id"], row["step_run_id"])


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def name_of_column(value: str | bytes | None) -> str | None:
    """The name of a folder or file that is stored."""
    return os.fsdecode(value) if isinstance(value, bytes) else value
