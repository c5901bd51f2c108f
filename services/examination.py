"""The doctor's last findings, kept until somebody asks to look again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.doctor import Finding

#: How old findings may be and still be shown without looking again.
FRESH = timedelta(minutes=10)


@dataclass(frozen=True)
class Examined:
    """What the doctor found, and when (UTC)."""

    findings: tuple[Finding, ...]
    when: datetime

    @property
    def problems(self) -> int:
        """How many of them stop a step."""
        return sum(finding.verdict == "problem" for finding in self.findings)


class Examination:
    """Looks, which takes seconds, and remembers; may be used from any thread.

    Args:
        look: what looks.
        now: the moment in UTC.
    """

    def __init__(
        self, look: Callable[[], list[Finding]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._look = look
        self._now = now
        self._lock = threading.Lock()
        self._last: Examined | None = None

    def recent(self) -> Examined:
        """The findings, looked for anew where they are old."""
        with self._lock:
            if self._last is None or self._now() - self._last.when > FRESH:
                self._last = Examined(tuple(self._look()), self._now())
            return self._last

    def again(self) -> Examined:
        """The findings of now; who asks while somebody looks gets what that one finds."""
        before = self._last
        with self._lock:
            if self._last is before or self._last is None:
                self._last = Examined(tuple(self._look()), self._now())
            return self._last
