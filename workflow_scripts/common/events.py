"""Events for the controller (one JSON object per line) and log lines for people."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts.common.paths import logs_folder

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def utc_now() -> str:
    """The time of day in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def printable(text: str) -> str:
    """A text that is safe in a log and on a terminal: control and direction characters are escaped."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def about(name: str, sentence: str) -> str:
    """A sentence that says which video it is about, once."""
    return sentence if sentence.startswith(f"{name}: ") else f"{name}: {sentence}"


class EventFile:
    """Appends events to the file that `WORKFLOW_EVENTS` names; without it, does nothing.

    Every event has `event`, `time` and `step`; each line is written by one call, so readers never see half. When
    the file cannot be written, that is said once in the log, and the work goes on.
    """

    def __init__(self, step: str) -> None:
        self._step = step
        self._path = os.environ.get("WORKFLOW_EVENTS")

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event: `started`, `video`, `progress`, `warning`, `artifact` or `finished`."""
        if not self._path:
            return
        line = json.dumps({"event": event, "time": utc_now(), "step": self._step, **fields}) + "\n"
        try:
            _append(self._path, line.encode())
        except OSError as error:
            logging.getLogger("workflow").warning("%s: events cannot be written (%s).", self._path, error.strerror)
            self._path = None


def _append(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


class _LogFile(logging.FileHandler):
    """A log file that may fail (a full disk): said once, and the work goes on without it."""

    _failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless an earlier one could not be written."""
        if not self._failed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Give the file up when it cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._failed = True
        stream, self.stream = self.stream, None
        with contextlib.suppress(OSError):  # what is still buffered cannot be written either
            if stream is not None:
                stream.close()
        sys.stderr.write(f"The log file cannot be written ({error.strerror}); going on without it.\n")


class _PrintableFormatter(logging.Formatter):
    """Escapes what could forge a line or steer a terminal, in the message; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


def open_log(step_number: str, name: str, path: Path | None = None) -> tuple[logging.Logger, Path]:
    """The step's logger, writing to `logs/stepN/<name>_<time>_<process>.log` and to standard output; and that file.

    Each line is written by one call, so that several processes may add to the same file.

    Args:
        step_number: the number in the folder's name, for example `3`.
        name: the script's name without suffix.
        path: the log of the run that this process belongs to, where it has one already.
    """
    if path is None:
        folder = logs_folder() / f"step{step_number}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}_{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}.log"
    logger = logging.getLogger("workflow")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    to_file = _LogFile(path, encoding="utf-8", delay=True)
    to_screen = logging.StreamHandler(sys.stdout)
    to_file.setFormatter(_PrintableFormatter("%(asctime)s [%(levelname)s] %(message)s"))
    to_screen.setFormatter(_PrintableFormatter("[%(levelname)s] %(message)s"))
    to_screen.setLevel(logging.INFO)
    logger.addHandler(to_file)
    logger.addHandler(to_screen)
    return logger, path


def name_every_line(logger: logging.Logger, item: str) -> None:
    """Put an item's name before each line that does not have it: lines of other items come between."""

    def name(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if item not in text and f"{Path(item).stem}." not in text:
            record.msg, record.args = f"{item}: {text}", ()
        return True

    for handler in logger.handlers:
        handler.addFilter(name)
