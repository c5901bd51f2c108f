"""What the machine did over time: an hour in steps of two seconds, a day in steps of a minute.

A thread measures; a file in the data folder is written once a minute, so that the next process goes on from there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from services import system
from workflow_scripts.common.atomic import atomic_writer

#: What is asked for: `hour` has a sample every two seconds, `day` one every minute.
Span = Literal["hour", "day"]
PERIOD_S = 2.0
#: Samples of each span: how many are kept at most.
KEPT = {"hour": 1800, "day": 1440}
#: Seconds after which a sample of a span is forgotten.
_AGE_S = {"hour": 3600.0, "day": 86400.0}
_MINUTE = 60.0
_LOG = logging.getLogger("workflow.web")


@dataclass(frozen=True)
class GpuUse:
    """What a GPU did: `load` is a share, 0..1, None where the driver does not say; memory in bytes."""

    load: float | None
    memory: float


@dataclass(frozen=True)
class Sample:
    """The machine at one moment, or its mean over a minute.

    `time` is in seconds since 1970, `cpu` a share of all cores, 0..1, `memory` and `disk` the bytes in use; GPUs by
    UUID.
    """

    time: float
    cpu: float
    memory: float
    disk: float
    gpus: Mapping[str, GpuUse]


class MachineLog:
    """The samples of both spans, oldest first; may be used from any thread.

    Args:
        path: the file that it is kept in; one that cannot be read counts as empty.
        now: seconds since 1970.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._spans = {name: deque(found, KEPT[name]) for name, found in _read(path, now()).items()}
        self._minute: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """Add the newest sample; true time goes forward, so later ones (the clock was put back) are dropped.

        Raises:
            OSError: a minute is full and the file cannot be written; nothing is lost for this process.
        """
        with self._lock:
            for span in self._spans.values():
                while span and span[-1].time >= sample.time:
                    span.pop()
            self._spans["hour"].append(sample)
            is_full = bool(self._minute) and self._minute[0].time // _MINUTE != sample.time // _MINUTE
            if is_full:
                earlier = [one for one in self._minute if one.time < sample.time]
                if earlier:
                    self._spans["day"].append(_mean(earlier))
                self._minute = []
            self._minute.append(sample)
            content = {name: [_row(one) for one in span] for name, span in self._spans.items()} if is_full else None
        if content is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_writer(self._path) as stream:
                json.dump(content, stream, separators=(",", ":"))

    def since(self, span: Span, after: float = 0.0) -> list[Sample]:
        """The samples of a span that are later than a moment."""
        with self._lock:
            return [one for one in self._spans[span] if one.time > after]


class MachineWatch:
    """The thread that measures; it begins with `start` and ends with the process or `close`."""

    def __init__(self, log: MachineLog, measure: Callable[[], Sample] | None = None) -> None:
        self.log = log
        self._measure = measure or measurement()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to measure; once is enough."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="machine watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Measure no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        complained = False
        while not self._ended.wait(PERIOD_S):
            try:
                self.log.add(self._measure())
            except OSError as error:  # a full disk: the next minute may do
                if not complained:
                    _LOG.warning("The machine's history is not kept: %s", error.strerror or error)
                complained = True


def measurement() -> Callable[[], Sample]:
    """What measures the machine, its processor since the time before."""
    meter = system.CpuMeter()

    def measure() -> Sample:
        gpus = {
            gpu.uuid: GpuUse(None if gpu.load is None else gpu.load / 100, gpu.memory_used)
            for gpu in system.look_at_gpus()
        }
        memory, disk = system.memory(), system.disk()
        return Sample(
            time=round(time.time(), 1),
            cpu=round(meter.load() / 100, 4),
            memory=memory.total - memory.available,
            disk=disk.total - disk.free,
            gpus=gpus,
        )

    return measure


def _mean(samples: Sequence[Sample]) -> Sample:
    """The mean of a minute, at its last moment."""
    gpus = {}
    for uuid in samples[-1].gpus:
        there = [one.gpus[uuid] for one in samples if uuid in one.gpus]
        loads = [use.load for use in there if use.load is not None]
        gpus[uuid] = GpuUse(round(fmean(loads), 4) if loads else None, round(fmean(use.memory for use in there)))
    return Sample(
        time=samples[-1].time,
        cpu=round(fmean(one.cpu for one in samples), 4),
        memory=round(fmean(one.memory for one in samples)),
        disk=samples[-1].disk,
        gpus=gpus,
    )


def _row(sample: Sample) -> list[Any]:
    gpus = {uuid: [use.load, use.memory] for uuid, use in sample.gpus.items()}
    return [sample.time, sample.cpu, sample.memory, sample.disk, gpus]


def _read(path: Path, now: float) -> dict[str, list[Sample]]:
    """The samples in the file that are not too old, and not of the future."""
    content: Any = {}
    with suppress(OSError, ValueError):
        content = json.loads(path.read_bytes())
    found: dict[str, list[Sample]] = {}
    for name, age in _AGE_S.items():
        rows = content.get(name, []) if isinstance(content, dict) else []
        found[name] = [one for one in _samples(rows) if now - age < one.time <= now]
    return found


def _samples(rows: Iterable[Any]) -> list[Sample]:
    samples = []
    with suppress(TypeError, ValueError, AttributeError):  # what follows nonsense is left out
        for moment, cpu, memory, disk, gpus in rows:
            uses = {str(uuid): GpuUse(load, float(used)) for uuid, (load, used) in gpus.items()}
            samples.append(Sample(float(moment), float(cpu), float(memory), float(disk), uses))
    return samples
