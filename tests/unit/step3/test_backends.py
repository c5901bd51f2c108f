"""Which network computes: exact, or quick and checked; with TorchScript or without; and what a job asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import DeviceFault, TorchScriptFault
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.step import Job
from workflow_scripts.step3 import backends
from workflow_scripts.step3.backends import Backend, Wish, load_backend
from workflow_scripts.step3.network import CheckedNetwork, Floats, Frames, ShotNetwork
from workflow_scripts.step3.parameters import PARAMETERS, thresholds, wish
from workflow_scripts.step3.transitions import Thresholds

WINDOW = np.random.default_rng(1).integers(0, 256, (10, 27, 48, 3), np.uint8)
#: How far the tiny network is off in half precision.
OFF = 0.125


class Tiny(nn.Module):  # type: ignore[misc,unused-ignore]
    """A network in miniature: the brightness of each frame, and something added to it."""

    def __init__(self, off: float) -> None:
        super().__init__()
        self.off = off

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of both heads."""
        single = frames.float().mean((2, 3, 4)) / 512 + self.off
        return single, single / 2


class Broken(nn.Module):  # type: ignore[misc,unused-ignore]
    """A network that fails where it runs, not where it is compiled."""

    def forward(self, frames: Tensor) -> Tensor:
        """Raises RuntimeError."""
        return torch.ones(3) @ torch.ones(4)


class OutOfMemory(ShotNetwork):
    """A network that a GPU has no room for, as TorchScript's interpreter tells it."""

    def __call__(self, windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        """Raises RuntimeError."""
        head = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript:\n"
        raise RuntimeError(f"{head}RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB")


class Unscriptable(Tiny):
    """A network that is too much for TorchScript."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of both heads."""
        globals()["never"] = frames
        return super().forward(frames)


def never_sure(single: Floats, many: Floats) -> bool:
    return False


def always_sure(single: Floats, many: Floats) -> bool:
    return True


Load = Callable[..., Backend]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Load:
    """`load(wish, …)`: a backend of tiny networks."""

    def tiny(form: str = "winograd", dtype: str = "float32") -> Tiny:
        return Tiny(0.0 if dtype == "float32" else OFF)

    monkeypatch.setattr(backends, "load_model", tiny)
    return load_backend


def off_by(network: Any) -> float:
    """How far a network is off the exact tiny one."""
    exact, _ = Tiny(0.0)(torch.from_numpy(WINDOW)[None])
    return float(np.abs(network([WINDOW])[0] - exact.numpy()).max())


def test_in_fp32_alone_the_network_is_the_exact_one(load: Load) -> None:
    for form, name in (("winograd", "float32"), ("direct", "direct")):
        backend = load(Wish("cpu", None, form), never_sure)
        assert backend.name == name and backend.network is backend.exact
        assert off_by(backend.network) == 0


@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_half_precision_is_checked_in_fp32(load: Load, half: str) -> None:
    backend = load(Wish("cpu", half), always_sure)
    assert backend.name == half and half in backend.why
    assert isinstance(backend.network, CheckedNetwork)
    assert off_by(backend.network) == 0  # the first window is a sample
    assert backend.network.largest_difference == pytest.approx(OFF)
    assert off_by(backend.network) == pytest.approx(OFF)
    assert off_by(backend.exact) == 0
    assert off_by(load(Wish("cpu", half), never_sure).network) == 0


@pytest.mark.parametrize(("quicker", "name"), [(1.4, "float32"), (1.6, "bfloat16")])
def test_auto_is_half_precision_where_that_is_much_quicker(
    load: Load, monkeypatch: pytest.MonkeyPatch, quicker: float, name: str
) -> None:
    monkeypatch.setattr(backends, "_seconds", lambda network, _length: 1 / quicker if off_by(network) else 1)
    backend = load(Wish("cpu", "auto"), always_sure)
    assert backend.name == name
    assert f"bfloat16 is {quicker} times as quick as FP32 here" in backend.why


@pytest.mark.parametrize("half", [None, "bfloat16"])
def test_with_torchscript_the_numbers_are_the_same_and_nothing_is_warned_of(load: Load, half: str | None) -> None:
    plain, scripted = load(Wish("cpu", half), never_sure), load(Wish("cpu", half, torchscript=True), never_sure)
    for _ in range(3):  # the first calls are compiled
        for found, expected in zip(scripted.network([WINDOW] * 2), plain.network([WINDOW] * 2), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("warmup_batches", [0, 1])
def test_what_fails_with_torchscript_is_its_fault_whenever_it_fails(
    load: Load, monkeypatch: pytest.MonkeyPatch, warmup_batches: int
) -> None:
    monkeypatch.setattr(backends, "load_model", lambda *_: Broken())
    wished = Wish("cpu", None, torchscript=True, warmup_batches=warmup_batches)
    with pytest.raises(TorchScriptFault, match=r"TorchScript failed .*size"):
        load(wished, never_sure).network([WINDOW])


def test_what_cannot_be_compiled_is_its_fault_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "load_model", lambda *_: Unscriptable(0.0))
    with pytest.raises(TorchScriptFault, match="TorchScript failed"):
        load(Wish("cpu", None, torchscript=True), never_sure)
    assert off_by(load(Wish("cpu", None), never_sure).network) == 0


def test_a_fault_of_the_device_stays_one_with_torchscript(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "ShotNetwork", OutOfMemory)
    with pytest.raises(DeviceFault) as error:
        load(Wish("cpu", None, torchscript=True), never_sure)
    assert error.value.out_of_memory


def test_warming_up_is_so_many_batches_of_windows_of_that_length(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []

    class Counting(Tiny):
        def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
            shapes.append(tuple(frames.shape[:2]))
            return super().forward(frames)

    monkeypatch.setattr(backends, "load_model", lambda *_: Counting(0.0))
    load(Wish("cpu", None, length=60, warmup_batches=3, batch_size=4), never_sure)
    assert shapes == [(4, 60)] * 3
    load(Wish("cpu", None, warmup_batches=0), never_sure)
    assert len(shapes) == 3


def test_threads_are_as_wished_and_gpus_compute_in_full_fp32(load: Load) -> None:
    load(Wish("cpu", None, threads=2), never_sure)
    assert torch.get_num_threads() == 2
    load(Wish("cpu", None, threads=0), never_sure)
    assert torch.get_num_threads() == 2
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.deterministic and not torch.backends.cudnn.benchmark


def job(rung: Rung, **parameters: str) -> Job:
    """A job with parameters."""
    log = logging.getLogger("test")
    return Job({}, resolve(PARAMETERS, None, parameters), rung, log, lambda *_: None)


CPU, CUDA = Rung("cpu", 1), Rung("cuda", 8, torchscript=True)


@pytest.mark.parametrize(
    ("rung", "given", "half", "form"),
    [
        (CPU, {}, "auto", "winograd"),
        (CPU, {"backend": "bfloat16"}, "bfloat16", "winograd"),
        (CPU, {"backend": "float32"}, None, "winograd"),
        (CPU, {"backend": "direct"}, None, "direct"),
        (CPU, {"mixed_precision": "true", "backend": "float32"}, None, "winograd"),
        (CUDA, {}, None, "direct"),
        (CUDA, {"backend": "bfloat16"}, None, "direct"),
        (CUDA, {"mixed_precision": "true"}, "bfloat16", "direct"),
        (CUDA, {"mixed_precision": "true", "amp_dtype": "float16"}, "float16", "direct"),
    ],
)
def test_how_a_device_computes(rung: Rung, given: dict[str, str], half: str | None, form: str) -> None:
    wished = wish(job(rung, **given))
    assert (wished.device, wished.half, wished.form) == (rung.device, half, form)
    assert (wished.batch_size, wished.torchscript) == (rung.batch_size, rung.torchscript)


def test_windows_warming_up_and_threads_are_as_the_parameters_say() -> None:
    windows = {"window": "80", "stride": "40", "padding": "20"}
    wished = wish(job(CPU, **windows, warmup_batches="4", threads="3"))
    assert (wished.length, wished.warmup_batches, wished.threads) == (80, 4, 3)
    assert wish(job(CPU, warmup="false", warmup_batches="4")).warmup_batches == 0


def test_a_share_of_the_cores_comes_before_the_threads_asked_for() -> None:
    assert wish(replace(job(CPU, threads="4"), threads=1)).threads == 1


def test_a_score_that_stands_alone_needs_never_more_than_any_other() -> None:
    assert thresholds(resolve(PARAMETERS, None, {})) == Thresholds(0.5, 0.2)
    assert thresholds(resolve(PARAMETERS, None, {"threshold": "0.1"})) == Thresholds(0.1, 0.1)
    assert thresholds(resolve(PARAMETERS, None, {"hard_cut_threshold": "0.7"})) == Thresholds(0.5, 0.5)
