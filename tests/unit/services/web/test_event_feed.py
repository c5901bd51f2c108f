"""Every listener gets every event once and in order, wherever it begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from services.database import Database
from services.runs import Events, NewEvent, Runs
from services.web import event_feed
from services.web.event_feed import EventFeed, Wanted

EVERYTHING = Wanted()


@pytest.fixture
def events() -> Iterator[Events]:
    with closing(Database()) as database:
        yield Runs(database).events


@pytest.fixture
def feed(events: Events) -> Iterator[EventFeed]:
    with closing(EventFeed(events)) as opened:
        yield opened


def listen(feed: EventFeed, start: int, until: int, wanted: Wanted = EVERYTHING) -> list[int]:
    """The ids that a listener gets, until it has passed one."""
    found: list[int] = []
    with feed.listening():
        while start < until:
            messages, start = feed.after(start, wanted, 1.0)
            found += [message.id for message in messages]
    return found


@pytest.mark.parametrize("kept", [3, 4000])
def test_early_and_late_listeners_miss_and_repeat_nothing(
    events: Events, feed: EventFeed, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(event_feed, "KEPT", kept)
    events.append([NewEvent("before")] * 100)
    with ThreadPoolExecutor(8) as pool:
        heard = [pool.submit(listen, feed, start, 400) for start in (0, 50, 99, 100, 0, 50, 99, 100)]
        for _ in range(30):
            events.append([NewEvent("now")] * 10)
        for start, one in zip((0, 50, 99, 100) * 2, heard, strict=True):
            assert one.result() == list(range(start + 1, 401))


def test_a_listener_gets_what_it_wants_and_still_moves_on(events: Events, feed: EventFeed) -> None:
    events.append([NewEvent("a"), NewEvent("b")] * 10)
    assert listen(feed, 0, 20, Wanted(kinds=frozenset("b"))) == list(range(2, 21, 2))
    with feed.listening():
        assert feed.after(20, Wanted(kinds=frozenset("b")), 0.0) == ([], 20)
        events.append([NewEvent("a")] * 5)
        found, last = feed.after(20, Wanted(kinds=frozenset("b")), 0.5)
        assert (found, last) == ([], 25)


def test_without_listeners_no_thread_is_left(events: Events, feed: EventFeed) -> None:
    with feed.listening():
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "events"]
    thread.join(5)
    assert not thread.is_alive()
    events.append([NewEvent("a")])
    assert listen(feed, 0, 1) == [1]


def test_closing_ends_who_waits(feed: EventFeed) -> None:
    with ThreadPoolExecutor(1) as pool, feed.listening():
        waiting = pool.submit(feed.after, 0, Wanted(), 60.0)
        feed.close()
        assert waiting.result(10) == ([], 0)
