"""How many event streams may be open: in all, so that there are threads left to answer, and for one client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable


class StreamSlots:
    """Counts open streams.

    Args:
        total: how many may be open at once.
        each: how many of them one client may hold.
    """

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._open: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, client: str) -> Callable[[], None] | None:
        """Take a place for a client; gives what returns it, to be called once or oftener; None if all are taken."""
        with self._lock:
            if self._open.total() >= self._total or self._open[client] >= self._each:
                return None
            self._open[client] += 1
        return _Place(self, client).give_back

    def _return(self, client: str) -> None:
        with self._lock:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class _Place:
    def __init__(self, slots: StreamSlots, client: str) -> None:
        self._slots: StreamSlots | None = slots
        self._client = client

    def give_back(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._return(self._client)
