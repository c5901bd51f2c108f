"""How quickly the pages are made when there is much: `env/bin/python -m benchmarks.pages`.

Makes a world (`benchmarks.world`: 200 projects of five videos, 1,000 runs) in a temporary folder, starts `app.py`
on it while a run makes progress, and asks over the network. Prints one JSON object: for each page the first answer,
the 50th and 95th percentile of those that follow, and its size; then the same for `/health` alone, beside 60 open
pages that look on, and beside 60 pages that fetch what has changed whenever an event says so.

A page is open as in a browser: its event stream is held, and the parts that it names (`hx-get` with `hx-trigger`)
are fetched when an event comes that they wait for, not more often than they say.
"""

from __future__ import annotations

import argparse
import html
import http.client
import json
import os
import re
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.api import serving
from benchmarks.world.play import play
from benchmarks.world.projects import MadeProject, make_projects
from benchmarks.world.runs import make_runs
from services.database import Database
from services.names import key_of
from services.runs import Runs
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import projects_in

PAGES_OPEN = 60
_ASKED = 25
_BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language": "en"}
_PART = re.compile(r"<[^>]*\bhx-get=\"([^\"]+)\"[^>]*\bhx-trigger=\"([^\"]*\bsse:[^\"]*)\"|"
                   r"<[^>]*\bhx-trigger=\"([^\"]*\bsse:[^\"]*)\"[^>]*\bhx-get=\"([^\"]+)\"")  # fmt: skip
#: What makes the script of a page fetch a part (`refresh`); none does it more often than once a second.
_OF_SCRIPTS = ("run", "step", "video", "warning")
_STREAM = re.compile(r"sse-connect=\"([^\"]+)\"")


@dataclass
class Part:
    """A part of a page: its address, and by event kind the seconds that pass between two fetches at least."""

    address: str
    pauses: Mapping[str, float]
    fetched: float = field(default=-1e9)

    def is_due(self, kind: str, now: float) -> bool:
        """Whether an event of this kind makes it be fetched now."""
        return kind in self.pauses and now - self.fetched >= self.pauses[kind]


class Browser:
    """Asks one server for pages, over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, address: str) -> str:
        """What is at an address.

        Raises:
            RuntimeError: an error is.
        """
        self._connection.request("GET", address, headers=_BROWSER)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{address}: {answer.status} {data[:300]!r}")
        return data.decode()

    def timed(self, address: str) -> tuple[float, str]:
        """Milliseconds until the last byte of an answer, and the answer."""
        started = time.perf_counter()
        text = self.ask(address)
        return 1000 * (time.perf_counter() - started), text


def parts_of(page: str) -> list[Part]:
    """The parts of a page that events make it fetch."""
    found = []
    for first, trigger, other_trigger, other in _PART.findall(page):
        pauses = {}
        for word in (trigger or other_trigger).split(","):
            event, *rest = word.split()
            wait = next((one.partition(":")[2] for one in rest if one.startswith("throttle")), "0s")
            seconds = float(wait[:-2]) / 1000 if wait.endswith("ms") else float(wait[:-1])
            if event.startswith("sse:"):
                pauses[event.removeprefix("sse:")] = seconds
            elif event == "refresh":
                pauses |= dict.fromkeys(_OF_SCRIPTS, 1.0)
        found.append(Part(html.unescape(first or other), pauses))
    return found


def addresses(projects: Sequence[MadeProject], runs: int) -> dict[str, str]:
    """Every page of the dashboard, by name."""
    project = next(one for one in projects if one.videos)
    at = f"/projects/{key_of(project.name)}"
    return {
        "pipeline": "/",
        "project": at,
        "video": f"{at}/videos/{key_of(project.videos[0][0])}",
        "run": f"/runs/{runs - 1}",
        "run at work": f"/runs/{runs + 1}",
        "system": "/system",
        "history": "/history",
        "history, 90 days": "/history?days=90",
        "settings": "/settings",
    }


def measure_pages(port: int, pages: Mapping[str, str]) -> dict[str, Any]:
    """The first and the later answers of each page and of its parts, in milliseconds, and the size of the page."""
    browser, found = Browser(port), dict[str, Any]()
    for name, address in pages.items():
        try:
            first, text = browser.timed(address)
        except RuntimeError as error:
            found[name] = {"error": str(error)}
            continue
        figures: dict[str, Any] = {
            "first_ms": round(first, 1),
            **_percentiles([browser.timed(address)[0] for _ in range(_ASKED)]),
        }
        parts = {
            part.address.partition("?")[0]: _percentiles([browser.timed(part.address)[0] for _ in range(10)])
            for part in parts_of(text)
        }
        found[name] = {**figures, "kB": round(len(text.encode()) / 1000), **({"parts": parts} if parts else {})}
    return found


def health(port: int, seconds: float) -> dict[str, float]:
    """How quickly `/health` answers, asked again and again for a while."""
    browser, taken = Browser(port), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        taken.append(browser.timed("/health")[0])
        time.sleep(0.02)
    return _percentiles(taken)


@contextmanager
def open_pages(port: int, pages: Sequence[str], *, fetching: bool) -> Iterator[list[int]]:
    """Hold so many pages open; yields a list to which each fetched part adds its size."""
    stop, fetched = threading.Event(), list[int]()
    looking, streams = [], []
    for address in pages:
        browser = Browser(port)
        page = browser.ask(address)
        stream = _Stream(port, html.unescape(match[1] if (match := _STREAM.search(page)) else "/api/events"))
        parts = parts_of(page) if fetching else []
        streams.append(stream)
        looking.append(threading.Thread(target=_look_on, args=(browser, stream, parts, stop, fetched)))
        looking[-1].start()
    try:
        yield fetched
    finally:
        stop.set()
        for stream in streams:
            stream.end()
        for one in looking:
            one.join()


class _Stream:
    """An event stream that has begun."""

    def __init__(self, port: int, address: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", address)
        self._socket, self._answer = connection.sock, connection.getresponse()
        if self._answer.status != 200:
            raise RuntimeError(f"{address}: {self._answer.status} {self._answer.read()!r}")

    def kinds(self) -> Iterator[str]:
        """The kind of each event as it comes, until the stream is ended."""
        with suppress(OSError, http.client.HTTPException):
            while line := self._answer.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])["kind"]

    def end(self) -> None:
        """Close it, whoever reads it."""
        self._socket.shutdown(socket.SHUT_RDWR)


def _look_on(
    browser: Browser, stream: _Stream, parts: Sequence[Part], stop: threading.Event, fetched: list[int]
) -> None:
    """One page: its stream is read, and its parts are fetched as it says."""
    for kind in stream.kinds():
        now = time.monotonic()
        for part in parts:
            if part.is_due(kind, now) and not stop.is_set():
                part.fetched = now
                fetched.append(len(browser.ask(part.address)))


def _percentiles(taken: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(statistics.quantiles(taken, n=20, method="inclusive")[-1], 1),
    }


@contextmanager
def _playing() -> Iterator[None]:
    """Let a run make progress, as a worker would report it."""
    stop, begun = threading.Event(), threading.Event()
    projects = [project for project in projects_in(projects_folder()) if project.videos()]
    with closing(Database()) as database:
        told = (Runs(database), projects, stop, lambda _: begun.set(), "benchmark")
        player = threading.Thread(target=play, args=told)
        player.start()
        begun.wait(30)
        try:
            yield
        finally:
            stop.set()
            player.join()


def measure(folder: Path, projects: int, runs: int, seconds: float) -> dict[str, Any]:
    """Make a world in a folder, serve it, and ask."""
    os.environ["WORKFLOW_DATA_DIR"] = str(folder)
    made = make_projects(projects, 5)
    make_runs(made, runs)
    with ExitStack() as stack:
        stack.enter_context(_playing())
        port, start = stack.enter_context(serving(folder))
        pages = addresses(made, runs)
        answers = measure_pages(port, pages)
        good = [pages[name] for name, figures in answers.items() if "error" not in figures]
        opened = [good[number % len(good)] for number in range(PAGES_OPEN)]
        found = {"alone": health(port, seconds)}
        with open_pages(port, opened, fetching=False):
            found[f"beside {PAGES_OPEN} open pages"] = health(port, seconds)
        with open_pages(port, opened, fetching=True) as fetched:
            found[f"beside {PAGES_OPEN} pages that fetch"] = health(port, seconds)
            found["parts fetched a second"] = {"mean": round(len(fetched) / seconds, 1)}
    load = [round(one, 1) for one in os.getloadavg()]
    size = {"projects": projects, "videos": 5 * projects, "runs": runs, "start_s": round(start, 2)}
    return {**size, "pages": answers, "health": found, "load": load}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0, help="to ask /health for, each time (default: 15)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder) / "data", asked.projects, asked.runs, asked.seconds), indent=1))


if __name__ == "__main__":
    main()
