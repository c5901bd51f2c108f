"""STEP3 with a network in miniature that fails as it is told, run like the real script.

A shot ends where the brightness leaps. `TRANSNET_FAULTS` holds words, all of them about the device `cuda`, but for
the first: `scripted` (with TorchScript nothing runs), `memory-N` (no room for more than N windows at once),
`bright` (a CUDA error at the first bright video). `TRANSNET_CUDA` set: a CUDA device is there.
Every call of the network adds a line `device windows` to `calls` in the data folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from workflow_scripts.common import command_line
from workflow_scripts.common.devices import torchscript_faults
from workflow_scripts.step3 import run_transnet
from workflow_scripts.step3.backends import Backend, Wish
from workflow_scripts.step3.network import Floats, Frames

FAULTS = os.environ.get("TRANSNET_FAULTS", "").split()


def load(wish: Wish, is_sure: Callable[[Floats, Floats], bool]) -> Backend:
    """Stands in for `load_backend`."""

    def network(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        with (Path(os.environ["WORKFLOW_DATA_DIR"]) / "calls").open("a") as stream:
            stream.write(f"{wish.device} {len(windows)}\n")
        brightness = np.stack(windows).mean((2, 3, 4))
        if wish.device == "cuda":
            meet_faults(len(windows), brightness)
        leaps = np.abs(np.diff(brightness, append=brightness[:, -1:])) > 30
        return (leaps * np.float32(0.9)), (leaps * np.float32(0.8))

    if wish.torchscript and "scripted" in FAULTS:
        with torchscript_faults():
            raise RuntimeError("no such operator")
    return Backend("float32", network, network, f"made up on {wish.device}")


def meet_faults(windows: int, brightness: Floats) -> None:
    """Fail as a GPU does."""
    for fault in FAULTS:
        if fault.startswith("memory-") and windows > int(fault.removeprefix("memory-")):
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if "bright" in FAULTS and brightness[0, 0] > 130:
        raise RuntimeError("CUDA driver error: invalid argument")


if os.environ.get("TRANSNET_CUDA"):
    vars(command_line)["choose_device"] = lambda asked, _grant: ("cpu" if asked == "cpu" else "cuda", None)
vars(run_transnet)["load_backend"] = load

if __name__ == "__main__":
    sys.exit(command_line.main(run_transnet.RunTransNet(), run_transnet.__doc__ or ""))
