"""Background work: once for each key, its progress told, its failure told once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from services.viewing.jobs import Jobs, Preparing, Progress, Ready


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    """What does it."""
    made = Jobs()
    yield made
    made.close()


def test_what_is_quick_is_ready_at_once(jobs: Jobs) -> None:
    made: list[str] = []
    assert jobs.ensure("a", lambda progress: made.append("a"), what="peaks", wait_s=60) == Ready()
    assert made == ["a"]


def test_what_takes_long_is_made_once_and_tells_how_far_it_is(jobs: Jobs) -> None:
    begun, go, made = threading.Event(), threading.Event(), []

    def build(progress: Progress) -> None:
        progress.tell(0.5)
        progress.tell(0.25)
        begun.set()
        assert go.wait(60)
        made.append("a")

    jobs.ensure("a", build, what="faces", wait_s=0)
    assert begun.wait(60)
    assert jobs.ensure("a", build, what="faces", wait_s=0) == Preparing("faces", 0.5)
    go.set()
    assert jobs.ensure("a", build, what="faces", wait_s=60) == Ready()
    assert made == ["a"]


def test_a_failure_is_told_once_also_to_those_who_come_later_and_then_it_is_tried_again(jobs: Jobs) -> None:
    begun, go = threading.Event(), threading.Event()

    def fail(progress: Progress) -> None:
        begun.set()
        assert go.wait(60)
        raise ValueError("no")

    jobs.ensure("a", fail, what="faces", wait_s=0)
    assert begun.wait(60)
    go.set()
    with pytest.raises(ValueError, match="no"):
        jobs.ensure("a", fail, what="faces", wait_s=60)
    assert jobs.ensure("a", lambda progress: None, what="faces", wait_s=60) == Ready()


def test_at_the_end_builds_are_told_to_stop() -> None:
    jobs, begun, stopped = Jobs(), threading.Event(), []

    def build(progress: Progress) -> None:
        begun.set()
        while not progress.ended:
            pass
        stopped.append(True)

    jobs.ensure("a", build, what="faces", wait_s=0)
    assert begun.wait(60)
    jobs.close()
    assert stopped == [True]
