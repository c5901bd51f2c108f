"""The GPUs of this machine as the driver's library tells them, what the policy says of each, and who gets which."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pynvml

from services.environments import find
from services.environments.state import read_stamp
from services.pipeline import StepDefinition
from workflow_scripts.common import gpu_inventory
from workflow_scripts.common.gpu_choice import VISIBLE, Choice, Ruling, choose, first_word, rule
from workflow_scripts.common.gpu_inventory import Inventory, short_bus, trouble_of
from workflow_scripts.common.gpu_lock import Holder, holder_of
from workflow_scripts.common.gpu_policy import Gpu, Policy, read_policy

Told = TypeVar("Told")
#: The library and the handles it gives out are one for the whole process.
_nvml = threading.Lock()


@dataclass(frozen=True)
class Standing:
    """The GPUs here and now under the policy; `rulings` are in the order in which processes get them."""

    policy: Policy
    found: Inventory
    rulings: tuple[Ruling, ...]
    choice: Choice


@dataclass(frozen=True)
class Use:
    """What a GPU is doing: load in percent, memory in bytes, °C; None is what the driver does not tell.

    `processes` are the ids of those that compute on it, with their bytes of its memory; `holder` has its lock.
    """

    gpu: Gpu
    objection: str
    load: int | None
    memory_used: int | None
    temperature: int | None
    processes: tuple[tuple[int, int | None], ...]
    holder: Holder | None


@dataclass(frozen=True)
class Destination:
    """Where a step would compute: `device` is `cpu`, `cuda` or empty where it would not begin, `text` says why."""

    step: str
    device: str
    text: str


def inventory() -> Inventory:
    """The GPUs by NVML, or by nvidia-smi where that does not answer; MIG devices in place of what is divided."""
    try:
        with _nvml:
            pynvml.nvmlInit()
            handles = _handles()
            gpus = [gpu for number, handle in enumerate(handles) for gpu in _gpus_of(number, handle)]
    except pynvml.NVMLError as error:
        found = gpu_inventory.inventory()
        if found.gpus or found.trouble or not gpu_inventory.machine_shows_one():
            return found
        return Inventory(trouble=trouble_of(str(error)))
    return Inventory(tuple(gpus)) if gpus else gpu_inventory.inventory()


def standing(policy: Policy | None = None, found: Inventory | None = None) -> Standing:
    """What holds now.

    Args:
        policy: if not that of the configuration.
        found: what is there, if not to be looked up.

    Raises:
        UsageError: the policy says something that it cannot mean.
    """
    policy = policy or read_policy()
    found = inventory() if found is None else found
    visible = os.environ.get(VISIBLE)
    choice = choose(policy, found, visible, lambda key: holder_of(key) is not None)
    return Standing(policy, found, tuple(rule(policy, found.gpus, visible)), choice)


def allowed_keys(now: Standing) -> tuple[str, ...]:
    """What the GPUs that may be used are called; where the driver does not tell them, the first visible one.

    Which that is torch tells the step that gets it, and the policy is asked again.
    """
    if now.choice.state == "unknown":
        word = first_word(os.environ.get(VISIBLE))
        return (word,) if word not in ("", "-1") else ()
    return tuple(ruling.gpu.key for ruling in now.rulings if ruling.allowed)


def destinations(steps: Sequence[StepDefinition], now: Standing) -> list[Destination]:
    """Where each step would compute, as far as that can be told without asking it."""
    return [_destination(step, now) for step in steps]


def _destination(step: StepDefinition, now: Standing) -> Destination:
    if step.slot != "gpu":
        return Destination(step.key, "cpu", "needs no GPU")
    stamp = read_stamp(find(step.environment))
    cpu_build = stamp is not None and stamp.torch == "cpu"
    if now.choice.gpu is not None and not cpu_build:
        return Destination(step.key, "cuda", f"{now.choice.gpu}, unless its settings say CPU")
    why = f"{step.environment} holds the CPU build of torch." if now.choice.gpu else now.choice.why
    if now.policy.none_allowed == "refuse":
        return Destination(step.key, "", f"{why} The policy refuses to do without; --device cpu is allowed.")
    if now.choice.state == "unknown":
        return Destination(step.key, "cpu", f"{why} Unless torch finds a GPU that may be used.")
    return Destination(step.key, "cpu", why)


def uses(now: Standing) -> list[Use]:
    """What each GPU is doing."""
    return [_use(ruling) for ruling in sorted(now.rulings, key=lambda one: (one.gpu.number, one.gpu.key))]


def _use(ruling: Ruling) -> Use:
    gpu = ruling.gpu
    load = memory = temperature = None
    processes: tuple[tuple[int, int | None], ...] = ()
    with _nvml:
        handle = _told(lambda: pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)) if gpu.uuid else None
        handle = handle or _told(lambda: pynvml.nvmlDeviceGetHandleByIndex(gpu.number))
        if handle is not None:
            load = _told(lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
            memory = _told(lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).used))
            sensor = pynvml.NVML_TEMPERATURE_GPU
            temperature = _told(lambda: int(pynvml.nvmlDeviceGetTemperature(handle, sensor)))
            found = _told(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle)) or []
            processes = tuple((int(one.pid), one.usedGpuMemory) for one in found)
    return Use(gpu, ruling.objection, load, memory, temperature, processes, holder_of(gpu.key))


def _handles() -> list[Any]:
    return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]


def _gpus_of(number: int, handle: Any) -> list[Gpu]:
    """The GPU of a handle, or its MIG devices where it is divided."""
    whole = _gpu(number, handle)
    mode = _told(lambda: pynvml.nvmlDeviceGetMigMode(handle))
    if not mode or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return [whole]
    parts = []
    for index in range(_told(lambda: pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
        part = _told(lambda index=index: pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))  # type: ignore[misc]
        if part is not None:
            parts.append(_gpu(number, part, whole))
    return parts


def _gpu(number: int, handle: Any, whole: Gpu | None = None) -> Gpu:
    return Gpu(
        number,
        str(pynvml.nvmlDeviceGetName(handle)),
        str(_told(lambda: pynvml.nvmlDeviceGetUUID(handle)) or ""),
        whole.bus if whole else short_bus(str(_told(lambda: pynvml.nvmlDeviceGetPciInfo(handle).busId) or "")),
        _told(lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)),
        whole.uuid if whole else "",
    )


def _told(ask: Callable[[], Told]) -> Told | None:
    """What the driver answers; None where it does not know, or this user may not."""
    try:
        return ask()
    except pynvml.NVMLError:
        return None
