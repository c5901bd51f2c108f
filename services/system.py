"""What the machine is doing: processor, memory, disk, GPUs, environments."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
import pynvml

from services.environments import State, load_states
from workflow_scripts.common.paths import data_folder


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU; memory in bytes, load in percent, temperature in °C; None where the driver does not say."""

    uuid: str
    name: str
    memory_total: int
    memory_used: int
    load: int | None
    temperature: int | None


@dataclass(frozen=True)
class System:
    """The machine now; memory and disk in bytes, `cpu_load` in percent of all cores since it was last asked for."""

    cores: int
    cpu_load: float
    load_average: float
    memory_total: int
    memory_available: int
    disk_total: int
    disk_free: int
    gpus: tuple[Gpu, ...]
    environments: tuple[State, ...]


@dataclass(frozen=True)
class Room:
    """Bytes of the data folder's disk."""

    total: int
    free: int


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory; `available` is what a new program could have."""

    total: int
    available: int


class CpuMeter:
    """How busy all cores together were between two looks; psutil's own counts per thread that asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = psutil.cpu_times()
        self._load = 0.0

    def load(self) -> float:
        """Percent of all cores since the last look, 0..100; the same again where no time has passed."""
        now = psutil.cpu_times()
        with self._lock:
            passed = {name: getattr(now, name) - getattr(self._before, name) for name in now._fields}
            whole = sum(share for name, share in passed.items() if name not in ("guest", "guest_nice"))
            idle = passed["idle"] + passed.get("iowait", 0.0)
            if whole > 0:
                self._before, self._load = now, min(100.0, max(0.0, 100 * (1 - idle / whole)))
            return self._load


_meter = CpuMeter()


def look() -> System:
    """Measure everything now."""
    main, room = memory(), disk()
    return System(
        cores=psutil.cpu_count() or 1,
        cpu_load=round(_meter.load(), 1),
        load_average=os.getloadavg()[0],
        memory_total=main.total,
        memory_available=main.available,
        disk_total=room.total,
        disk_free=room.free,
        gpus=tuple(look_at_gpus()),
        environments=load_states(),
    )


def memory() -> Memory:
    """The main memory now."""
    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


def disk() -> Room:
    """The disk of the data folder now."""
    folder = data_folder()
    found = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir()))
    return Room(found.total, found.free)


_nvml = threading.Lock()
_ready = False


def look_at_gpus() -> Sequence[Gpu]:
    """The NVIDIA GPUs and what they are doing; empty without a driver."""
    global _ready
    with _nvml:
        try:
            if not _ready:
                pynvml.nvmlInit()  # loads the driver's library, so once for the process
                _ready = True
            count = pynvml.nvmlDeviceGetCount()
            return [_gpu(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(count)]
        except pynvml.NVMLError:
            return []


def _gpu(handle: object) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        load = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except pynvml.NVMLError:
        load = None
    try:
        temperature = int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:
        temperature = None
    uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
    return Gpu(str(uuid), str(name), int(memory.total), int(memory.used), load, temperature)
