"""What torch sees of the GPUs, and what the one in use is called, so that all who use it mean the same."""

from __future__ import annotations

import importlib
import importlib.util
import os
from contextlib import suppress
from typing import Any

from workflow_scripts.common.gpu_policy import Gpu


def gpu_in_use() -> str:
    """The GPU that torch computes on in this process: its UUID, where torch is too old to tell its number.

    `CUDA_VISIBLE_DEVICES` decides which that is; where it says nothing, the first on the bus.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if visible.startswith("MIG-"):  # torch tells a UUID without saying of what
        return visible
    if importlib.util.find_spec("torch") is not None:
        cuda = importlib.import_module("torch").cuda
        with suppress(RuntimeError, AssertionError):  # a GPU that cannot even say its name: the ladder will meet it
            uuid = getattr(cuda.get_device_properties(cuda.current_device()), "uuid", None)
            if uuid is not None:
                return f"GPU-{uuid}"
    return visible or "0"


def gpus_of_torch() -> tuple[Gpu, ...] | None:
    """The GPUs that torch sees in this process, with what its version tells of them; None where there is no torch.

    Raises:
        RuntimeError, AssertionError: CUDA does not answer.
    """
    if importlib.util.find_spec("torch") is None:
        return None
    cuda = importlib.import_module("torch").cuda
    return tuple(_described(number, cuda.get_device_properties(number)) for number in range(cuda.device_count()))


def _described(number: int, told: Any) -> Gpu:
    uuid = getattr(told, "uuid", None)
    places = [getattr(told, name, None) for name in ("pci_domain_id", "pci_bus_id", "pci_device_id")]
    domain, bus, device = (None if place is None else int(place) for place in places)
    known = domain is not None and bus is not None and device is not None
    address = f"{domain:04x}:{bus:02x}:{device:02x}.0" if known else ""
    return Gpu(number, str(told.name), f"GPU-{uuid}" if uuid else "", address, int(told.total_memory))
