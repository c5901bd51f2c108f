"""A tiny computation on the GPU that the policy grants, compared with the CPU, and whether it leaves memory taken.

`python -m workflow_scripts.common.gpu_trial` in an environment with torch; prints one JSON object. Exit status: 0
all is well; 1 it is not; 3 there is no GPU to try.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

from workflow_scripts.common.devices import choose_device, grant_gpu, restrict_to
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.gpu_leaks import GpuNotLeftAsFound, gpu_left_as_found

_SIZE = 512
_ROUNDS = 3
#: FP32 products of such a size differ by about 1e-5 between devices; half precision or TF32 by more than this.
_TOLERANCE = 1e-3


def main() -> int:
    """Try it, print what came of it, return the exit status."""
    try:
        grant = grant_gpu()
        restrict_to(grant)
        device, said = choose_device("auto", grant)
    except WorkflowError as error:
        return _tell(error.exit_code, problem=str(error))
    if device != "cuda":
        return _tell(3, problem=said or "torch cannot use CUDA in this environment.")
    torch: Any = importlib.import_module("torch")
    torch.backends.cuda.matmul.allow_tf32 = False
    told: dict[str, Any] = {"gpu": str(torch.cuda.get_device_name()), "torch": str(torch.__version__)}
    try:
        off, seconds = _largest_difference(torch, "cuda")  # what a first use leaves behind is not of the work
        with gpu_left_as_found():
            for _ in range(_ROUNDS):
                off, seconds = _largest_difference(torch, "cuda")
    except GpuNotLeftAsFound as error:
        return _tell(1, **told, problem=f"It leaves something behind: {error}.")
    except RuntimeError as error:
        return _tell(1, **told, problem=f"It failed: {str(error).splitlines()[0]}")
    problem = "" if off < _TOLERANCE else f"It computes otherwise than the CPU, by {off:.3g}."
    return _tell(1 if problem else 0, **told, difference=off, seconds=round(seconds, 4), problem=problem)


def _largest_difference(torch: Any, device: str) -> tuple[float, float]:
    """How far a product of matrices on a device is from the CPU's at most, as a share, and the seconds it took."""
    generator = torch.Generator().manual_seed(1)
    left, right = (torch.randn(_SIZE, _SIZE, generator=generator) for _ in range(2))
    expected = left @ right
    begin = time.perf_counter()
    found = (left.to(device) @ right.to(device)).cpu()
    seconds = time.perf_counter() - begin
    return float((found - expected).abs().max() / expected.abs().max()), seconds


def _tell(code: int, **told: Any) -> int:
    print(json.dumps(told))
    return code


if __name__ == "__main__":
    sys.exit(main())
