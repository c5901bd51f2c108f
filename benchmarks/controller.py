"""What the controller itself costs: `env/bin/python -m benchmarks.controller`.

Steps that do nothing but note when their first instruction came are run one after the other in a store of its own,
in a temporary folder; then one that sleeps is watched, and then nothing. Prints one JSON object: milliseconds from
the moment a step run is ready (what it waited for is booked) to the first instruction of its process, at the 50th
and 95th percentile, and the share of a core that the scheduler takes while a step works, and while none does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from services.database import Database
from services.pipeline import Pipeline, StepDefinition
from services.runs import PlannedStep, RunRequest, Runs
from services.scheduler import Scheduler
from services.slots import Slots
from services.worker import TICK_S

#: Notes the time, or works for a while telling its progress ten times a second.
_STEP = """
import time
now = time.monotonic()
import os, sys
with open(sys.argv[1], "a") as stream: print(now, file=stream)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    with open(os.environ["WORKFLOW_EVENTS"], "a") as stream:
        print('{"event": "progress", "video": "a.mp4", "done": 1, "total": 9, "unit": "frames"}', file=stream)
    time.sleep(0.1)
"""


def overheads(folder: Path, count: int) -> list[float]:
    """Milliseconds from ready to the first instruction, for steps that wait for one another."""
    keys = [f"STEP{number}" for number in range(count)]
    steps = [_step(key, *keys[index - 1 : index]) for index, key in enumerate(keys)]
    notes = folder / "notes"
    with closing(Database(folder / "first.db")) as database:
        runs = Runs(database)
        run = runs.create(RunRequest(tuple(keys)), [PlannedStep(key, "p") for key in keys]).run
        scheduler = _scheduler(runs, Pipeline(tuple(steps)), notes, 0.0)
        booked: list[float] = [time.monotonic()]
        finish = runs.steps.finish

        def finished(*words: object, **more: object) -> object:
            done = finish(*words, **more)  # type: ignore[arg-type]
            booked.append(time.monotonic())
            return done

        vars(runs.steps)["finish"] = finished
        while runs.show(run.id).run.active:
            scheduler.tick()
            time.sleep(TICK_S)
    begun = [float(line) for line in notes.read_text().split()]
    return [1000 * (first - ready) for first, ready in zip(begun, booked, strict=False)]


def shares(folder: Path, seconds: float) -> tuple[float, float]:
    """The share of a core that the scheduler takes while a step works, and while nothing is to be done."""
    os.environ["WORKFLOW_DATA_DIR"] = str(folder / "second")
    with closing(Database(folder / "second.db")) as database:
        runs = Runs(database)
        runs.create(RunRequest(("STEP0",)), [PlannedStep("STEP0", "p")])
        scheduler = _scheduler(runs, Pipeline((_step("STEP0"),)), folder / "others", seconds + 2)
        while not scheduler.running:
            scheduler.tick()
        working = _share(scheduler, seconds)
        while scheduler.running:
            scheduler.tick()
            time.sleep(TICK_S)
        return working, _share(scheduler, seconds)


def _share(scheduler: Scheduler, seconds: float) -> float:
    begin, spent = time.monotonic(), time.process_time()
    while time.monotonic() - begin < seconds:
        scheduler.tick()
        time.sleep(TICK_S)
    return (time.process_time() - spent) / (time.monotonic() - begin)


def _scheduler(runs: Runs, pipeline: Pipeline, notes: Path, seconds: float) -> Scheduler:
    def argv(_definition: StepDefinition, _project: str | None, _options: object) -> list[str]:
        return [sys.executable, "-S", "-c", _STEP, str(notes), str(seconds)]

    return Scheduler(runs, pipeline, Slots(1), argv=argv)


def _step(key: str, *needs: str) -> StepDefinition:
    return StepDefinition(key, key.removeprefix("STEP"), "a step", "x.py", "env", needs, "cpu")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50, help="steps to start (default: 50)")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds to watch (default: 20)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        os.environ["WORKFLOW_DATA_DIR"] = name
        found = overheads(Path(name), arguments.steps)
        working, idle = shares(Path(name), arguments.seconds)
    figures = {
        "steps": len(found),
        "overhead_ms": {
            "p50": round(statistics.median(found), 1),
            "p95": round(statistics.quantiles(found, n=20)[-1], 1),
            "max": round(max(found), 1),
        },
        "share_of_a_core": {"step at work": round(working, 4), "nothing to do": round(idle, 4)},
        "load": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
