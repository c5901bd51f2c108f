"""Several items at once: threads that each wait for a process doing one item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

T = TypeVar("T")


def side_by_side(work: Callable[[T], None], things: Sequence[T], slots: int, end: Callable[[], None]) -> None:
    """Call `work` for every thing, at most `slots` at once; the next thing goes to the next free slot.

    When `work` raises, or this thread is interrupted, nothing more is begun, `end` is called, which must make the
    running calls return soon, and the error is raised once they have.
    """
    with ThreadPoolExecutor(slots) as pool:
        try:
            for future in as_completed([pool.submit(work, thing) for thing in things]):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end()
            raise
