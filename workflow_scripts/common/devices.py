"""The one device chooser and the ladder that a video goes down when an accelerator fails."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from workflow_scripts.common.errors import DeviceFault

#: What `--device` accepts. MPS is not among them: no model here is known to give the same answer on it.
DEVICES = ("auto", "cpu", "cuda")

_CUDA_MESSAGE = re.compile(r"\b(CUDA|cuDNN|cuBLAS|CUBLAS|CUDNN|NCCL|device-side assert)\b")
_OUT_OF_MEMORY = re.compile(r"out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE)


@dataclass(frozen=True)
class Rung:
    """One way of processing a video: on what, in batches of how many, in a process of its own or not."""

    device: str
    batch_size: int
    fresh_process: bool = False

    def __str__(self) -> str:
        process = ", fresh process" if self.fresh_process else ""
        return f"{self.device} (batch {self.batch_size}{process})"


def ladder(device: str, batch_size: int) -> Iterator[Rung]:
    """The rungs from a device down: on CUDA halve the batch to 1, then CPU in a fresh process; on CPU one.

    A CUDA context that has failed cannot be trusted, hence the fresh process.
    """
    yield Rung(device, batch_size)
    if device == "cpu":
        return
    smaller = batch_size // 2
    while smaller >= 1:
        yield Rung(device, smaller)
        smaller //= 2
    yield Rung("cpu", batch_size, fresh_process=True)


def prepare_environment() -> None:
    """Set what must be set before torch is imported; values that are set already stay.

    GPUs are numbered by their place on the bus, and OpenMP threads sleep instead of spinning (on shared cores
    spinning made a 0.7 s job take up to 50 s).
    """
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def cuda_available() -> bool:
    """Whether torch is installed here and can use a CUDA device."""
    if importlib.util.find_spec("torch") is None:
        return False
    return bool(importlib.import_module("torch").cuda.is_available())


def choose_device(asked: str) -> tuple[str, str | None]:
    """The device to use for what was asked, and a sentence when it is not what was asked.

    `auto` is CUDA where torch can use it, else CPU.
    """
    if asked == "cpu":
        return "cpu", None
    if cuda_available():
        return "cuda", None
    if asked == "cuda":
        return "cpu", "CUDA was asked for but is not available here: using the CPU."
    return "cpu", None


def as_device_fault(error: BaseException) -> DeviceFault | None:
    """The device fault that an exception of torch or CTranslate2 stands for, None when it is something else."""
    if isinstance(error, DeviceFault):
        return error
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, RuntimeError):
        return None
    if type(error).__name__ in ("OutOfMemoryError", "AcceleratorError") or _CUDA_MESSAGE.search(text):
        first_line = str(error).strip().partition("\n")[0]
        return DeviceFault(first_line, out_of_memory=bool(_OUT_OF_MEMORY.search(text)))
    return None
