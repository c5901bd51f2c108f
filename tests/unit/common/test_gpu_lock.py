"""One step per GPU, whoever starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.gpu_lock import FOLDER_VARIABLE, hold_gpu
from workflow_scripts.common.paths import ROOT

#: Holds a GPU and notes when it began and ended, by the clock that all processes share.
JOB = """
import sys, time
from itertools import pairwise
from pathlib import Path
from workflow_scripts.common.gpu_lock import hold_gpu
name, what, seconds, folder = sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])
with hold_gpu(name, what, on_wait=lambda text: print(text, flush=True), folder=folder):
    begin = time.monotonic_ns()
    (folder / f"{what}.begun").touch()
    time.sleep(seconds)
    with (folder / "times").open("a") as stream:
        stream.write(f"{name} {begin} {time.monotonic_ns()}\\n")
"""


def job(folder: Path, name: str, what: str, seconds: float) -> subprocess.Popen[str]:
    """Start a process that holds a GPU for some seconds."""
    command = [sys.executable, "-c", JOB, name, what, str(seconds), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def held(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds GPU 0 for long."""
    process = job(tmp_path, "0", "STEP3", 60)
    wait_for((tmp_path / "STEP3.begun").exists)
    return process


def test_fifty_jobs_on_two_gpus_never_share_one(tmp_path: Path) -> None:
    running = [job(tmp_path, str(number % 2), f"job{number}", 0.01) for number in range(50)]
    assert all(process.communicate(timeout=100) and process.returncode == 0 for process in running)
    rows = [line.split() for line in (tmp_path / "times").read_text().splitlines()]
    assert len(rows) == 50
    for name in "01":
        spans = sorted((int(begin), int(end)) for gpu, begin, end in rows if gpu == name)
        assert len(spans) == 25
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_who_is_told_not_to_wait_is_refused_with_a_sentence(held: subprocess.Popen[str], tmp_path: Path) -> None:
    with (
        pytest.raises(
            PreconditionError, match=f"GPU 0 is in use by STEP3 of process {held.pid}, started 2"
        ) as error,
        hold_gpu("0", "STEP4", wait=False, folder=tmp_path),
    ):
        pass
    assert error.value.retry
    with hold_gpu("1", "STEP4", wait=False, folder=tmp_path):
        pass  # the other one is free
    held.kill()
    held.communicate()


def test_the_second_says_for_whom_it_waits_and_goes_on_when_the_first_is_killed(
    held: subprocess.Popen[str], tmp_path: Path
) -> None:
    second = job(tmp_path, "0", "STEP4", 0)
    assert second.stdout is not None
    said = second.stdout.readline()
    assert said.startswith(f"GPU 0 is in use by STEP3 of process {held.pid}") and "waiting for it" in said
    assert not (tmp_path / "STEP4.begun").exists()
    held.kill()
    held.communicate()
    second.communicate(timeout=30)
    assert second.returncode == 0 and (tmp_path / "STEP4.begun").exists()


def test_who_waits_can_be_stopped(held: subprocess.Popen[str], tmp_path: Path) -> None:
    second = job(tmp_path, "0", "STEP4", 0)
    assert second.stdout is not None and second.stdout.readline()
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=30)
    held.kill()
    held.communicate()
    assert second.returncode == -signal.SIGTERM and not (tmp_path / "STEP4.begun").exists()


def test_a_lock_file_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    with hold_gpu("GPU-a/b", "STEP3", folder=tmp_path):
        (lock,) = tmp_path.glob("*.lock")
        assert lock.name == "GPU-a_b.lock"
    lock.unlink()
    with hold_gpu("GPU-a/b", "STEP3", folder=tmp_path):
        assert '"STEP3"' in lock.read_text()
    assert lock.read_text() == ""


def test_all_users_may_take_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locks"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    with hold_gpu("0", "STEP3"):
        assert folder.stat().st_mode & 0o7777 == 0o1777
        assert (folder / "0.lock").stat().st_mode & 0o777 == 0o666


def test_a_lock_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "0.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PreconditionError, match=r"0\.lock: the lock of the GPU cannot be opened"):  # noqa: SIM117
        with hold_gpu("0", "STEP3", folder=tmp_path):
            pass
