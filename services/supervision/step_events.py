"""The events that a step writes, read while it runs: by offset, and whatever the file looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The longest event and the most that one look at the file reads, in bytes.
LONGEST = 1_000_000


@dataclass(frozen=True)
class StepEvent:
    """One event of a step.

    Args:
        kind: `started`, `video`, `progress`, `warning`, `artifact`, `finished`, or what a later step calls its own.
        time: when, ISO 8601 in UTC as the step wrote it; empty where it did not.
        data: what else the event says.
    """

    kind: str
    time: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class StepProgress:
    """How far a step is with a video: `done` of `total` units; `total` None is unknown."""

    video: str
    done: int
    total: int | None
    unit: str


class EventReader:
    """Reads a file of events from where it stopped last.

    A last line without an end is left for the next time, a line that is no event is counted and passed over, and a
    file that has become shorter is read from its beginning. After a look, `offset` is where the next one begins,
    `more` tells that it would find something at once, and `ignored` how many lines were no events so far.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Args:
        path: the file; it need not exist yet.
        offset: where to begin, in bytes, as an earlier reader's `offset` said.
        """
        self._path = path
        self.offset = offset
        self.ignored = 0
        self.more = False
        self._in_long_line = False

    def read(self) -> list[StepEvent]:
        """The events since the last time, but not more than `LONGEST` bytes of them; empty when there are none."""
        events = []
        for line in self._lines():
            event = parse_event(line)
            if event is None:
                self.ignored += bool(line.strip())
            else:
                events.append(event)
        return events

    def _lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as stream:
                if stream.seek(0, 2) < self.offset:
                    self.offset, self._in_long_line = 0, False
                stream.seek(self.offset)
                data = stream.read(LONGEST)
        except OSError:  # not written yet; or not readable now, and perhaps the next time
            self.more = False
            return []
        self.more = len(data) == LONGEST
        whole = data.rfind(b"\n") + 1
        if not whole and self.more:  # longer than any event: passed over piece by piece
            self.ignored += not self._in_long_line
            self._in_long_line = True
            self.offset += LONGEST
            return []
        if not whole:
            return []
        self.offset += whole
        lines = data[: whole - 1].split(b"\n")
        if self._in_long_line:
            self._in_long_line = False
            return lines[1:]
        return lines


def parse_event(line: bytes) -> StepEvent | None:
    """The event in a line, None where it holds none."""
    try:
        data = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):  # of JSON, of UTF-8, of a number too long, of nesting too deep
        return None
    if not isinstance(data, dict) or not isinstance(data.get("event"), str):
        return None
    kind, time = data.pop("event"), data.pop("time", "")
    return StepEvent(kind, time if isinstance(time, str) else "", data)


def progress_of(event: StepEvent) -> StepProgress | None:
    """How far the step is, where an event says it."""
    data = event.data
    done, total = data.get("done"), data.get("total")
    if event.kind != "progress" or not isinstance(done, int) or not isinstance(total, int | None):
        return None
    return StepProgress(str(data.get("video", "")), done, total, str(data.get("unit", "")))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
