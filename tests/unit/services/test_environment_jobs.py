"""Making environments from the dashboard: one at a time, seen through whoever looks."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.environment_facts import facts
from services.environment_jobs import KEPT, EnvironmentJobs, SetupJob
from services.environments import Status
from services.pipeline import load_pipeline
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.paths import ROOT

LINES = 'echo "$1 1/3 virtual environment … 2 s"; echo "$1 2/3 libraries … 7 s"'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose scripts/setup is written by `setup_does`."""
    root = tmp_path / "repository"
    shutil.copytree(ROOT / "config" / "envs", root / "config" / "envs")
    (root / "scripts").mkdir()
    return root


@pytest.fixture
def setup_does(repository: Path) -> Callable[[str], None]:
    def write(body: str) -> None:
        path = repository / "scripts" / "setup"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    return write


@pytest.fixture
def jobs(repository: Path, tmp_path: Path) -> Iterator[EnvironmentJobs]:
    made = EnvironmentJobs(tmp_path / "jobs", repository)
    yield made
    made.stop()
    wait_for(made, lambda job: not job.running)


def wait_for(jobs: EnvironmentJobs, is_so: Callable[[SetupJob], bool]) -> SetupJob | None:
    deadline = time.monotonic() + 30
    while (job := jobs.latest()) is not None and not is_so(job):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def test_nothing_was_made_yet(jobs: EnvironmentJobs) -> None:
    assert jobs.latest() is None and jobs.stop() is None


def test_a_job_is_followed_to_its_end(jobs: EnvironmentJobs, setup_does: Callable[[str], None]) -> None:
    setup_does(f'{LINES}; echo "$1 3/3 checks … 0 s"; echo "$1 ready after 9 s ($#)"')
    jobs.begin("transnet_env")
    job = wait_for(jobs, lambda job: not job.running)
    assert job is not None and job.succeeded and job.started is not None
    assert (job.name, job.anew, job.done, job.total, job.reason) == ("transnet_env", False, 3, 3, "")
    assert job.output.endswith("transnet_env ready after 9 s (1)")


def test_one_that_fails_says_why_and_how_far_it_came(
    jobs: EnvironmentJobs, setup_does: Callable[[str], None]
) -> None:
    setup_does(f'{LINES} >&2; echo "$1 3/3 checks … 0 s failed"; echo "no wheel ($2)" >&2; exit 3')
    jobs.begin("audio_env", anew=True)
    job = wait_for(jobs, lambda job: not job.running)
    assert job is not None and not job.succeeded and job.anew
    assert (job.done, job.total) == (2, 3) and "no wheel (--force)" in job.reason + job.output


def test_only_one_is_made_at_a_time_and_the_next_process_finds_it(
    jobs: EnvironmentJobs, setup_does: Callable[[str], None], repository: Path, tmp_path: Path
) -> None:
    setup_does(f"{LINES}; exec sleep 60")
    jobs.begin("transnet_env")
    with pytest.raises(PreconditionError, match="transnet_env is being made"):
        jobs.begin("audio_env")
    next_one = EnvironmentJobs(tmp_path / "jobs", repository)
    job = wait_for(next_one, lambda job: job.done == 2)
    assert job is not None and job.running
    with pytest.raises(PreconditionError, match="transnet_env is being made"):
        next_one.begin("audio_env")
    next_one.stop()
    job = wait_for(next_one, lambda job: not job.running)
    assert job is not None and not job.succeeded and job.reason


def test_an_environment_that_is_in_use_is_left_alone(
    jobs: EnvironmentJobs, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PreconditionError, match="A step runs in audio_env"):
        jobs.begin("audio_env", busy={"audio_env"})
    monkeypatch.setattr(sys, "prefix", str(repository / "env"))
    with pytest.raises(PreconditionError, match="The dashboard itself runs in env"):
        jobs.begin("env", anew=True)
    with pytest.raises(UsageError, match="no environment"):
        jobs.begin("../env")
    assert jobs.latest() is None


def test_old_jobs_are_forgotten(jobs: EnvironmentJobs, setup_does: Callable[[str], None], tmp_path: Path) -> None:
    setup_does("exit 0")
    for _ in range(KEPT + 3):
        jobs.begin("env")
        wait_for(jobs, lambda job: not job.running)
    assert len(list((tmp_path / "jobs").iterdir())) == KEPT


def test_what_is_in_an_environment_is_told_with_the_steps_that_need_it() -> None:
    found = {one.name: one for one in facts(load_pipeline().steps)}
    env = found["env"]
    assert env.steps == ("STEP1", "STEP2", "STEP5", "STEP6", "STEP7") and env.python and not env.missing
    main = {package.name: package.version for package in env.main}
    assert main["flask"].startswith("3.1") and "blinker" not in main
    assert "blinker" in {package.name for package in env.packages}
    assert found["bench_env"].optional and found["bench_env"].steps == ()
    assert all(one.missing == (one.state.status is Status.MISSING) for one in found.values())
