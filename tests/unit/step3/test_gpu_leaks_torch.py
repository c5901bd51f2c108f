"""With the real torch: a changed default device is told, and on a GPU a tensor that is kept."""

from __future__ import annotations

import pytest
import torch

from workflow_scripts.common.devices import cuda_available
from workflow_scripts.common.gpu_leaks import GpuNotLeftAsFound, gpu_left_as_found

needs_gpu = pytest.mark.skipif(not cuda_available(), reason="no CUDA device")


def test_work_on_the_cpu_passes() -> None:
    with gpu_left_as_found():
        kept = torch.ones(10) @ torch.ones(10)
    assert kept == 10


def test_a_default_device_that_is_left_changed_is_told() -> None:
    try:
        with pytest.raises(GpuNotLeftAsFound, match="the default device is meta, it was cpu"), gpu_left_as_found():
            torch.set_default_device("meta")
    finally:
        torch.set_default_device(None)


@needs_gpu
def test_a_tensor_that_is_kept_on_the_gpu_is_told() -> None:
    kept = []
    with pytest.raises(GpuNotLeftAsFound, match="bytes of GPU 0 are still taken"), gpu_left_as_found():
        kept.append(torch.ones(1 << 20, device="cuda"))
    kept.clear()


@needs_gpu
def test_products_on_the_gpu_leave_nothing() -> None:
    with gpu_left_as_found():
        torch.ones(512, 512, device="cuda") @ torch.ones(512, 512, device="cuda")
