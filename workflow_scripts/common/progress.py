"""Progress of one video: a bar on a terminal, otherwise a log line now and then; always events."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any

from tqdm import tqdm

from workflow_scripts.common.events import EventFile

#: Seconds between two events, and between two log lines where there is no terminal.
EVENT_INTERVAL = 0.5
LOG_INTERVAL = 10.0


class Progress:
    """Reports `done` of `total` units; use as a context manager so that the bar is closed."""

    def __init__(self, name: str, events: EventFile, logger: logging.Logger, *, bar: bool = True) -> None:
        """Args:
        bar: whether a terminal gets a bar; several at once would write over each other.
        """
        self._name = name
        self._events = events
        self._logger = logger
        self._on_terminal = bar and sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._unit = ""
        self._last_event = float("-inf")
        self._unfinished = True
        self._last_log = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        """Report that `done` of `total` units (None: unknown) are done; cheap enough to call per frame."""
        now = time.monotonic()
        finished = total is not None and done >= total
        if now - self._last_event < EVENT_INTERVAL and not (finished and self._unfinished):
            return
        self._last_event = now
        self._unfinished = not finished
        self._events.emit("progress", video=self._name, done=done, total=total, unit=unit)
        if self._on_terminal:
            self._show_bar(done, total, unit)
        elif now - self._last_log >= LOG_INTERVAL:
            self._last_log = now
            share = f" ({100 * done / total:.0f}%)" if total else ""
            self._logger.info("INTERNAL_PROGRESS: %d/%s %s%s - %s", done, total or "?", unit, share, self._name)
        self._unit = unit

    def _show_bar(self, done: int, total: int | None, unit: str) -> None:
        if self._bar is None or unit != self._unit:
            self._close_bar()
            self._bar = tqdm(total=total, unit=f" {unit}", leave=False, dynamic_ncols=True, file=sys.stderr)
        self._bar.total = total
        self._bar.n = done
        self._bar.refresh()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
