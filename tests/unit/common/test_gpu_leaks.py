"""What is left behind on a GPU is told; torch is a stand-in here, tests/unit/step3 has the real one."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from workflow_scripts.common.gpu_leaks import GpuNotLeftAsFound, GpuState, changes, gpu_left_as_found


class Cuda:
    """Two GPUs, with the bytes that tensors take on each."""

    def __init__(self) -> None:
        self.bytes = [100, 0]
        self.current = 0
        self.begun = True

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return self.begun

    def synchronize(self) -> None: ...

    def empty_cache(self) -> None: ...

    def device_count(self) -> int:
        return len(self.bytes)

    def memory_allocated(self, number: int) -> int:
        return self.bytes[number]

    def current_device(self) -> int:
        return self.current


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for torch."""
    fake = SimpleNamespace(cuda=Cuda(), default="cpu")
    fake.get_default_device = lambda: fake.default
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setitem(sys.modules, "torch._C", SimpleNamespace())
    return fake


def test_what_lets_go_of_all_passes(torch: SimpleNamespace) -> None:
    with gpu_left_as_found():
        torch.cuda.bytes[0] += 50
        torch.cuda.bytes[0] -= 60


def test_memory_that_stays_taken_is_told(torch: SimpleNamespace) -> None:
    with pytest.raises(GpuNotLeftAsFound, match=r"^7 bytes of GPU 1 are still taken$"), gpu_left_as_found(5):
        torch.cuda.bytes = [105, 7]


def test_another_device_is_told(torch: SimpleNamespace) -> None:
    with pytest.raises(GpuNotLeftAsFound) as error, gpu_left_as_found():
        torch.cuda.current = 1
        torch.default = "cuda:1"  # gpu-audit: ignore[GPU010] that a device was changed is what this is about
    assert str(error.value) == "the current GPU is 1, it was 0; the default device is cuda:1, it was cpu"


def test_what_begins_with_cuda_inside_is_compared_with_nothing(torch: SimpleNamespace) -> None:
    torch.cuda.begun = False
    with pytest.raises(GpuNotLeftAsFound, match="100 bytes of GPU 0"), gpu_left_as_found():
        torch.cuda.begun = True


def test_an_error_of_the_work_itself_is_the_one_that_is_told(torch: SimpleNamespace) -> None:
    with pytest.raises(ZeroDivisionError), gpu_left_as_found():
        torch.cuda.bytes = [1000, 1000]
        raise ZeroDivisionError


def test_without_torch_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with gpu_left_as_found():
        pass
    assert changes(None, None) == [] and changes(None, GpuState((), None, "cpu")) == []
