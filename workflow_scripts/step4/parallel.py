"""Networks computed batch by batch in a mode, on several threads, with results that do not depend on how many."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_scripts.common.devices import cores
from workflow_scripts.step4.engine import Mode, Progress

Batch = range
"""Indices of the items that a network takes at once."""
Answer = NDArray[np.float32]
Watcher = Callable[[int, float], None]
"""Called with the items of a batch and the seconds it took."""

MAX_WORKERS = 8


def prepare_torch(mode: Mode) -> torch.device:
    """The device of a mode, with its matrix products really in FP32: TF32 keeps three decimals of them."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(mode.device)


def precision(mode: Mode) -> Any:
    """The context in which torch computes matrix products and convolutions as the mode says."""
    half = getattr(torch, mode.half) if mode.half else None
    return torch.autocast(mode.device, dtype=half, enabled=mode.half is not None)


class Network:
    """A network on its device, from arrays to arrays; it is loaded on the CPU and moved.

    Errors of the device pass through as torch raises them.
    """

    def __init__(self, network: torch.nn.Module, mode: Mode) -> None:
        self.mode = mode
        self._device = prepare_torch(mode)
        self._network = network.eval().to(self._device)

    def __call__(self, batch: NDArray[np.float32]) -> Answer:
        """Compute one batch, float32 `(items, …)`."""
        with torch.inference_mode(), precision(self.mode):
            answer = self._network(torch.from_numpy(batch).to(self._device))
        return np.asarray(answer.float().cpu().numpy(), np.float32)


def workers(mode: Mode) -> int:
    """Threads to use: one feeds a GPU; else OMP_NUM_THREADS where it is set, else the usable cores, at most 8."""
    if mode.device != "cpu":
        return 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(int(given) if given.isdecimal() else cores(), MAX_WORKERS))


def batches(items: int, size: int) -> list[Batch]:
    """The batches of so many items."""
    return [range(first, min(first + size, items)) for first in range(0, items, size)]


def map_in_order(
    work: Callable[[Batch], Answer], parts: Sequence[Batch], mode: Mode, progress: Progress, watcher: Watcher
) -> Iterator[Answer]:
    """Yield `work(batch)` for each batch, in order, computing a few ahead on threads.

    Each batch is computed by one thread with torch's own threading off, so sums run in one order and the
    answer is the same on any machine with the same kernels. Exceptions of `work` and `progress` pass through.
    """
    torch.set_num_threads(1)
    count = workers(mode)

    def timed(batch: Batch) -> tuple[Answer, float]:
        begun = time.perf_counter()
        return work(batch), time.perf_counter() - begun

    with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[tuple[Answer, float]]] = deque()
        ahead = iter(parts)
        try:
            for done, batch in enumerate(parts, 1):
                for following in ahead:
                    waiting.append(pool.submit(timed, following))
                    if len(waiting) > 2 * count:
                        break
                answer, seconds = waiting.popleft().result()
                yield answer
                watcher(len(batch), seconds)
                progress(done, len(parts))
        finally:
            for future in waiting:
                future.cancel()
