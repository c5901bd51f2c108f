"""The one device chooser and the ladder that a video goes down when an accelerator fails."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workflow_scripts.common.errors import DeviceFault, PreconditionError, TorchScriptFault, WorkflowError
from workflow_scripts.common.gpu_choice import VISIBLE, Choice, choose, difference
from workflow_scripts.common.gpu_inventory import inventory
from workflow_scripts.common.gpu_lock import holder_of
from workflow_scripts.common.gpu_name import gpus_of_torch
from workflow_scripts.common.gpu_policy import NAME, read_policy

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
    """Set what must be set before torch is imported, whatever it computes on.

    GPUs are numbered by their place on the bus, and OpenMP threads sleep instead of spinning (on shared cores
    spinning made a 0.7 s job take up to 50 s) where nobody says otherwise.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def grant_gpu() -> Choice:
    """The GPU that the policy grants this process; looks, and changes nothing.

    Raises:
        UsageError: the policy says something that it cannot mean.
    """
    return choose(read_policy(), inventory(), os.environ.get(VISIBLE), lambda key: holder_of(key) is not None)


def restrict_to(grant: Choice) -> None:
    """Let CUDA see the granted GPU and no other in this process and those it starts; before torch is imported.

    What the environment says of the allocator stays.
    """
    prepare_environment()
    if grant.visible is not None:
        os.environ[VISIBLE] = grant.visible
    if grant.policy.allocator and "PYTORCH_CUDA_ALLOC_CONF" not in os.environ:  # its name before torch 2.9
        os.environ.setdefault("PYTORCH_ALLOC_CONF", grant.policy.allocator)


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


def choose_device(asked: str, grant: Choice | None = None) -> tuple[str, str | None]:
    """The device to use for what was asked, and a sentence when it is not what was asked.

    `auto` is CUDA where the policy grants a GPU and torch can use it, else CPU. That what torch sees is the
    granted GPU is looked at here, before any model is moved.

    Args:
        asked: one of `DEVICES`.
        grant: what this process was restricted to; found out now if not given.

    Raises:
        PreconditionError: there is no GPU to use, and the policy refuses to do without.
    """
    if asked == "cpu":
        return "cpu", None
    grant = require_gpu(asked, grant or grant_gpu())
    why = grant.why if grant.state in ("blocked", "unknown") else ""
    if grant.state != "blocked" and cuda_available():
        why = _wrong_gpu(grant)
        if not why:
            return "cuda", None
    if grant.policy.none_allowed == "refuse":
        raise _refusal(why or "torch cannot use CUDA in this environment.")
    if why:
        return "cpu", f"{why} Using the CPU."
    if asked == "cuda":
        return "cpu", "CUDA was asked for but is not available here: using the CPU."
    return "cpu", None


def require_gpu(asked: str, grant: Choice) -> Choice:
    """The grant, where there is a GPU or the policy lets a step do without one; does not load torch.

    Raises:
        PreconditionError: there is none, a GPU was to be used, and the policy refuses to do without.
    """
    if asked != "cpu" and grant.policy.none_allowed == "refuse" and grant.state in ("absent", "blocked"):
        raise _refusal(grant.why)
    return grant


def _refusal(why: str) -> PreconditionError:
    return PreconditionError(f"{why} {NAME} refuses to do without.", hint="Use --device cpu to compute there.")


def _wrong_gpu(grant: Choice) -> str:
    """Why what torch sees may not be used, a sentence; empty where it is the granted GPU, or one that may be."""
    try:
        seen = gpus_of_torch()
    except (RuntimeError, AssertionError) as error:
        return f"torch cannot look at the GPU ({_telling_line(error)})."
    if seen is None:
        return ""
    if len(seen) != 1:
        return f"torch sees {len(seen)} GPUs where one was to be visible."
    if grant.gpu is None:
        objection = grant.policy.objection(seen[0])
        return f"{seen[0]} {objection}." if objection else ""
    off = difference(grant.gpu, seen[0])
    return f"torch sees another GPU than {grant.gpu}: {off}." if off else ""


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
