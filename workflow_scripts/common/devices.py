"""The one device chooser and the ladder that a video goes down when an accelerator fails."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workflow_scripts.common.errors import DeviceFault, TorchScriptFault, WorkflowError

#: What `--device` accepts. MPS is not among them: no model here is known to give the same answer on it.
DEVICES = ("auto", "cpu", "cuda")

_CUDA_MESSAGE = re.compile(r"\b(CUDA|cuDNN|cuBLAS|CUBLAS|CUDNN|NCCL|device-side assert)\b")
_OUT_OF_MEMORY = re.compile(r"out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE)


@dataclass(frozen=True)
class Rung:
    """One way of processing a video: on what, in batches of how many, in a process of its own, with TorchScript."""

    device: str
    batch_size: int
    fresh_process: bool = False
    torchscript: bool = False

    def __str__(self) -> str:
        torchscript = ", TorchScript" if self.torchscript else ""
        process = ", fresh process" if self.fresh_process else ""
        return f"{self.device} (batch {self.batch_size}{torchscript}{process})"


def ladder(
    device: str, batch_size: int, torchscript: bool = False, torchscript_fallback: bool = True
) -> Iterator[Rung]:
    """The rungs from a device down: on CUDA halve the batch to 1, then CPU in a fresh process; on CPU one.

    With `torchscript` the first rung is with it and the second the same without, as are all below; where falling
    back is not allowed, all rungs are with it. A CUDA context that has failed cannot be trusted, hence the fresh
    process.
    """
    if torchscript and torchscript_fallback:
        yield Rung(device, batch_size, torchscript=True)
    always = torchscript and not torchscript_fallback
    yield Rung(device, batch_size, torchscript=always)
    if device == "cpu":
        return
    smaller = batch_size // 2
    while smaller >= 1:
        yield Rung(device, smaller, torchscript=always)
        smaller //= 2
    yield Rung("cpu", batch_size, fresh_process=True, torchscript=always)


def cores() -> int:
    """The CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def cuda_memory() -> tuple[int, int] | None:
    """Free and total memory of the current CUDA device in bytes, None where torch can use none."""
    if not cuda_available():
        return None
    free, total = importlib.import_module("torch").cuda.mem_get_info()
    return int(free), int(total)


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
        return DeviceFault(_telling_line(error), out_of_memory=bool(_OUT_OF_MEMORY.search(text)))
    return None


@contextmanager
def torchscript_faults() -> Iterator[None]:
    """Around what scripts, warms up or runs a model with TorchScript: what goes wrong is a fault of TorchScript.

    Faults of the device, lack of memory and errors for people stay what they are.
    """
    try:
        yield
    except (WorkflowError, MemoryError):
        raise
    except Exception as error:
        text = f"TorchScript failed ({type(error).__name__}: {_telling_line(error)})."
        raise as_device_fault(error) or TorchScriptFault(text) from error


def _telling_line(error: Exception) -> str:
    """The line of an error that says what happened: the first, the last where TorchScript's stack precedes it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if "TorchScript interpreter" in lines[0]:
        telling = next((line for line in lines if _CUDA_MESSAGE.search(line)), lines[-1])
        return telling.removeprefix("RuntimeError: ")
    return lines[0]
