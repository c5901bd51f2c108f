"""How quickly the API answers when there is much: `env/bin/python -m benchmarks.api`.

Fills a database in a temporary folder as `benchmarks.store` does, starts `app.py` on it, asks over the network, and
prints one JSON object: seconds until the first answer, milliseconds at the 50th and 95th percentile of each
question, and how long events take to 60 streams that listen at once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.store import fill, percentiles
from services.database import Database
from services.runs import NewEvent, Runs
from services.worker import stop_worker
from workflow_scripts.common.paths import ROOT

_STREAMS = 60
_EVENTS = 300
#: Seconds between two events that are sent to the streams.
_PAUSE = 0.02


class Client:
    """Asks one server, over one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, address: str) -> Any:
        """The answer to a question."""
        self._connection.request("GET", address)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{address}: {answer.status} {data[:200]!r}")
        return json.loads(data)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, float]]:
    """`app.py` on a data folder: its port, and the seconds from its start to its first answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    settings = {"WORKFLOW_DATA_DIR": str(folder), "WORKFLOW_WEB_PORT": str(port), "WORKFLOW_WEB_STREAMS": "60"}
    os.environ |= settings
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                Client(port).ask("/health")
                break
            except OSError:
                time.sleep(0.01)
        yield port, time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
        stop_worker()


def delays(port: int, runs: Runs) -> dict[str, float]:
    """Milliseconds from before an event is written until each of the streams has it, and `/health` meanwhile."""
    taken: list[float] = []
    ready = threading.Barrier(_STREAMS + 1)
    listeners = [threading.Thread(target=_listen, args=(port, taken, ready)) for _ in range(_STREAMS)]
    for listener in listeners:
        listener.start()
    ready.wait()
    client, health = Client(port), []
    for _ in range(_EVENTS):
        runs.events.append([NewEvent("benchmark", {"at": time.monotonic()})])
        asked = time.perf_counter()
        client.ask("/health")
        health.append(1000 * (time.perf_counter() - asked))
        time.sleep(_PAUSE)
    for listener in listeners:
        listener.join()
    return {
        "events": len(taken),
        "p50_ms": round(1000 * statistics.median(taken), 1),
        "p95_ms": round(1000 * statistics.quantiles(taken, n=20)[-1], 1),
        "health_p95_ms": round(statistics.quantiles(health, n=20)[-1], 2),
    }


def _listen(port: int, taken: list[float], ready: threading.Barrier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/events?kind=benchmark")
    answer = connection.getresponse()
    answer.readline()
    ready.wait()
    heard = 0
    while heard < _EVENTS:
        line = answer.readline()
        if line.startswith(b"data: "):
            taken.append(time.monotonic() - json.loads(line[6:])["data"]["at"])
            heard += 1
    connection.close()


def measure(folder: Path, count: int, events: int) -> dict[str, Any]:
    """Fill a database in a folder, serve it, and ask."""
    os.environ["WORKFLOW_DATA_DIR"] = str(folder)
    with closing(Database()) as database:
        runs = Runs(database)
        fill(runs, count, events)
        for run in runs.page(limit=20).runs:  # no worker is to take them
            if run.active:
                runs.cancel(run.id)
        with serving(folder) as (port, start):
            client = Client(port)

            def anywhere() -> int:
                return random.randint(1, count)

            questions = {
                "health": lambda: client.ask("/health"),
                "list": lambda: client.ask("/api/runs"),
                "list, any page": lambda: client.ask(f"/api/runs?before={anywhere() + 1}"),
                "list, one project": lambda: client.ask(f"/api/runs?project=Project~20{anywhere() % 100}"),
                "show": lambda: client.ask(f"/api/runs/{anywhere()}"),
                "events of a run": lambda: client.ask(f"/api/events/poll?after=0&run={anywhere()}&limit=100"),
            }
            answers = {name: percentiles(question) for name, question in questions.items()}
            streams = delays(port, runs)
    return {"runs": count, "events": events, "start_s": round(start, 2), **answers, "60 streams": streams}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--events", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), asked.runs, asked.events), indent=2))


if __name__ == "__main__":
    main()
