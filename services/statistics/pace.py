"""How long steps work on videos, against how long the videos are."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long a step worked on a device.

    Args:
        step, device: which.
        videos: how many pieces of work: a video that was worked on twice counts twice.
        seconds: of work in all.
        length: of those videos in seconds, in all.
        median, slow: seconds of work for a minute of video, in the middle and at the 90th percentile.
    """

    step: str
    device: str
    videos: int
    seconds: float
    length: float
    median: float
    slow: float


def paces(work: Iterable[tuple[str, str, float, float]]) -> tuple[Pace, ...]:
    """Pieces of work (step, device, seconds of work, seconds of video) by step and device."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for step, device, seconds, length in work:
        found[step, device].append((seconds, length))
    return tuple(_pace(*group, found[group]) for group in sorted(found))


def _pace(step: str, device: str, work: list[tuple[float, float]]) -> Pace:
    rates = sorted(60 * seconds / length for seconds, length in work)
    slow = statistics.quantiles(rates, n=10, method="inclusive")[-1] if len(rates) > 1 else rates[0]
    lengths = [length for _, length in work]
    seconds = sum(seconds for seconds, _ in work)
    return Pace(step, device, len(work), seconds, sum(lengths), statistics.median(rates), slow)
