"""How the network is computed on this machine: in FP32, or quicker in half precision and checked against it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from workflow_scripts.common.devices import torchscript_faults
from workflow_scripts.step3.network import (
    CheckedNetwork,
    Floats,
    Frames,
    Network,
    ShotNetwork,
    load_model,
)
from workflow_scripts.step3.windows import HEIGHT, WIDTH

IsSure = Callable[[Floats, Floats], bool]

#: What `backend` may be on the CPU: FP32 by Winograd's algorithm, FP32 by the library's convolutions, half
#: precision checked in FP32, or the quicker of the first and the last here.
BACKENDS = ("auto", "float32", "direct", "bfloat16")
#: Half precision is worth its checks from this speed on, relative to FP32.
_WORTH = 1.5
#: Windows that are timed.
_TIMED = 2


@dataclass(frozen=True)
class Wish:
    """What is asked of a backend.

    Args:
        device: `cpu` or `cuda`.
        half: the type to compute with before FP32 is asked: `bfloat16` or `float16`; None is FP32 alone, and
            `auto` is bfloat16 where it is quicker here.
        form: how FP32 is computed, `winograd` or `direct`.
        torchscript: compile the network with TorchScript.
        threads: CPU threads; 0 leaves torch's own number.
        length: frames in a window.
        warmup_batches: batches of noise to run before the first video.
        batch_size: windows in one of them.
    """

    device: str
    half: str | None = "auto"
    form: str = "winograd"
    torchscript: bool = False
    threads: int = 0
    length: int = 100
    warmup_batches: int = 1
    batch_size: int = 1


@dataclass(frozen=True)
class Backend:
    """A network ready to be called, the exact one behind it, and what to tell people about the choice."""

    name: str
    network: Network
    exact: Network
    why: str


def load_backend(wish: Wish, is_sure: IsSure) -> Backend:
    """Load the network as wished, choosing by measurement where that is left open.

    Raises:
        TorchScriptFault: the network could not be compiled or run with TorchScript.
    """
    _configure_torch(wish.threads)
    exact = _ready(load_model(wish.form), wish)
    name = "direct" if wish.form == "direct" else "float32"
    alone = Backend(name, exact, exact, f"FP32 ({wish.form})")
    if wish.half is None:
        return alone
    half = "bfloat16" if wish.half == "auto" else wish.half
    quick = _ready(load_model("direct", half), wish)
    why = f"{half}, checked in FP32 ({wish.form})"
    if wish.half == "auto":
        ratio = _seconds(exact, wish.length) / _seconds(quick, wish.length)
        told = f"bfloat16 is {ratio:.1f} times as quick as FP32 here"
        if ratio < _WORTH:
            return replace(alone, why=f"{alone.why}; {told}")
        why = f"{why}; {told}"
    return Backend(half, CheckedNetwork(quick, exact, is_sure), exact, why)


def _configure_torch(threads: int) -> None:
    """The same numbers on every run, and on a GPU FP32 that is FP32: convolutions there use TF32 by default."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def _ready(model: Any, wish: Wish) -> Network:
    """A model on its device, compiled where that is wished, and warm."""
    network = _scripted(model, wish.device) if wish.torchscript else ShotNetwork(model, wish.device)
    for _ in range(wish.warmup_batches):
        network([_noise(wish.length)] * wish.batch_size)
    return network


def _scripted(model: Any, device: str) -> Network:
    """A model compiled with TorchScript, which may fail now or whenever it runs: it goes on compiling then."""
    import torch

    with torchscript_faults(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        network = ShotNetwork(torch.jit.script(model), device)

    def run(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        with torchscript_faults():
            return network(windows)

    return run


def _noise(length: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (length, HEIGHT, WIDTH, 3), np.uint8)


def _seconds(network: Network, length: int) -> float:
    """The least time that a window takes."""
    taken = []
    for _ in range(_TIMED):
        start = time.perf_counter()
        network([_noise(length)])
        taken.append(time.perf_counter() - start)
    return min(taken)
