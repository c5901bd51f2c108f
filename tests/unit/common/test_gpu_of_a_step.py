"""A step that computes on a GPU holds it; a second one waits, saying for whom."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_name import gpu_in_use

SCRIPT = Path(__file__).with_name("toy_step.py")


def begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A toy step with a GPU."""
    environment = {**os.environ, "TOY_CUDA": "1", "WORKFLOW_GPU_LOCKS": str(folder / "locks")}
    environment |= {"WORKFLOW_CONFIG_DIR": str(folder), "CUDA_VISIBLE_DEVICES": "GPU-a"}
    (folder / "toy.json").write_text("{}")
    command = [sys.executable, str(SCRIPT), str(folder / "a.txt"), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def folder(tmp_path: Path, data_folder: Path) -> Path:
    """A folder with a text."""
    data_folder.mkdir()
    (tmp_path / "a.txt").write_text("ok")
    return tmp_path


def test_a_step_waits_for_its_gpu_and_says_for_whom(folder: Path) -> None:
    with hold_gpu("GPU-a", "STEP3", folder=folder / "locks"):
        process = begin(folder)
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "waiting for it" in line:
                break
        assert f"GPU GPU-a is in use by STEP3 of process {os.getpid()}, started " in lines[-1]
        time.sleep(0.1)
        assert process.poll() is None and not (folder / "processed").exists()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "1 succeeded" in out


def test_a_step_on_the_cpu_or_with_nothing_to_do_waits_for_nobody(folder: Path) -> None:
    begin(folder).communicate(timeout=30)
    with hold_gpu("GPU-a", "STEP3", folder=folder / "locks"):
        for words in ((), ("--device", "cpu", "--force")):
            process = begin(folder, *words)
            process.communicate(timeout=30)
            assert process.returncode == 0


def test_without_torch_a_gpu_is_called_what_the_controller_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    # gpu-audit: ignore[GPU006] what a shell may hold
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b, GPU-c")
    assert gpu_in_use() == "GPU-b"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert gpu_in_use() == "0"


def test_a_gpu_that_fails_when_it_is_asked_its_name_is_left_to_the_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def current_device() -> int:
            raise RuntimeError("CUDA driver initialization failed")

        get_device_properties = None

    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    monkeypatch.setattr("importlib.import_module", lambda _name: SimpleNamespace(cuda=Broken))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b")
    assert gpu_in_use() == "GPU-b"
