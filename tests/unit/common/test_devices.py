"""The device chooser, and the ladder that a video goes down when an accelerator fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workflow_scripts.common import devices
from workflow_scripts.common.devices import Rung, as_device_fault, choose_device, ladder, prepare_environment
from workflow_scripts.common.errors import DeviceFault


@pytest.mark.parametrize(
    ("batch", "rungs"),
    [
        (32, ["cuda 32", "cuda 16", "cuda 8", "cuda 4", "cuda 2", "cuda 1", "cpu 32 fresh"]),
        (6, ["cuda 6", "cuda 3", "cuda 1", "cpu 6 fresh"]),
        (1, ["cuda 1", "cpu 1 fresh"]),
    ],
)
def test_on_cuda_the_batch_is_halved_to_1_then_a_fresh_process_takes_the_cpu(batch: int, rungs: list[str]) -> None:
    found = [f"{r.device} {r.batch_size}{' fresh' if r.fresh_process else ''}" for r in ladder("cuda", batch)]
    assert found == rungs


def test_on_the_cpu_there_is_one_rung() -> None:
    assert list(ladder("cpu", 32)) == [Rung("cpu", 32)]


def test_a_rung_in_words() -> None:
    assert [str(rung) for rung in ladder("cuda", 1)] == ["cuda (batch 1)", "cpu (batch 1, fresh process)"]


@pytest.mark.parametrize(
    ("asked", "there", "used", "said"),
    [
        ("auto", True, "cuda", False),
        ("auto", False, "cpu", False),
        ("cuda", True, "cuda", False),
        ("cuda", False, "cpu", True),
        ("cpu", True, "cpu", False),
    ],
)
def test_the_device_for_what_was_asked(
    monkeypatch: pytest.MonkeyPatch, asked: str, there: bool, used: str, said: bool
) -> None:
    monkeypatch.setattr(devices, "cuda_available", lambda: there)
    device, sentence = choose_device(asked)
    assert device == used and (sentence is not None) == said


def test_asking_for_the_cpu_does_not_load_torch() -> None:
    code = "import sys; from workflow_scripts.common.devices import choose_device; choose_device('cpu')"
    subprocess.run([sys.executable, "-c", code + "; sys.exit('torch' in sys.modules)"], check=True)


class OutOfMemoryError(RuntimeError):
    """What torch calls it."""


class AcceleratorError(RuntimeError):
    """What torch calls it."""


@pytest.mark.parametrize(
    ("error", "out_of_memory"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA failed with error out of memory"), True),  # CTranslate2
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (AcceleratorError("an illegal memory access was encountered"), False),
        (RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"), False),
        (DeviceFault("told so", out_of_memory=True), True),
    ],
)
def test_what_frameworks_say_of_a_failed_accelerator_is_understood(error: Exception, out_of_memory: bool) -> None:
    fault = as_device_fault(error)
    assert fault is not None and fault.out_of_memory == out_of_memory
    assert "\n" not in fault.message and fault.retry


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"),
        ValueError("CUDA"),
        MemoryError(),
    ],
)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert as_device_fault(error) is None


def test_what_must_be_set_before_torch_is_set_and_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    prepare_environment()
    assert (os.environ["CUDA_DEVICE_ORDER"], os.environ["OMP_WAIT_POLICY"]) == ("PCI_BUS_ID", "ACTIVE")
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
