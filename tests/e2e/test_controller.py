"""Runs that survive, with the real steps: a worker killed in mid-work, and the commands that people type."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from services.sample import SampleShot, SampleVideo, write_sample

pytestmark = pytest.mark.timeout(300)

VIDEO = SampleVideo("film.mkv", Fraction(25), (SampleShot(60, "face close"), SampleShot(60, "hills")), 1)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_run_outlives_its_worker_and_a_second_one_executes_nothing(shell: Any) -> None:
    write_sample(shell.data / "inbox" / "Court.zip", (VIDEO,))
    begun = shell.workflow("run", "--detach")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    worker = int(re.findall(r"process (\d+)", begun.stdout)[0])
    try:
        wait_for(lambda: "STEP3 of “Court”: running" in shell.workflow("status").stdout)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: shell.workflow("worker", "status").returncode == 1)
        assert "STEP3" in shell.workflow("status").stdout
        assert shell.workflow("worker", "start").returncode == 0
        assert shell.workflow("logs", "1", "-f").returncode == 0
        history = shell.workflow("history", "--run", "1").stdout
        assert history.startswith("Run 1: succeeded, 7 of 7 steps done"), history
        assert (shell.data / "output" / "Court" / "docs" / "film_tracking.json").is_file()
        again = shell.workflow("run")
        assert again.returncode == 0 and again.stdout.count("TOTAL_VIDEOS_TO_PROCESS: 0") == 7, again.stdout
    finally:
        shell.workflow("worker", "stop")


def test_what_is_missing_is_said_before_anything_starts(shell: Any) -> None:
    write_sample(shell.data / "inbox" / "Court.zip", (VIDEO,))
    refused = shell.workflow("run", "--set", "3.threshold=7")
    assert refused.returncode == 3
    assert "STEP3: threshold = '7'" in refused.stderr and "Nothing was started." in refused.stderr
    assert not (shell.data / "workflow.db").exists() and (shell.data / "inbox" / "Court.zip").is_file()
