"""Network batches on several threads whose results do not depend on how many there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.common.devices import cores
from workflow_scripts.step4.engine import Progress

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")

MAX_WORKERS = 8


def workers() -> int:
    """Threads to use: OMP_NUM_THREADS when it is set, else the cores this process may run on, at most 8."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(given) if given.isdecimal() else cores(), MAX_WORKERS))


def collect(parts: Iterator[NDArray[np.float32]], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill `out` with the parts one after the other along the first axis, and return it.

    Kept as they are until the end, the small parts would pin the large buffers the networks free between them:
    an hour of sound then costs 200 MB more.
    """
    filled = 0
    for part in parts:
        out[filled : filled + len(part)] = part
        filled += len(part)
    return out


def map_in_order(work: Callable[[Batch], Answer], batches: Sequence[Batch], progress: Progress) -> Iterator[Answer]:
    """Yield `work(batch)` for each batch, in order, computing a few ahead on threads.

    Each batch is computed by one thread with torch's own threading off, so sums run in one order and the
    answer is the same on any machine with the same kernels. Exceptions of `work` and `progress` pass through.
    """
    torch.set_num_threads(1)
    count = workers()
    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[Answer]] = deque()
        done = 0
        try:
            for batch in batches:
                waiting.append(pool.submit(work, batch))
                if len(waiting) > 2 * count:
                    yield waiting.popleft().result()
                    done += 1
                    progress(done, len(batches))
            while waiting:
                yield waiting.popleft().result()
                done += 1
                progress(done, len(batches))
        finally:
            for future in waiting:
                future.cancel()
