"""`env/bin/python -m benchmarks.world make FOLDER`, or `play FOLDER`."""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

from benchmarks.world.play import play
from benchmarks.world.projects import make_projects
from benchmarks.world.runs import make_runs
from services.database import Database
from services.runs import Runs
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import projects_in


def main() -> None:
    """Make a world, or pretend to work in it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__)
    parser.add_argument("what", choices=("make", "play"))
    parser.add_argument("folder", type=Path, help="the data folder; for `make` it must be new")
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--videos", type=int, default=5, help="of each project (default: 5)")
    parser.add_argument("--runs", type=int, default=1000)
    asked = parser.parse_args()
    os.environ["WORKFLOW_DATA_DIR"] = str(asked.folder.resolve())
    if asked.what == "play":
        _play()
        return
    if asked.folder.exists():
        parser.error(f"{asked.folder} is there already.")
    started = time.perf_counter()
    make_runs(make_projects(asked.projects, asked.videos), asked.runs)
    print(f"{asked.folder}: made in {time.perf_counter() - started:.0f} s")


def _play() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    projects = [project for project in projects_in(projects_folder()) if project.videos()]
    with closing(Database()) as database:
        play(Runs(database), projects, stop, lambda run: print(f"run {run} is at work", flush=True))


if __name__ == "__main__":
    main()
