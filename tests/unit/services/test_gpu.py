"""The inventory by the driver's library, who gets which GPU, and what doctor and pre-flight make of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from services import doctor, gpu, gpu_trial, preflight
from services.environments import find
from services.environments.state import Stamp
from services.gpu import allowed_keys, destinations, inventory, standing, uses
from services.pipeline import load_pipeline
from services.runs import RunOptions, RunRequest
from services.slots import Slot, allowed_gpus
from workflow_scripts.common.gpu_inventory import Inventory
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_policy import Gpu, Policy, Selection, read_policy

GIB = 1 << 30
TI = Gpu(0, "NVIDIA GeForce RTX 5060 Ti", "GPU-5060aaaa", "0000:00:00.0", 16 * GIB)
BIG = Gpu(1, "NVIDIA GeForce RTX 3090", "GPU-3090bbbb", "0000:01:00.0", 24 * GIB)
SEED = read_policy(Path(__file__).parents[1] / "debug" / "gpu_audit_cases" / "policy.toml")
LENIENT = Policy(forbidden=Selection(names=("*",)))
TWO = Inventory((TI, BIG))


class Driver:
    """A driver's library that knows some GPUs; what it does not know it refuses to tell."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *gpus: dict[Any, Any]) -> None:
        self.gpus = gpus
        answers: dict[str, Callable[..., Any]] = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: len(gpus),
            "nvmlDeviceGetHandleByIndex": lambda index: gpus[index],
            "nvmlDeviceGetHandleByUUID": lambda uuid: next(g for g in gpus if g["uuid"] == uuid),
            "nvmlDeviceGetName": lambda one: one["name"],
            "nvmlDeviceGetMigDeviceHandleByIndex": lambda one, index: self.fact(one, index),
        }
        facts = {
            "UUID": "uuid",
            "PciInfo": "bus",
            "MemoryInfo": "memory",
            "MigMode": "mig",
            "MaxMigDeviceCount": "parts",
            "UtilizationRates": "load",
            "Temperature": "heat",
            "ComputeRunningProcesses": "processes",
        }
        for name, fact in facts.items():
            answers[f"nvmlDeviceGet{name}"] = lambda one, *_, fact=fact: self.fact(one, fact)
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, answer)

    @staticmethod
    def fact(one: dict[Any, Any], name: Any) -> Any:
        if name not in one:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return one[name]


def told(gpu: Gpu, **more: Any) -> dict[Any, Any]:
    """A GPU as the library tells it."""
    bus = SimpleNamespace(busId=f"0000{gpu.bus}")
    memory = SimpleNamespace(total=gpu.memory, used=GIB)
    return {"name": gpu.name, "uuid": gpu.uuid, "bus": bus, "memory": memory, **more}


# inventory


def test_the_gpus_as_the_driver_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, told(TI), told(BIG, mig=(0, 0)))
    assert inventory() == TWO


def test_what_a_gpu_does_not_tell_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, {"name": "Old GPU"})
    assert inventory().gpus == (Gpu(0, "Old GPU"),)


def test_a_divided_gpu_is_its_mig_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    part = {"name": "A100 MIG 1g.5gb", "uuid": "MIG-1", "memory": SimpleNamespace(total=5 * GIB)}
    Driver(monkeypatch, told(BIG, mig=(1, 1)) | {"parts": 3, 1: part}, told(TI))
    expected = Gpu(0, "A100 MIG 1g.5gb", "MIG-1", BIG.bus, 5 * GIB, BIG.uuid)
    assert inventory().gpus == (expected, Gpu(1, *list(vars(TI).values())[1:]))


@pytest.mark.parametrize("there", [True, False])
def test_a_library_that_fails_is_trouble_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    def mismatch() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)

    monkeypatch.setattr(pynvml, "nvmlInit", mismatch)
    monkeypatch.setattr("services.gpu.gpu_inventory.inventory", Inventory)
    monkeypatch.setattr("services.gpu.gpu_inventory.machine_shows_one", lambda: there)
    assert ("ismatch" in inventory().trouble) == there


# who gets which


@pytest.mark.parametrize(
    ("policy", "visible", "keys"),
    [
        (Policy(), None, (TI.uuid, BIG.uuid)),
        (Policy(), "1,0", (BIG.uuid, TI.uuid)),
        (Policy(), "GPU-3090", (BIG.uuid,)),
        (Policy(), "", ()),
        (Policy(), "-1", ()),
        (SEED, None, (BIG.uuid,)),
        (SEED, "0", ()),
        (LENIENT, None, ()),
    ],
)
def test_the_gpus_that_slots_are_made_of(
    monkeypatch: pytest.MonkeyPatch, policy: Policy, visible: str | None, keys: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(gpu, "read_policy", lambda: policy)
    assert allowed_gpus(TWO) == keys


def test_a_slot_keeps_a_step_on_one_gpu_by_uuid() -> None:
    assert Slot(BIG.key).environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "GPU-3090bbbb"}
    assert Slot("cpu").environment == {}


def test_where_the_driver_does_not_tell_the_gpus_one_step_at_a_time_gets_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    unknown = Inventory(trouble="The driver is broken.")
    assert allowed_keys(standing(Policy(), unknown)) == ("0",)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert allowed_keys(standing(Policy(), unknown)) == ()


@pytest.fixture
def cuda_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """All environments hold the CUDA build of torch."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu, "read_stamp", lambda _environment: Stamp("", torch="cuda"))


def by_step(policy: Policy, found: Inventory) -> dict[str, tuple[str, str]]:
    """Where each step of the real graph would compute."""
    now = standing(policy, found)
    return {one.step: (one.device, one.text) for one in destinations(load_pipeline().steps, now)}


@pytest.mark.usefixtures("cuda_builds")
def test_what_each_step_would_get() -> None:
    found = by_step(SEED, TWO)
    assert found["STEP1"] == ("cpu", "needs no GPU")
    assert found["STEP3"][0] == "cuda" and "RTX 3090" in found["STEP3"][1]
    assert by_step(LENIENT, TWO)["STEP3"][0] == "cpu"
    refused = by_step(SEED, Inventory((TI,)))
    assert refused["STEP3"][0] == "" and "refuses to do without" in refused["STEP3"][1]
    assert refused["STEP2"][0] == "cpu"


@pytest.mark.usefixtures("cuda_builds")
def test_an_environment_with_the_cpu_build_of_torch_uses_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        gpu, "read_stamp", lambda one: Stamp("", torch="cpu" if one.name == "audio_env" else "cuda")
    )
    found = by_step(Policy(), TWO)
    assert found["STEP3"][0] == "cuda"
    assert found["STEP4"] == ("cpu", "audio_env holds the CPU build of torch.")


def test_what_the_gpus_are_doing(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(pid=42, usedGpuMemory=None)
    busy = told(BIG, load=SimpleNamespace(gpu=80), heat=64, processes=[process])
    Driver(monkeypatch, told(TI), busy)
    with hold_gpu(BIG.uuid, "STEP3"):
        idle, used = uses(standing(SEED, inventory()))
    assert (idle.load, idle.temperature, idle.processes, idle.holder) == (None, None, (), None)
    assert idle.objection.startswith("is forbidden") and not used.objection
    assert (used.load, used.memory_used, used.temperature) == (80, GIB, 64)
    assert used.processes == ((42, None),) and used.holder is not None and used.holder.pid == os.getpid()


# what is said before a run


def findings(monkeypatch: pytest.MonkeyPatch, policy: Policy, found: Inventory) -> list[tuple[str, str]]:
    """The doctor's verdicts and texts about GPUs."""
    monkeypatch.setattr(gpu, "read_policy", lambda: policy)
    monkeypatch.setattr(gpu, "inventory", lambda: found)
    monkeypatch.setattr(doctor, "_steps", lambda _pipeline: [])
    return [(one.verdict, one.text) for one in doctor.examine(load_pipeline()) if one.what == "GPU"]


def test_the_doctor_goes_by_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    both = findings(monkeypatch, SEED, TWO)
    assert [verdict for verdict, _ in both] == ["note", "ok"]
    assert "is forbidden by its name" in both[0][1] and both[1][1].endswith("may be used")
    refused = findings(monkeypatch, SEED, Inventory((TI,)))
    assert [verdict for verdict, _ in refused] == ["note", "problem"]
    assert findings(monkeypatch, Policy(), Inventory()) == [
        ("note", "There is no NVIDIA GPU here. No GPU: everything runs on the CPU")
    ]
    assert findings(monkeypatch, SEED, Inventory())[0][0] == "problem"


def test_a_mistake_in_the_policy_is_the_doctor_s_and_the_preflight_s_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    step = load_pipeline()["STEP3"]
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path))
    (tmp_path / "gpu_policy.toml").write_text("none_allowed = 3")
    for finding in (doctor._gpus()[0], preflight._gpu([step])):
        assert (finding.what, finding.verdict) == ("GPU", "problem") and "gpu_policy.toml" in finding.text


@pytest.mark.usefixtures("cuda_builds")
def test_the_preflight_says_what_steps_on_a_gpu_would_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "inventory", lambda: TWO)
    monkeypatch.setattr(gpu, "read_policy", lambda: SEED)
    steps = [step for step in load_pipeline().steps if step.slot == "gpu"]
    assert preflight._gpu(steps).verdict == "ok"
    monkeypatch.setattr(gpu, "read_policy", lambda: LENIENT)
    finding = preflight._gpu(steps)
    assert finding.verdict == "note" and finding.text.startswith("STEP3: No GPU may be used: NVIDIA")


def test_a_run_on_the_cpu_hears_nothing_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load_pipeline()
    for device, heard in ((None, True), ("cpu", False)):
        request = RunRequest(("STEP3",), options=RunOptions(device=device))
        monkeypatch.setattr(preflight, "_step", lambda step, _request: doctor.Finding(step.key, "ok", ""))
        assert ("GPU" in [finding.what for finding in preflight.check(pipeline, request)]) == heard


# a tiny computation


def test_a_trial_without_a_gpu_in_torch_is_none() -> None:
    if not find("transnet_env").path.is_dir():
        pytest.skip("transnet_env is not made")
    trial = gpu_trial.try_gpu(BIG)
    assert trial.verdict == "not tried" and "torch cannot use CUDA" in trial.text


def test_a_gpu_in_use_is_not_tried() -> None:
    with hold_gpu(BIG.uuid, "STEP3"):
        trial = gpu_trial.try_gpu(BIG)
    assert trial.verdict == "not tried" and "is in use by STEP3" in trial.text


@pytest.mark.parametrize(
    ("code", "out", "error", "verdict", "said"),
    [
        (
            0,
            '{"gpu": "G", "torch": "2", "difference": 1e-6, "problem": ""}',
            "",
            "passed",
            "torch 2 on G: the CPU's",
        ),
        (1, '{"problem": "It leaves something behind."}', "", "failed", "It leaves something behind."),
        (-11, "", "", "failed", "exit status -11: without a word"),
        (1, "", "Traceback\nImportError: no torch", "failed", "ImportError: no torch"),
    ],
)
def test_what_came_of_a_trial(
    monkeypatch: pytest.MonkeyPatch, code: int, out: str, error: str, verdict: str, said: str
) -> None:
    ended = subprocess.CompletedProcess([], code, out, error)
    monkeypatch.setattr(gpu_trial, "python_of", lambda _name: Path("/"))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    trial = gpu_trial.try_gpu(BIG)
    assert trial.verdict == verdict and said in trial.text
