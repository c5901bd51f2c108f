"""Watching the inbox: what has stopped growing begins a run, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.inbox import InboxWatch, start_run

House = Any


class Time:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    """It is zero o'clock."""
    return Time()


@pytest.fixture
def inbox(data_folder: Path) -> Path:
    """An empty inbox."""
    folder = data_folder / "inbox"
    folder.mkdir(parents=True)
    return folder


def test_what_grows_is_left_alone_until_it_has_stopped(inbox: Path, clock: Time) -> None:
    watch = InboxWatch(10.0, monotonic=clock)
    (inbox / "a.zip").write_bytes(b"1")
    assert watch.settled() == []
    clock.now = 9.0
    (inbox / "a.zip").write_bytes(b"12")
    assert watch.settled() == []
    clock.now = 18.0
    assert watch.settled() == []
    clock.now = 19.0
    assert watch.settled() == ["a.zip"]


def test_a_folder_counts_as_growing_while_anything_in_it_does(inbox: Path, clock: Time) -> None:
    watch = InboxWatch(10.0, monotonic=clock)
    (inbox / "f" / "deep").mkdir(parents=True)
    (inbox / "f" / "deep" / "a.mp4").write_bytes(b"1")
    watch.settled()
    clock.now = 10.0
    (inbox / "f" / "deep" / "b.mp4").write_bytes(b"1")
    assert watch.settled() == []
    clock.now = 20.0
    assert watch.settled() == ["f"]


def test_what_was_handed_on_is_not_again_unless_it_changes(inbox: Path, clock: Time) -> None:
    watch = InboxWatch(10.0, monotonic=clock)
    (inbox / "a.zip").write_bytes(b"1")
    watch.settled()
    clock.now = 10.0
    watch.hand_on(watch.settled())
    clock.now = 30.0
    assert watch.settled() == []
    restarted = InboxWatch(0.0, monotonic=clock)
    assert restarted.settled() == []
    (inbox / "a.zip").write_bytes(b"another")
    assert restarted.settled() == ["a.zip"]


def test_hidden_files_and_what_was_dealt_with_are_nothing_new(inbox: Path, clock: Time) -> None:
    (inbox / ".part").write_bytes(b"1")
    (inbox / "processed").mkdir()
    (inbox / "processed" / "old.zip").write_bytes(b"1")
    assert InboxWatch(0.0, monotonic=clock).settled() == []


def test_without_an_inbox_there_is_nothing(data_folder: Path, clock: Time) -> None:
    assert InboxWatch(0.0, monotonic=clock).settled() == []


def test_a_run_is_begun_with_the_chosen_steps_and_waits_while_step1_is_busy(house: House, clock: Time) -> None:
    house.drop("a.mp4")
    watch = InboxWatch(0.0, monotonic=clock)
    first = start_run(house.runs, house.pipeline, watch, "2-3")
    assert first is not None
    assert house.runs.show(first).run.request.sequence == ("STEP1", "STEP2", "STEP3")
    assert start_run(house.runs, house.pipeline, watch, None) is None
    house.drop("b.mp4")
    assert start_run(house.runs, house.pipeline, watch, None) is None  # STEP1 is part of the first
    house.runs.cancel(first)
    assert start_run(house.runs, house.pipeline, watch, None) is not None
