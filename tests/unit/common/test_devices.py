"""The device chooser, and the ladder that a video goes down when an accelerator fails."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from workflow_scripts.common import devices
from workflow_scripts.common.devices import (
    Rung,
    as_device_fault,
    choose_device,
    cores,
    ladder,
    prepare_environment,
    torchscript_faults,
)
from workflow_scripts.common.errors import DeviceFault, RefusedError, TorchScriptFault


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
    assert str(Rung("cpu", 2, fresh_process=True, torchscript=True)) == "cpu (batch 2, TorchScript, fresh process)"


def test_torchscript_is_left_before_the_batch_is_halved() -> None:
    assert [str(rung) for rung in ladder("cuda", 2, torchscript=True)] == [
        "cuda (batch 2, TorchScript)",
        "cuda (batch 2)",
        "cuda (batch 1)",
        "cpu (batch 2, fresh process)",
    ]
    assert list(ladder("cpu", 8, torchscript=True)) == [Rung("cpu", 8, torchscript=True), Rung("cpu", 8)]


def test_where_torchscript_may_not_be_left_every_rung_is_with_it() -> None:
    assert [str(rung) for rung in ladder("cuda", 2, torchscript=True, torchscript_fallback=False)] == [
        "cuda (batch 2, TorchScript)",
        "cuda (batch 1, TorchScript)",
        "cpu (batch 2, TorchScript, fresh process)",
    ]
    assert list(ladder("cpu", 8, torchscript=True, torchscript_fallback=False)) == [
        Rung("cpu", 8, torchscript=True)
    ]
    assert list(ladder("cpu", 8, torchscript_fallback=False)) == [Rung("cpu", 8)]


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


INTERPRETER = """The following operation failed in the TorchScript interpreter.
Traceback of TorchScript (most recent call last):
  File "transnetv2_pytorch.py", line 57, in forward
RuntimeError: """


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (RuntimeError(INTERPRETER + "no such operator"), TorchScriptFault, "(RuntimeError: no such operator)"),
        (RuntimeError("Can't compile\n  File x"), TorchScriptFault, "Can't compile"),
        (TypeError("cannot be scripted"), TorchScriptFault, "cannot be scripted"),
        (RuntimeError(INTERPRETER + "CUDA error: device-side assert"), DeviceFault, "CUDA error"),
        (RefusedError("x.mp4: no picture."), RefusedError, "x.mp4: no picture."),
        (MemoryError("all gone"), MemoryError, "all gone"),
    ],
)
def test_what_goes_wrong_with_torchscript_is_its_fault_unless_it_is_the_device_s(
    error: Exception, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as raised, torchscript_faults():
        raise error
    assert sentence in str(raised.value) and "\n" not in str(raised.value)


def test_lack_of_memory_inside_torchscript_is_known_as_such() -> None:
    with pytest.raises(DeviceFault) as raised, torchscript_faults():
        raise RuntimeError(INTERPRETER + "CUDA out of memory. Tried to allocate 2.00 GiB")
    assert raised.value.out_of_memory
    assert raised.value.message == "CUDA out of memory. Tried to allocate 2.00 GiB"


def test_there_is_a_core_to_run_on() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_what_must_be_set_before_torch_is_set_and_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    prepare_environment()
    assert (os.environ["CUDA_DEVICE_ORDER"], os.environ["OMP_WAIT_POLICY"]) == ("PCI_BUS_ID", "ACTIVE")
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
