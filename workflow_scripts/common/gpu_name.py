"""What a GPU is called, so that all who use it mean the same by its name."""

from __future__ import annotations

import importlib
import importlib.util
import os
from contextlib import suppress


def gpu_in_use() -> str:
    """The GPU that torch computes on in this process: its UUID, where torch is too old to tell its number.

    `CUDA_VISIBLE_DEVICES` decides which that is; where it says nothing, the first on the bus.
    """
    if importlib.util.find_spec("torch") is not None:
        cuda = importlib.import_module("torch").cuda
        with suppress(RuntimeError, AssertionError):  # a GPU that cannot even say its name: the ladder will meet it
            uuid = getattr(cuda.get_device_properties(cuda.current_device()), "uuid", None)
            if uuid is not None:
                return f"GPU-{uuid}"
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
