"""Who may ask what of the API: pure rules over headers, and a count of wrong tokens."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

from services.web.settings import WebSettings

#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Wrong tokens that one client may show in `WINDOW` seconds.
TRIES = 10
WINDOW = 60.0
#: Clients whose wrong tokens are remembered at once.
_CLIENTS = 10_000
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")


def is_our_host(header: str | None, settings: WebSettings) -> bool:
    """Whether a Host header names this API; a page elsewhere that had its name point here does not."""
    match = _HOST.fullmatch(header or "")
    return match is not None and settings.answers_to(match["six"] or match["name"])


def is_cross_site(method: str, host: str, site: str | None, origin: str | None, mode: str | None) -> bool:
    """Whether a browser sent this for a page of another site.

    Args:
        method: the request's method; following a link here (GET, `Sec-Fetch-Mode: navigate`) is allowed.
        host: its Host header.
        site: Sec-Fetch-Site; absent in programs and old browsers.
        origin: Origin; absent in programs.
        mode: Sec-Fetch-Mode.
    """
    if method in SAFE_METHODS and (site is None or mode == "navigate"):
        return False
    if site is not None and site not in ("same-origin", "none"):
        return True
    if origin is None or method in SAFE_METHODS:
        return False
    scheme, separator, name = origin.partition("://")
    return not separator or scheme not in ("http", "https") or name.lower() != host.lower()


class TokenGate:
    """Compares tokens in constant time, and stops listening to a client that guesses.

    Args:
        token: the right one; None lets everybody in.
        clock: seconds that only go forward.
    """

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._clock = clock
        self._wrong: dict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    @property
    def cookie(self) -> str:
        """What a browser keeps in place of the token, from which the token cannot be told."""
        return hmac.new((self._token or "").encode(), b"workflow session", hashlib.sha256).hexdigest()

    @property
    def is_open(self) -> bool:
        """Whether no token is asked for."""
        return self._token is None

    def is_blocked(self, client: str) -> bool:
        """Whether a client showed too many wrong tokens within the last minute."""
        with self._lock:
            return len(self._recent(client)) >= TRIES

    def accepts(self, client: str, *, token: str | None = None, cookie: str | None = None) -> bool:
        """Whether one of what a client shows is right; if not, it is counted."""
        if self._token is None:
            return True
        by_token = hmac.compare_digest((token or "").encode(), self._token.encode())
        by_cookie = hmac.compare_digest((cookie or "").encode(), self.cookie.encode())
        if by_token or by_cookie:
            return True
        with self._lock:
            if len(self._wrong) >= _CLIENTS:
                self._wrong.clear()
            self._recent(client).append(self._clock())
        return False

    def _recent(self, client: str) -> deque[float]:
        """The times of wrong tokens within the window."""
        times = self._wrong[client]
        while times and times[0] <= self._clock() - WINDOW:
            times.popleft()
        return times
