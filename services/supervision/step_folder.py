"""The folder of one step's process: all that is known of it, so that any later process can go on from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workflow_scripts.common.atomic import atomic_writer

#: The variable that all processes of a step hold; its value is the step's folder.
STEP_RUN_VARIABLE = "WORKFLOW_STEP_RUN"


class StepFolder:
    """The files of one step's process.

    process.json   who records its end, since when (the worker wrote it before the step began)
    output.log     what it printed, within a limit (services/supervision/step_logs.py)
    events.jsonl   its events (services/supervision/step_events.py)
    stop.json      that it was to be stopped, and why
    status.json    how it ended (services/supervision/record_exit.py wrote it as its last act)
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.process = self.path / "process.json"
        self.log = self.path / "output.log"
        self.events = self.path / "events.jsonl"
        self.stop = self.path / "stop.json"
        self.status = self.path / "status.json"


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a small file; None where there is none."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write_object(path: Path, data: dict[str, Any]) -> None:
    """Write a small file that holds one JSON object, whole or not at all."""
    with atomic_writer(path) as stream:
        json.dump(data, stream)
