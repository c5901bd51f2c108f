"""Slots and who has them; the worker, started and ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services import gpu, machine_work
from services.runs import StepRun
from services.worker_lock import WorkerLock, holder
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.gpu_inventory import Inventory
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_policy import Gpu

UUID = "GPU-00000000-1111-2222-3333-444444444444"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def step_run(number: int, slot: str) -> StepRun:
    empty = dict.fromkeys(StepRun.__dataclass_fields__)
    values = {
        **empty, "id": number, "run_id": 7, "step": "STEP3", "state": "running", "slot": slot, "started": NOW,
        "attempt": 1, "position": 0, "reason": "", "events_offset": 0,
    }  # fmt: skip
    return StepRun(**values)  # type: ignore[arg-type]


@pytest.fixture
def one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = Inventory((Gpu(0, "A GPU", UUID, "01:00.0", 8_000_000_000),))
    monkeypatch.setattr(machine_work, "standing", lambda: gpu.standing(found=found))


def test_every_running_step_is_shown_where_it_is_and_the_rest_is_free(one_gpu: None) -> None:
    running = [step_run(1, UUID), step_run(2, "cpu")]
    found = machine_work.places(running)
    assert [(place.name, place.step and place.step.id) for place in found] == [
        ("GPU 0: A GPU", 1), ("CPU", 2), ("CPU", None)
    ]  # fmt: skip


def test_steps_are_never_left_out_though_there_are_more_than_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_CPU_SLOTS", "1")
    monkeypatch.setattr(machine_work, "standing", lambda: gpu.standing(found=Inventory()))
    running = [step_run(1, "cpu"), step_run(2, "cpu"), step_run(3, UUID)]
    assert [place.step for place in machine_work.places(running)] == running


def test_who_holds_a_gpu_from_elsewhere_is_told(one_gpu: None) -> None:
    with hold_gpu(UUID, "STEP3"):
        other = machine_work.places([])[0].other
        assert other is not None and (other.pid, other.what) == (os.getpid(), "STEP3")
    assert machine_work.places([])[0].other is None


def test_a_holder_that_died_holds_nothing(one_gpu: None) -> None:
    folder = Path(os.environ["WORKFLOW_GPU_LOCKS"])
    with hold_gpu(UUID, "STEP3"):
        (path,) = folder.iterdir()
        note = json.loads(path.read_text())
    path.write_text(json.dumps({**note, "pid": 2**22 + 1}))
    assert machine_work.places([])[0].other is None


def test_a_run_in_a_terminal_is_not_ended_from_here() -> None:
    with WorkerLock() as lock:
        lock.take("run 3")
        assert machine_work.worker_state().holder is not None
        for command in (machine_work.end_worker, machine_work.restart_worker):
            with pytest.raises(PreconditionError, match="run 3"):
                command()


@pytest.fixture
def worker_ended() -> Iterator[None]:
    yield
    machine_work.end_worker()


def test_the_worker_is_started_replaced_and_ended(worker_ended: None, data_folder: Path) -> None:
    first = machine_work.start_worker()
    assert machine_work.start_worker() == first and not machine_work.worker_state().outdated
    second = machine_work.restart_worker()
    assert second.identity != first.identity and holder() == second
    (data_folder / ".env").write_text("WORKFLOW_CPU_SLOTS=3\n")
    later = second.since.timestamp() + 5
    os.utime(data_folder / ".env", (later, later))
    assert machine_work.worker_state().outdated
    machine_work.end_worker()
    assert machine_work.worker_state() == machine_work.WorkerState(None, None, False)
