"""The CPU build of torch where there is no NVIDIA GPU, the CUDA build where there is one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.environments import find
from services.environments.nvidia import has_nvidia_gpu, nvidia_gpus
from services.environments.pip import Pip, Stages
from services.environments.spec import Pin, load
from services.environments.state import Stamp, Status, key, state, write_stamp
from services.environments.torch_build import install, is_cuda, required, setting, wanted
from workflow_scripts.common.errors import PreconditionError, UsageError

OWN = load().torch_own
PIN = Pin("torch", "torch==2.13.0")
CUDA_NEEDS = ["sympy>=1.13", 'cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"']
CUDA: dict[str, object] = {"version": "2.13.0", "requires_dist": CUDA_NEEDS}
CPU: dict[str, object] = {"version": "2.13.0+cpu", "requires_dist": ["sympy>=1.13"]}


@pytest.mark.parametrize(
    ("choice", "gpu", "installs", "accepts"),
    [
        ("auto", True, "cuda", "cuda"),
        ("auto", False, "cpu", ""),  # a CUDA build is kept while the GPU is away
        ("cpu", True, "cpu", "cpu"),
        ("cuda", False, "cuda", "cuda"),
    ],
)
def test_build_follows_the_setting_and_the_machine(choice: str, gpu: bool, installs: str, accepts: str) -> None:
    assert wanted(choice, gpu) == installs
    assert required(choice, gpu) == accepts


def test_the_variable_overrides_the_configuration_and_nonsense_is_refused() -> None:
    configuration = load()
    assert setting(configuration, {}) == "auto"
    assert setting(configuration, {"WORKFLOW_TORCH": "cpu"}) == "cpu"
    with pytest.raises(UsageError, match="rocm"):
        setting(configuration, {"WORKFLOW_TORCH": "rocm"})


def test_builds_are_told_apart_by_their_metadata() -> None:
    assert is_cuda("2.13.0", CUDA_NEEDS, OWN)
    assert is_cuda("2.13.0+cu130", [], OWN)
    assert not is_cuda("2.13.0+cpu", CUDA_NEEDS, OWN)
    assert not is_cuda("2.13.0", ["filelock", "sympy>=1.13"], OWN)


def test_a_driver_without_tools_counts_as_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_nvidia_gpu(tmp_path)
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    assert has_nvidia_gpu(tmp_path)
    assert nvidia_gpus(tmp_path) == ("NVIDIA GPU",)


def test_gpus_are_named_as_nvidia_smi_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: GeForce (UUID: GPU-1)'\necho '  MIG 1g'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus(tmp_path) == ("GPU 0: GeForce (UUID: GPU-1)",)


@dataclass
class Index:
    """What the package index offers, and the installs that were asked of it; uv cannot be had."""

    offer: dict[str, object]
    asked: list[tuple[str, ...]]


MakePip = Callable[[dict[str, object]], tuple[Pip, Index]]


@pytest.fixture
def make_pip(tmp_path: Path) -> MakePip:
    def make(offer: dict[str, object]) -> tuple[Pip, Index]:
        index = Index(offer, [])

        class Recorded(Pip):
            def __call__(self, *arguments: str, binary: bool = True) -> None:
                index.asked.append(arguments)
                if arguments[-1].startswith("uv=="):
                    raise PreconditionError("env: no wheel of uv.")

            def answer(self, *arguments: str) -> str:
                return json.dumps({"install": [{"metadata": index.offer}]})

        environment = replace(find("transnet_env"), path=tmp_path)
        return Recorded(environment, Stages("transnet_env", 1, tmp_path / "log", io.StringIO())), index

    return make


def test_a_cpu_build_that_the_index_offers_is_taken_alone(make_pip: MakePip) -> None:
    pip, index = make_pip(CPU)
    assert install(pip, PIN, "cpu", load(), "linux") == []
    assert index.asked == [("install", "--no-deps", "torch==2.13.0")]


def test_a_cuda_build_comes_with_its_own_packages_and_the_rest_as_locked(make_pip: MakePip) -> None:
    pip, index = make_pip(CUDA)
    assert install(pip, PIN, "cuda", load(), "linux") == []
    assert index.asked == [("install", "-c", str(pip.environment.lock()), "torch==2.13.0")]


def test_a_build_that_cannot_be_had_is_replaced_with_one_sentence(make_pip: MakePip) -> None:
    pip, index = make_pip(CUDA)
    (note,) = install(pip, PIN, "cpu", load(), "linux")
    assert "CPU build of torch could not be had" in note
    assert [arguments[-1] for arguments in index.asked] == [f"uv=={load().uv}", "torch==2.13.0"]


def test_on_macos_there_is_one_build_and_nothing_to_ask(make_pip: MakePip) -> None:
    pip, index = make_pip(CUDA)
    assert install(pip, PIN, "cpu", load(), "darwin") == []
    assert index.asked == [("install", "--no-deps", "torch==2.13.0")]


def test_torch_that_is_there_is_left_alone_and_another_version_is_not(make_pip: MakePip, tmp_path: Path) -> None:
    folder = tmp_path / "lib/python3.11/site-packages"
    (folder / "torch-2.13.0+cpu.dist-info").mkdir(parents=True)
    pip, index = make_pip(CPU)
    assert install(pip, PIN, "cpu", load(), "linux") == []
    assert index.asked == []
    install(pip, Pin("torch", "torch==2.13.1"), "cpu", load(), "linux")
    assert index.asked == [("install", "--no-deps", "torch==2.13.1")]


def test_a_cuda_build_is_kept_while_the_gpu_is_away(tmp_path: Path) -> None:
    environment = replace(find("transnet_env"), path=tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    write_stamp(environment, Stamp(str(tmp_path), finished=True, key=key(environment, ()), torch="cuda"))
    assert state(environment, (), required("auto", gpu=False)).ready
    assert state(environment, (), required("auto", gpu=True)).ready
    assert state(environment, (), required("cpu", gpu=True)).status is Status.OUTDATED
    write_stamp(environment, Stamp(str(tmp_path), finished=True, key=key(environment, ()), torch="cpu"))
    added = state(environment, (), required("auto", gpu=True))
    assert (added.status, added.reason) == (Status.OUTDATED, "it holds the cpu build of torch, not the cuda build")
