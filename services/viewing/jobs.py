"""What takes too long for a request: made once in the background, while those who ask are told how far it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

#: How many failures are kept until somebody asks.
_FAILURES = 100


@dataclass(frozen=True)
class Ready:
    """What was asked for has been made."""


@dataclass(frozen=True)
class Preparing:
    """What was asked for is being made: `what` in a word, `share` of it done, 0..1."""

    what: str
    share: float


class Progress:
    """How far one build is; handed to the build, which tells it, and sees there whether to give up."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._share = 0.0

    @property
    def share(self) -> float:
        """The share done, 0..1."""
        return self._share

    @property
    def ended(self) -> bool:
        """Whether the application is ending, so that a long build should stop."""
        return self._ended.is_set()

    def tell(self, share: float) -> None:
        """Note the share done; it never goes back."""
        self._share = max(self._share, min(1.0, share))


Build = Callable[[Progress], None]


class Jobs:
    """Builds things in background threads, each key once at a time, a few keys at once.

    Args:
        at_once: how many builds run at the same time; the others wait their turn.
    """

    def __init__(self, at_once: int = 2) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="viewing")
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._running: dict[Hashable, tuple[Future[None], Progress]] = {}
        self._failures: OrderedDict[Hashable, BaseException] = OrderedDict()

    def ensure(self, key: Hashable, build: Build, *, what: str, wait_s: float = 0.4) -> Ready | Preparing:
        """See that something is made: begin its build unless that runs, and wait for a short while.

        Ask only when what the key stands for is not there. The build should look again whether it is: one that
        ended between that look and this call is begun anew.

        Args:
            key: what is made; the same key is never built twice at once.
            build: makes it; called in another thread, with what it tells its progress to.
            what: what is made, in a word, for those who wait.
            wait_s: seconds after which the answer is `Preparing`.

        Raises:
            whatever the build raised, once; the next call begins it anew.
        """
        with self._lock:
            if (failure := self._failures.pop(key, None)) is not None:
                raise failure
            future, progress = self._running.get(key) or self._begin(key, build)
        wait([future], wait_s)
        if not future.done():
            return Preparing(what, progress.share)
        with self._lock:
            self._failures.pop(key, None)
        future.result()
        return Ready()

    def close(self) -> None:
        """Begin nothing more and let go of what runs: builds are told to stop, and are waited for."""
        self._ended.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: Hashable, build: Build) -> tuple[Future[None], Progress]:
        progress = Progress(self._ended)
        future = self._pool.submit(self._build, key, build, progress)
        self._running[key] = future, progress
        return future, progress

    def _build(self, key: Hashable, build: Build, progress: Progress) -> None:
        """Run a build and forget it; why it failed is kept, for nobody may be waiting."""
        try:
            build(progress)
        except BaseException as failure:
            with self._lock:
                self._failures[key] = failure
                while len(self._failures) > _FAILURES:
                    self._failures.popitem(last=False)
            raise
        finally:
            with self._lock:
                self._running.pop(key, None)
