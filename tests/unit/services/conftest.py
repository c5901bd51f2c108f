"""A house of toy steps: a graph, projects, a store, and schedulers that work on them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.database import Database
from services.pipeline import Pipeline, load_pipeline
from services.planning import plan
from services.runs import RunDetail, RunOptions, RunRequest, Runs
from services.scheduler import Scheduler
from services.slots import Slots
from services.supervision.processes import ProcessIdentity, end_tree, marked
from services.supervision.step_folder import STEP_RUN_VARIABLE

TOY = Path(__file__).with_name("toy_controller_step.py")
TABLE = """
[[step]]
key = "{key}"
number = "{number}"
title = "Toy {number}"
script = "{script}"
environment = "env"
needs = [{needs}]
slot = "{slot}"
retry_after_s = {retries}
"""
#: 1 -> 2 -> {3, 4} -> 5; 3 and 4 use a GPU where there is one.
GRAPH = {"STEP1": (), "STEP2": ("STEP1",), "STEP3": ("STEP2",), "STEP4": ("STEP2",), "STEP5": ("STEP3", "STEP4")}


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@dataclass(frozen=True)
class Mark:
    """A line of the trace: what a step did, when by the monotonic clock."""

    what: str
    key: str
    project: str
    gpu: str
    time: float


class House:
    """A data folder with toy steps and projects of empty videos."""

    def __init__(self, data: Path, config: Path) -> None:
        self.data, self.config = data, config
        data.mkdir(parents=True, exist_ok=True)
        self.set_graph()
        self.database = Database()
        self.runs = Runs(self.database)

    def set_graph(self, retries: str = "[]", more: str = "") -> None:
        """Write the graph; `more` is added to every step."""
        self.config.mkdir(exist_ok=True)
        tables = []
        for key, needs in GRAPH.items():
            script = self.config / f"{key}.py"
            shutil.copy(TOY, script)
            quoted = ", ".join(f'"{need}"' for need in needs)
            slot = "gpu" if key in ("STEP3", "STEP4") else "cpu"
            number = key.removeprefix("STEP")
            table = TABLE.format(key=key, number=number, script=script, needs=quoted, slot=slot, retries=retries)
            tables.append(table + more)
        (self.config / "workflow.toml").write_text("".join(tables))

    @property
    def pipeline(self) -> Pipeline:
        """The graph."""
        return load_pipeline()

    def folder(self, project: str) -> Path:
        """A project's folder."""
        return self.data / "projets_extraits" / project

    def project(self, name: str, videos: int = 1, **told: str) -> str:
        """Make a project; `STEP3="exit 1"` tells a step what to do with it."""
        docs = self.folder(name) / "docs"
        docs.mkdir(parents=True)
        for number in range(videos):
            (docs / f"{number}.mp4").write_bytes(b"x")
        for key, words in told.items():
            self.tell(name, key, words)
        return name

    def tell(self, project: str, key: str, words: str) -> None:
        """Tell a step what to do with a project."""
        (self.folder(project) / f"{key}.do").write_text(words)

    def drop(self, name: str) -> None:
        """Put a file into the inbox."""
        (self.data / "inbox").mkdir(exist_ok=True)
        (self.data / "inbox" / name).write_bytes(b"x")

    def scheduler(self, cpu: int = 2, *gpus: str, only: int | None = None) -> Scheduler:
        """A scheduler that has just begun."""
        scheduler = Scheduler(self.runs, self.pipeline, Slots(cpu, gpus), only=only)
        scheduler.recover()
        return scheduler

    def create(self, steps: str = "2-5", *projects: str, **more: Any) -> RunDetail:
        """Ask for a run."""
        options = RunOptions(**{name: more.pop(name) for name in ("force", "device", "parameters") if name in more})
        keys = tuple(step.key for step in self.pipeline.select(steps))
        request = RunRequest(keys, projects, options, **more)
        return self.runs.create(request, plan(self.pipeline, request))

    def work(self, scheduler: Scheduler, *run_ids: int, until: Callable[[], object] | None = None) -> None:
        """Let a scheduler work until runs are over, or something is so."""
        limit = time.monotonic() + 60
        while not (until() if until else not any(self.runs.show(run_id).run.active for run_id in run_ids)):
            assert time.monotonic() < limit
            scheduler.tick()
            time.sleep(0.01)

    def states(self, run_id: int) -> dict[str, str]:
        """How the steps of a run stand: by key for one project, by key and project else."""
        steps = self.runs.show(run_id).steps
        several = len({step.project for step in steps if step.project}) > 1
        return {f"{s.step} {s.project}" if several and s.project else s.step: s.state for s in steps}

    def trace(self) -> list[Mark]:
        """What the steps did, in order."""
        path = self.data / "trace"
        lines = path.read_text().splitlines() if path.exists() else []
        words = [line.split(" ") for line in lines]
        return [Mark(what, key, project, gpu, float(at)) for what, key, project, gpu, at in words]

    def began(self, key: str, project: str | None = None) -> int:
        """How often a step was begun."""
        return sum(m.what == "begin" and m.key == key and project in (None, m.project) for m in self.trace())

    def processes(self) -> list[ProcessIdentity]:
        """All processes of steps that live."""
        folders = [str(path.resolve()) for path in (self.data / "logs" / "runs").glob("*/*.*") if path.is_dir()]
        return [one for folder in folders for one in marked(STEP_RUN_VARIABLE, folder)]


@pytest.fixture
def house(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Nothing has run yet, and nothing runs after the test."""
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr("services.scheduler.LOOK_S", 0.03)
    house = House(data_folder, tmp_path / "config")
    yield house
    house.database.close()
    with suppress(OSError):
        end_tree(house.processes, 0.0)


@pytest.fixture
def speech_model(data_folder: Path) -> Path:
    """Files in the place of the speech model that STEP4B looks for."""
    folder = data_folder / "models" / "whisper" / "base"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_text(name)
    return folder
