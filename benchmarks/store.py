"""How quickly runs are listed and shown when there are many: `env/bin/python -m benchmarks.store`.

Fills a database of its own, in a temporary folder, through the same calls as the scheduler, and prints one JSON
object: milliseconds at the 50th and 95th percentile of each question, and what filling it took.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from services.database import Database
from services.runs import NewEvent, PlannedStep, RunFilter, RunRequest, Runs

_STEPS = tuple(f"STEP{number}" for number in range(1, 8))
_PROJECTS = 100
_BATCH = 1000
_QUESTIONS = 300


def fill(runs: Runs, count: int, events: int) -> float:
    """Make runs of seven steps, all but the last ten over, with their events; milliseconds per transaction."""
    started, transactions = time.perf_counter(), 0
    for number in range(count):
        project = f"Project {number % _PROJECTS}"
        made = runs.create(RunRequest(_STEPS, (project,)), [PlannedStep(step, project) for step in _STEPS])
        over = number < count - 10
        for step in made.steps if over else ():
            runs.steps.claim(step.id, owner="benchmark", boot_id="boot", slot="cpu", device="cpu")
            runs.steps.finish(step.id, "succeeded", seconds=1.0, exit_code=0)
        transactions += 1 + 2 * len(made.steps) * over
    taken = time.perf_counter() - started
    while (there := runs.events.last_id()) < events:
        runs.events.append(_reports(random.randint(1, count), min(_BATCH, events - there)))
    return 1000 * taken / transactions


def _reports(run_id: int, count: int) -> list[NewEvent]:
    """Reports of the middle step of a run, as a step makes them."""
    step_run_id = (run_id - 1) * len(_STEPS) + 4
    data = {"done": 1200, "total": 90000, "unit": "frames", "video": "Interview – part 2.mp4"}
    return [NewEvent("progress", data, run_id, step_run_id)] * count


def percentiles(question: Callable[[], object]) -> dict[str, float]:
    """Milliseconds that a question takes, asked again and again."""
    taken = []
    for _ in range(_QUESTIONS):
        started = time.perf_counter()
        question()
        taken.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": round(statistics.median(taken), 2), "p95_ms": round(statistics.quantiles(taken, n=20)[-1], 2)}


def measure(folder: Path, count: int, events: int) -> dict[str, Any]:
    """Fill a database in a folder and ask it everything."""
    path = folder / "workflow.db"
    with closing(Database(path)) as database:
        write_ms = fill(Runs(database), count, events)
    started = time.perf_counter()
    with closing(Database(path)) as database:
        runs = Runs(database)
        runs.page()
        opened = time.perf_counter() - started
        newest = runs.events.last_id()

        def anywhere() -> int:
            return random.randint(1, count)

        questions: dict[str, Callable[[], object]] = {
            "list": runs.page,
            "list, any page": lambda: runs.page(before=anywhere()),
            "list, one project": lambda: runs.page(RunFilter(project=f"Project {anywhere() % _PROJECTS}")),
            "list, active": lambda: runs.page(RunFilter(states=("queued", "running"))),
            "show": lambda: runs.show(anywhere()),
            "events of a run": lambda: runs.events.after(0, 100, run_id=anywhere()),
            "events, newest": lambda: runs.events.after(newest - 100),
            "events, nothing new": lambda: runs.events.after(newest),
            "ready": runs.steps.ready,
            "active": runs.steps.active,
        }
        answers = {name: percentiles(question) for name, question in questions.items()}
    sizes = {"runs": count, "events": newest, "file_mb": round(path.stat().st_size / 1e6)}
    return {**sizes, "write_ms": round(write_ms, 2), "open_and_list_ms": round(1000 * opened, 1), **answers}


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
