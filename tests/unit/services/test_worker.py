"""The worker as a process: alone on its data folder, restarted without its steps noticing, killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from services.inbox import InboxWatch
from services.scheduler import forget_folders, runs_folder
from services.step_results import LOST_AT_MOST
from services.supervision.processes import identity_of, is_alive
from services.worker import log_path, restart_lost, start_detached, stop_worker
from services.worker_lock import WorkerLock, holder
from workflow_scripts.common.paths import ROOT

House = Any
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills and finds processes through /proc")


class Workers:
    """Starts workers on the test's data folder, and ends them."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one and wait until it is at work."""
        process = subprocess.Popen(
            [sys.executable, "-m", "services.worker", *words], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        self.started.append(process)
        limit = time.monotonic() + 30
        while (found := holder()) is None or found.identity.pid != process.pid:
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.01)
        return process


@pytest.fixture
def workers() -> Iterator[Workers]:
    """None runs yet, and none after the test."""
    workers = Workers()
    yield workers
    for process in workers.started:
        process.kill()
        process.wait()
    with suppress(psutil.Error):
        if found := holder():
            psutil.Process(found.identity.pid).kill()


def wait_over(house: House, *run_ids: int) -> None:
    """Wait until runs are over."""
    limit = time.monotonic() + 60
    while any(house.runs.show(run_id).run.active for run_id in run_ids):
        assert time.monotonic() < limit
        time.sleep(0.02)


def wait_for_step(house: House, key: str, times: int = 1) -> None:
    """Wait until a step has begun so often."""
    limit = time.monotonic() + 30
    while house.began(key) < times:
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_worker_does_what_is_in_the_store(house: House, workers: Workers) -> None:
    first = house.create("2-5", house.project("A")).run
    workers.start()
    second = house.create("2", house.project("B")).run
    wait_over(house, first.id, second.id)
    assert house.runs.show(first.id).run.state == house.runs.show(second.id).run.state == "succeeded"


def test_a_second_worker_says_who_does_the_work_and_ends(house: House, workers: Workers) -> None:
    pid = workers.start().pid
    second = subprocess.run(
        [sys.executable, "-m", "services.worker"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert f"The work of this data folder is done by worker (process {pid}, since " in second.stderr


def test_a_worker_that_ends_leaves_its_steps_to_the_next(house: House, workers: Workers) -> None:
    run = house.create("2-3", house.project("A", STEP2="wait")).run
    first = workers.start()
    wait_for_step(house, "STEP2")
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0 and holder() is None
    (step, *_) = house.runs.show(run.id).steps
    identity = identity_of(step.pid or 0)
    assert identity is not None and identity.create_time == step.create_time  # goes on
    (house.folder("A") / "go").touch()
    workers.start()
    wait_over(house, run.id)
    assert set(house.states(run.id).values()) == {"succeeded"} and house.began("STEP2") == 1


def test_a_worker_that_is_told_so_ends_its_steps_and_the_next_begins_them_anew_however_often(
    house: House, workers: Workers
) -> None:
    run = house.create("2", house.project("A", STEP2="wait")).run
    for times in range(1, LOST_AT_MOST + 2):
        first = workers.start("--stop-steps")
        wait_for_step(house, "STEP2", times)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 0 and house.processes() == []
        (step,) = house.runs.show(run.id).steps
        assert (step.state, step.attempt) == ("queued", 1) and "The worker was stopped" in step.reason
    (house.folder("A") / "go").touch()
    workers.start()
    wait_over(house, run.id)
    assert house.states(run.id) == {"STEP2": "succeeded"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.long)])
def test_a_worker_killed_at_any_moment_loses_no_run_and_leaves_no_step_that_nobody_owns(
    house: House, workers: Workers, times: int
) -> None:
    moments = random.Random(5)
    runs = [house.create("2-5", house.project(f"P{number}", 3, STEP2="slow")).run for number in range(times)]
    for _ in range(times):
        worker = workers.start()
        time.sleep(moments.uniform(0.0, 0.6))
        worker.kill()
        worker.wait()
        assert_artifacts_are_whole(house)
        owned = {step.id for step in house.runs.steps.running()}
        for one in house.processes():
            folder = psutil.Process(one.pid).environ()["WORKFLOW_STEP_RUN"] if is_alive(one) else ""
            assert not folder or int(os.path.basename(folder).partition(".")[0]) in owned  # noqa: PTH119
    workers.start()
    wait_over(house, *(run.id for run in runs))
    assert {house.runs.show(run.id).run.state for run in runs} == {"succeeded"}
    for number in range(times):
        made = sorted(path.name for path in (house.folder(f"P{number}") / "docs").iterdir())
        assert made == sorted(f"{n}.{end}" for n in range(3) for end in ("mp4", "STEP2", "STEP3", "STEP4", "STEP5"))
    assert house.processes() == [] and house.database.faults() == []


def assert_artifacts_are_whole(house: House) -> None:
    """Every artifact that has its name is finished."""
    for path in (house.data / "projets_extraits").glob("*/docs/*.STEP?"):
        assert path.read_text() == "begun and finished"


def test_a_killed_step_is_booked_and_its_worker_goes_on(house: House, workers: Workers) -> None:
    run = house.create("2", house.project("A", STEP2="kill")).run
    workers.start()
    wait_over(house, run.id)
    (step,) = house.runs.show(run.id).steps
    assert step.state == "failed" and "failed (signal 9)" in step.reason
    again = house.create("2", house.project("B")).run
    wait_over(house, again.id)
    assert house.states(again.id) == {"STEP2": "succeeded"}


# in the background


def test_a_worker_is_started_once_in_a_session_of_its_own_and_stopped(house: House, workers: Workers) -> None:
    first = start_detached()
    assert start_detached() == first and first.is_worker
    assert os.getsid(first.identity.pid) != os.getsid(0)
    assert psutil.Process(first.identity.pid).ppid() != os.getpid()
    run = house.create("2", house.project("A")).run
    wait_over(house, run.id)
    assert stop_worker() == first and holder() is None and stop_worker() is None
    assert f"worker {first.identity.pid} ends; 0 steps go on" in log_path().read_text()


def test_who_holds_the_work_is_known_and_given_back(data_folder: Any) -> None:
    with WorkerLock() as lock:
        assert lock.take("a run in a terminal")
        found = holder()
        assert found is not None and found.identity.pid == os.getpid() and not found.is_worker
        assert not WorkerLock().take("worker")
    assert holder() is None
    again = WorkerLock()
    assert again.take("worker")
    again.release()


def test_a_note_of_a_dead_process_names_nobody(data_folder: Any) -> None:
    data_folder.mkdir()
    (data_folder / "workflow.db.worker").write_text(
        '{"pid": 1, "create_time": -1.0, "boot_id": "x", "what": "worker", "since": "2026-01-01T00:00:00+00:00"}'
    )
    assert holder() is None
    (data_folder / "workflow.db.worker").write_text("nonsense")
    assert holder() is None


# history, inbox


def test_folders_of_forgotten_runs_are_removed(house: House) -> None:
    run = house.create("2", house.project("A")).run
    house.work(house.scheduler(), run.id)
    (runs_folder() / "77" / "1.1").mkdir(parents=True)
    forget_folders(house.runs)
    assert [path.name for path in runs_folder().iterdir()] == [str(run.id)]


def test_a_worker_that_watches_the_inbox_makes_a_run_of_what_comes_once(
    house: House, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_WATCH_INBOX", "1")
    monkeypatch.setenv("WORKFLOW_INBOX_QUIET_S", "1")
    monkeypatch.setenv("WORKFLOW_INBOX_STEPS", "1-2")
    house.drop("new.mp4")
    (house.data / "inbox" / "foreign.txt").write_text("stays")
    house.project("old")
    workers.start()
    limit = time.monotonic() + 30
    while not house.runs.page().runs or house.runs.page().runs[0].active:
        assert time.monotonic() < limit
        time.sleep(0.05)
    time.sleep(2.5)  # another look
    (run,) = house.runs.page().runs
    assert run.request.origin == "inbox" and house.states(run.id) == {"STEP1": "succeeded", "STEP2": "succeeded"}
    assert InboxWatch(0.0).settled() == []  # a restarted one does not do it again


@pytest.mark.usefixtures("workers")
def test_a_worker_that_was_killed_is_replaced_and_one_that_was_stopped_is_not() -> None:
    assert restart_lost() is None
    first = start_detached()
    assert restart_lost() is None
    os.kill(first.identity.pid, signal.SIGKILL)
    limit = time.monotonic() + 30
    while is_alive(first.identity):
        assert time.monotonic() < limit
        time.sleep(0.01)
    second = restart_lost()
    assert second is not None and second.identity != first.identity and is_alive(second.identity)
    stop_worker()
    assert restart_lost() is None
