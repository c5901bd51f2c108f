"""Events as they are committed, for many listeners at once: one thread asks the database for all of them."""

from __future__ import annotations

import json
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from services.names import key_of
from services.runs import Event, Events
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable

#: Seconds between two looks at the database while somebody listens.
INTERVAL = 0.05
#: Messages kept in memory for the listeners; who is further behind reads from the database.
KEPT = 4000
#: Messages in one answer.
PAGE = 500


@dataclass(frozen=True)
class Message:
    """An event as it is sent: made into text once, however many listen."""

    id: int
    kind: str
    run_id: int | None
    step_run_id: int | None
    text: str


@dataclass(frozen=True)
class Wanted:
    """Which events somebody listens to; what is None or empty does not matter."""

    run_id: int | None = None
    step_run_id: int | None = None
    kinds: frozenset[str] = frozenset()

    def takes(self, message: Message) -> bool:
        """Whether a message is one of them."""
        return (
            self.run_id in (None, message.run_id)
            and self.step_run_id in (None, message.step_run_id)
            and (not self.kinds or message.kind in self.kinds)
        )


def event_values(event: Event) -> dict[str, Any]:
    """An event for the API: names are printable, and `project` and `video` have their keys beside them."""
    data = _shown(event.data)
    for what in ("project", "video"):
        if isinstance(name := event.data.get(what), str) and name:
            data[f"{what}_key"] = key_of(name)
    return {
        "id": event.id,
        "time": event.time.isoformat(timespec="milliseconds"),
        "kind": printable(event.kind),
        "run": event.run_id,
        "step_run": event.step_run_id,
        "data": data,
    }


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): _shown(inner) for name, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list | tuple) else value


def message_of(event: Event) -> Message:
    """An event as it is sent."""
    text = json.dumps(event_values(event), separators=(",", ":"))
    return Message(event.id, event.kind, event.run_id, event.step_run_id, text)


class EventFeed:
    """Gives every listener each message once and in order, from the id where it left off.

    The thread lives while there are listeners; without any, nothing is asked.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._changed = threading.Condition()
        self._listeners = 0
        self._thread: threading.Thread | None = None
        self._recent: list[Message] = []
        self._floor = 0  # `_recent` holds everything after this id
        self._wakes = 0
        self.closed = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep the feed going while the block runs."""
        with self._changed:
            if self._thread is None and not self.closed:
                self._floor, self._recent = self._events.last_id(), []
                self._thread = threading.Thread(target=self._follow, name="events", daemon=True)
                self._thread.start()
            self._listeners += 1
        try:
            yield
        finally:
            with self._changed:
                self._listeners -= 1
                self._changed.notify_all()

    def after(self, event_id: int, wanted: Wanted, timeout: float) -> tuple[list[Message], int]:
        """The next messages after an id, oldest first, and the id from which to go on.

        Waits for one at most `timeout` seconds, while others than the wanted ones pass by.
        """
        deadline, wakes = time.monotonic() + timeout, self._wakes
        while not self.closed:
            if event_id < (floor := self._floor):
                if found := self._older(event_id, wanted):
                    return [m for m in found if wanted.takes(m)], found[-1].id
                event_id = floor
            with self._changed:
                start = bisect_right(self._recent, event_id, key=lambda message: message.id)
                fresh = self._recent[start : start + PAGE] if event_id >= self._floor else []
                event_id = fresh[-1].id if fresh else event_id
                found, left = [m for m in fresh if wanted.takes(m)], deadline - time.monotonic()
                if found or left <= 0 or wakes != self._wakes:
                    return found, event_id
                if not fresh and event_id >= self._floor and not self.closed:
                    self._changed.wait(left)
        return [], event_id

    def wake(self) -> None:
        """Let every listener that waits have an answer now, an empty one too."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the feed: who waits gets nothing more."""
        with self._changed:
            self.closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _older(self, event_id: int, wanted: Wanted) -> list[Message]:
        found = self._events.after(event_id, PAGE, run_id=wanted.run_id, step_run_id=wanted.step_run_id)
        return [message_of(event) for event in found]

    def _follow(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.closed or not self._listeners, INTERVAL)
                if self.closed or not self._listeners:
                    self._thread = None
                    return
                newest = self._recent[-1].id if self._recent else self._floor
            try:
                self._add([message_of(event) for event in self._events.after(newest, KEPT)])
            except WorkflowError as error:
                logging.getLogger("workflow.web").warning("Events cannot be read: %s", error)
                time.sleep(1)

    def _add(self, found: list[Message]) -> None:
        with self._changed:
            self._recent += found
            if len(self._recent) > 2 * KEPT:
                self._floor = self._recent[-KEPT - 1].id
                del self._recent[:-KEPT]
            if found:
                self._changed.notify_all()
