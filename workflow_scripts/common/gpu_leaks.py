"""Whether a piece of work leaves the GPUs as it found them: no memory taken, the same default devices."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class GpuNotLeftAsFound(AssertionError):
    """Raised when a block leaves GPU memory taken, or another default device than there was."""


@dataclass(frozen=True)
class GpuState:
    """What a process has of the GPUs: bytes of tensors per device, and where new tensors and kernels go."""

    allocated: tuple[int, ...]
    current: int | None
    default: str


@contextmanager
def gpu_left_as_found(tolerance: int = 0) -> Iterator[None]:
    """Fail where a block leaves GPU memory taken or changes a default device; an error of the block itself goes on.

    What torch keeps for itself (its cache, cuBLAS's workspaces) does not count. Without torch there is nothing to
    compare, without CUDA only the default device.

    Args:
        tolerance: bytes per GPU that may stay taken.

    Raises:
        GpuNotLeftAsFound: says what is different.
    """
    before = gpu_state()
    yield
    after = gpu_state()
    said = changes(before, after, tolerance)
    if said:
        raise GpuNotLeftAsFound("; ".join(said))


def gpu_state() -> GpuState | None:
    """What this process has now, after what nobody refers to any more is let go; None where torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    gc.collect()
    default = str(torch.get_default_device())
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return GpuState((), None, default)
    torch.cuda.synchronize()
    clear = getattr(importlib.import_module("torch._C"), "_cuda_clearCublasWorkspaces", None)
    if clear is not None:
        clear()
    torch.cuda.empty_cache()
    allocated = tuple(int(torch.cuda.memory_allocated(number)) for number in range(torch.cuda.device_count()))
    return GpuState(allocated, int(torch.cuda.current_device()), default)


def changes(before: GpuState | None, after: GpuState | None, tolerance: int = 0) -> list[str]:
    """What is different, a sentence's part each; a process that had not begun to use torch or CUDA had nothing."""
    if after is None:
        return []
    said = []
    was = before.allocated if before else ()
    for number, now in enumerate(after.allocated):
        more = now - (was[number] if number < len(was) else 0)
        if more > tolerance:
            said.append(f"{more} bytes of GPU {number} are still taken")
    current = before.current if before and before.current is not None else 0
    if after.current not in (None, current):
        said.append(f"the current GPU is {after.current}, it was {current}")
    default = before.default if before else "cpu"
    if after.default != default:
        said.append(f"the default device is {after.default}, it was {default}")
    return said
