"""The API as programs and browsers use it: over a network connection, for long, and with whatever they send."""

from __future__ import annotations

import http.client
import json
import operator
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import schemathesis
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from app import close_app, create_app, make_server
from services.database import Database
from services.runs import NewEvent, Runs
from services.web.settings import WebSettings
from services.worker import stop_worker
from services.worker_lock import holder
from workflow_scripts.common.paths import ROOT

EVENTS = 1000
STREAMS = 60


@contextmanager
def served(**more: Any) -> Iterator[tuple[APIFlask, int]]:
    """An application that listens on a port of this machine, and that port."""
    chosen = WebSettings(port=0, **more)
    app = create_app(chosen)
    server = make_server(app, chosen)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield app, server.effective_port
    finally:
        close_app(app)
        server.trigger.pull_trigger(server.close)
        thread.join(20)
        server.task_dispatcher.shutdown()


def stream(port: int, last: int, enough: Callable[[int], bool]) -> Generator[int, None, None]:
    """The ids of events after one, from a connection of its own, until there are enough."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/api/events", headers={"Last-Event-ID": str(last)})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        for line in iter(answer.readline, b""):
            if line.startswith(b"data: "):
                last = json.loads(line[6:])["id"]
                yield last
                if enough(last):
                    return
    finally:
        if connection.sock is not None:
            connection.sock.close()
        connection.close()


def listen_with_breaks(port: int, number: int) -> list[int]:
    """What a listener gets whose connection breaks again and again, each listener's at other events."""
    found: list[int] = []
    while not found or found[-1] < EVENTS:
        last = found[-1] if found else 0
        until = min(last + 150 + 7 * number, EVENTS)
        found += stream(port, last, partial(operator.le, until))
    return found


def ask(port: int, address: str) -> Any:
    """The answer to one question."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", address)
        return json.loads(connection.getresponse().read())


def test_sixty_streams_that_break_and_come_back_miss_and_repeat_nothing() -> None:
    with served(streams=STREAMS) as (app, port), ThreadPoolExecutor(STREAMS) as pool:
        heard = [pool.submit(listen_with_breaks, port, number) for number in range(STREAMS)]
        runs = app.extensions["workflow"].runs
        for _ in range(EVENTS // 10):
            runs.events.append([NewEvent("progress", {"done": 1})] * 10)
            assert ask(port, "/health")["last_event"] > 0
        for one in heard:
            assert one.result() == list(range(1, EVENTS + 1))


def test_a_page_that_is_loaded_anew_gets_the_place_of_its_former_stream() -> None:
    with served(streams=1) as (app, port):
        app.extensions["workflow"].runs.events.append([NewEvent("a")])
        for _ in range(5):
            assert list(stream(port, 0, partial(operator.le, 1))) == [1]


def test_two_hundred_applications_leave_nothing_behind() -> None:
    def use() -> None:
        app = create_app(WebSettings())
        client = app.test_client()
        assert client.get("/api/runs").status_code == client.get("/health").status_code == 200
        answer = client.get("/api/events", buffered=False)
        next(iter(answer.response))
        answer.close()
        close_app(app)

    use()
    process = psutil.Process()
    before = process.num_fds(), threading.active_count()
    for _ in range(200):
        use()
    assert (process.num_fds(), threading.active_count()) == before


class WebProcess:
    """`app.py` as it is started, in the test's data folder."""

    def __init__(self, data: Path) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self._environment = {**os.environ, "WORKFLOW_DATA_DIR": str(data), "WORKFLOW_WEB_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=self._environment, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while True:
            try:
                ask(self.port, "/health")
                return
            except OSError:
                assert time.monotonic() < deadline and self._process.poll() is None
                time.sleep(0.05)

    def kill(self) -> None:
        """End it without notice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


def test_a_killed_web_process_costs_a_page_no_event_and_the_worker_nothing(data_folder: Path) -> None:
    web = WebProcess(data_folder)
    try:
        web.start()
        worker = holder()
        assert worker is not None and worker.is_worker
        with closing(Database()) as database:
            events = Runs(database).events
            events.append([NewEvent("a")] * 5)
            before = list(stream(web.port, 0, lambda event: event >= 5))
            web.kill()
            events.append([NewEvent("b")] * 5)
            web.start()
            after = list(stream(web.port, before[-1], lambda event: event >= 10))
            assert before + after == list(range(1, 11))
        assert holder() == worker
        assert ask(web.port, "/health")["worker"] is True
    finally:
        web.kill()
        stop_worker()


def test_beyond_this_machine_it_does_not_start_without_a_token(data_folder: Path) -> None:
    environment = {**os.environ, "WORKFLOW_DATA_DIR": str(data_folder), "WORKFLOW_WEB_HOST": "0.0.0.0"}
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "without a token" in ended.stderr
    assert holder() is None


def test_whatever_the_document_allows_or_not_has_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.preflight.check", lambda pipeline, request: [])  # takes a process each
    app = create_app(WebSettings(body=100_000))
    document: Any = schemathesis.openapi.from_wsgi("/openapi.json", app)
    seen = set()
    for operation in document.exclude(path="/api/events").get_all_operations():  # that one has no end
        for mode in schemathesis.GenerationMode:
            cases = operation.ok().as_strategy(generation_mode=mode)
            seen |= statuses(cases, 12 if operation.ok().path != "/api/settings" else 2)
    close_app(app)
    assert seen >= {200, 404, 422}


def statuses(cases: Any, count: int) -> set[int]:
    """The statuses of the answers to some requests; none is a fault of the server, all refusals have one shape."""
    seen = set()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def ask_each(case: Any) -> None:
        answer = case.call()
        assert answer.status_code not in range(500, 503), answer.text
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= {"code", "message", "hint", "retry"}
        seen.add(answer.status_code)

    with suppress(Unsatisfiable):  # an operation that takes nothing cannot be asked wrongly
        ask_each()
    return seen
