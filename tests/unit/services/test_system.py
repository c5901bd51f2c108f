"""What the machine says about itself."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from services import system


def test_a_machine_without_the_driver_has_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(system, "_ready", False)
    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert system.look_at_gpus() == []


def test_a_driver_that_does_not_tell_everything_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        total, used = 8_000, 1_000

    def unknown(*_: Any) -> Any:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers = {"Init": None, "DeviceGetCount": 1, "DeviceGetHandleByIndex": "handle", "DeviceGetMemoryInfo": Memory,
               "DeviceGetUUID": "GPU-1", "DeviceGetName": "A GPU"}  # fmt: skip
    for name, value in answers.items():
        monkeypatch.setattr(pynvml, f"nvml{name}", lambda *_, value=value: value)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", unknown)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTemperature", unknown)
    assert system.look_at_gpus() == [system.Gpu("GPU-1", "A GPU", 8_000, 1_000, None, None)]
