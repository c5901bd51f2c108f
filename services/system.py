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


def look() -> System:
    """Measure everything now."""
    memory = psutil.virtual_memory()
    folder = data_folder()
    disk = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.is_dir()))
    return System(
        cores=psutil.cpu_count() or 1,
        cpu_load=psutil.cpu_percent(),
        load_average=os.getloadavg()[0],
        memory_total=memory.total,
        memory_available=memory.available,
        disk_total=disk.total,
        disk_free=disk.free,
        gpus=tuple(look_at_gpus()),
        environments=load_states(),
    )


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
