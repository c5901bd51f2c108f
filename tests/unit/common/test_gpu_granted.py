"""A step that is started from the shell sees the GPU that the policy grants, checks that it is it, or says why not.

nvidia-smi and torch are stand-ins that answer as those of a machine with two GPUs; the stand-in of torch looks at
`CUDA_VISIBLE_DEVICES` when it is imported, as CUDA does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common import devices
from workflow_scripts.common.devices import choose_device, require_gpu, restrict_to
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.gpu_choice import Choice
from workflow_scripts.common.gpu_lock import hold_gpu, holder_of
from workflow_scripts.common.gpu_policy import Gpu, Policy

CASES = Path(__file__).parents[1] / "debug" / "gpu_audit_cases"
TORCH = """
import os
from types import SimpleNamespace

KNOWN = {
    "GPU-5060aaaa": ("NVIDIA GeForce RTX 5060 Ti", 16 << 30),
    "GPU-3090bbbb": ("NVIDIA GeForce RTX 3090", 24 << 30),
}
SEEN = [uuid for uuid in KNOWN if uuid in os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(KNOWN)).split(",")]
SEEN = os.environ.get("FAKE_TORCH_SEES", ",".join(SEEN)).split(",") if SEEN else []


def properties(number):
    if SEEN[number] not in KNOWN:
        raise RuntimeError("CUDA error: unknown")
    name, memory = KNOWN[SEEN[number]]
    return SimpleNamespace(name=name, total_memory=memory, uuid=SEEN[number].removeprefix("GPU-"))


cuda = SimpleNamespace(
    is_available=lambda: bool(SEEN), device_count=lambda: len(SEEN), get_device_properties=properties,
    current_device=lambda: 0, mem_get_info=lambda: (1, 1),
)
"""
SMI = """#!/bin/sh
echo '0, NVIDIA GeForce RTX 5060 Ti, GPU-5060aaaa, 00000000:00:00.0, 16384, [N/A]'
[ -n "$ONLY_THE_SMALL_ONE" ] || echo '1, NVIDIA GeForce RTX 3090, GPU-3090bbbb, 00000000:01:00.0, 24576, [N/A]'
"""
TELL = """
import os
from workflow_scripts.common.devices import choose_device, grant_gpu, restrict_to
grant = grant_gpu()
restrict_to(grant)
print(*(os.environ.get(n, "-") for n in ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "PYTORCH_ALLOC_CONF")))
print(*choose_device("auto", grant), sep="|")
"""


@pytest.fixture
def machine(tmp_path: Path, toy: Any) -> Any:
    """A toy step on a machine with two GPUs, of which the policy allows one, and refuses to do without."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(TORCH)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text(SMI)
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    shutil.copy(CASES / "policy.toml", tmp_path / "config" / "gpu_policy.toml")
    toy.environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{toy.environment['PATH']}"
    toy.environment["PYTHONPATH"] = str(tmp_path)
    toy.environment.pop("CUDA_VISIBLE_DEVICES", None)
    return toy


def lenient(folder: Path) -> None:
    """Let the policy go on with the CPU."""
    path = folder / "config" / "gpu_policy.toml"
    path.write_text(path.read_text().replace('"refuse"', '"cpu"'))


def told(machine: Any, **environment: str) -> list[str]:
    """What a program of ours sets, and the device that it chooses."""
    ended = subprocess.run(
        [sys.executable, "-c", TELL],
        env={**machine.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    return [*ended.stdout.splitlines(), *ended.stderr.strip().splitlines()[-1:]]


def test_the_granted_gpu_is_the_only_one_that_torch_sees(machine: Any) -> None:
    everything = ["PCI_BUS_ID GPU-3090bbbb max_split_size_mb:1024", "cuda|None"]
    assert told(machine) == everything
    # gpu-audit: ignore[GPU004, GPU006] what a shell may hold
    assert told(machine, CUDA_DEVICE_ORDER="FASTEST_FIRST", CUDA_VISIBLE_DEVICES="0,1") == everything
    assert told(machine, PYTORCH_ALLOC_CONF="x:1")[0].endswith(" x:1")


@pytest.mark.parametrize("visible", ["0", "GPU-5060aaaa"])
def test_asking_for_the_forbidden_gpu_is_refused(machine: Any, visible: str) -> None:
    machine.put(a="ok")
    for words in ((), ("--device", "cuda"), ("--check",)):
        ended = machine.run(*words, CUDA_VISIBLE_DEVICES=visible)
        assert ended.code == 3
        assert "RTX 5060 Ti" in ended.err and "is forbidden by its name" in ended.err
        assert "gpu_policy.toml refuses to do without. Use --device cpu" in ended.err
    assert machine.processed() == []


def test_the_cpu_may_always_be_asked_for(machine: Any) -> None:
    machine.put(a="ok")
    assert machine.run("--device", "cpu", ONLY_THE_SMALL_ONE="1").code == 0
    assert machine.manifest("a").fallbacks == ()


def test_what_is_refused_can_still_be_looked_at(machine: Any) -> None:
    machine.put(a="ok")
    for word in ("--dry-run", "--show-config"):
        assert machine.run(word, ONLY_THE_SMALL_ONE="1").code == 0


def test_a_policy_that_goes_on_with_the_cpu_says_so_in_log_event_and_manifest(machine: Any, tmp_path: Path) -> None:
    lenient(tmp_path)
    machine.put(a="ok")
    ended = machine.run(ONLY_THE_SMALL_ONE="1")
    assert ended.code == 0
    manifest = machine.manifest("a")
    assert (manifest.device_asked, manifest.device_used) == ("auto", "cpu")
    (fallback,) = manifest.fallbacks
    assert (fallback.from_rung, fallback.to_rung) == ("cuda", "cpu")
    warnings = [event["text"] for event in ended.events if event["event"] == "warning"]
    assert warnings == [fallback.reason] and fallback.reason in ended.out
    assert "is forbidden by its name" in fallback.reason and fallback.reason.endswith("Using the CPU.")


def test_texts_side_by_side_on_the_cpu_say_the_same(machine: Any, tmp_path: Path) -> None:
    lenient(tmp_path)
    machine.put(a="ok", b="ok")
    assert machine.run("--workers", "2", ONLY_THE_SMALL_ONE="1").code == 0
    reasons = {fallback.reason for name in "ab" for fallback in machine.manifest(name).fallbacks}
    assert len(reasons) == 1 and "is forbidden by its name" in reasons.pop()


@pytest.mark.parametrize(
    ("sees", "said"),
    [
        ("GPU-5060aaaa", "its UUID is GPU-5060aaaa"),
        ("GPU-3090bbbb,GPU-5060aaaa", "torch sees 2 GPUs where one was to be visible"),
        ("GPU-gone", "torch cannot look at the GPU"),
    ],
)
def test_another_gpu_than_the_granted_one_is_not_used(machine: Any, tmp_path: Path, sees: str, said: str) -> None:
    machine.put(a="ok")
    ended = machine.run(FAKE_TORCH_SEES=sees)
    assert ended.code == 3 and said in ended.err
    lenient(tmp_path)
    assert machine.run(FAKE_TORCH_SEES=sees).code == 0
    (fallback,) = machine.manifest("a").fallbacks
    assert said in fallback.reason and machine.processed()[-1].startswith("a cpu")


def test_a_mistake_in_the_policy_stops_every_step(machine: Any, tmp_path: Path) -> None:
    (tmp_path / "config" / "gpu_policy.toml").write_text("none_allowed = refuse")
    machine.put(a="ok")
    ended = machine.run()
    assert ended.code == 2 and "gpu_policy.toml: the GPU policy cannot be read" in ended.err
    assert "at line 1" in ended.err


# decisions, without processes

BIG = Gpu(1, "NVIDIA GeForce RTX 3090", "GPU-3090bbbb", "0000:01:00.0", 24 << 30)
STRICT = Policy(none_allowed="refuse")


def sees(monkeypatch: pytest.MonkeyPatch, *gpus: Gpu) -> None:
    """Let torch see GPUs."""
    monkeypatch.setattr(devices, "cuda_available", lambda: bool(gpus))
    monkeypatch.setattr(devices, "gpus_of_torch", lambda: gpus)


def test_where_the_driver_tells_nothing_the_policy_judges_what_torch_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch, BIG)
    unknown = Choice("unknown", Policy(minimum_memory_gb=20), why="The driver is broken.", visible="0")
    assert choose_device("auto", unknown) == ("cuda", None)
    demanding = Choice("unknown", Policy(minimum_memory_gb=40), why="The driver is broken.", visible="0")
    device, said = choose_device("auto", demanding)
    assert device == "cpu" and said is not None and "has less than 40 GB of memory. Using the CPU." in said
    sees(monkeypatch)
    assert choose_device("auto", unknown) == ("cpu", "The driver is broken. Using the CPU.")


def test_a_policy_that_refuses_does_so_for_every_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch)
    for choice in (
        Choice("absent", STRICT, why="There is no NVIDIA GPU here."),
        Choice("granted", STRICT, BIG, visible=BIG.key),
        Choice("unknown", STRICT, why="The driver is broken.", visible="0"),
    ):
        with pytest.raises(PreconditionError, match="refuses to do without"):
            choose_device("auto", choice)
        assert choose_device("cpu", choice) == ("cpu", None)


def test_before_torch_is_loaded_only_what_is_certain_is_refused() -> None:
    unknown = Choice("unknown", STRICT, why="The driver is broken.", visible="0")
    assert require_gpu("auto", unknown) == unknown
    with pytest.raises(PreconditionError, match="There is no NVIDIA GPU here"):
        require_gpu("cuda", Choice("absent", STRICT, why="There is no NVIDIA GPU here."))


def test_where_no_gpu_may_be_used_none_is_visible_to_what_a_step_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "OMP_WAIT_POLICY", "PYTORCH_ALLOC_CONF"):
        monkeypatch.setenv(name, "before")
    restrict_to(Choice("blocked", Policy(allocator="x:1"), why="None.", visible=""))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "" and os.environ["PYTORCH_ALLOC_CONF"] == "before"


def test_who_has_ended_holds_no_gpu(tmp_path: Path) -> None:
    with hold_gpu("GPU-a", "STEP3", folder=tmp_path):
        held = holder_of("GPU-a", tmp_path)
        assert held is not None and held.pid == os.getpid()
        lock = next(tmp_path.iterdir()).read_text()
    assert holder_of("GPU-a", tmp_path) is None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    next(tmp_path.iterdir()).write_text(lock.replace(str(os.getpid()), str(ended.pid)))
    assert holder_of("GPU-a", tmp_path) is None
