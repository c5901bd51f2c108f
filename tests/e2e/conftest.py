"""The pipeline as people start it: from the shell, in a data folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.environments import python_of
from services.pipeline import load_pipeline
from workflow_scripts.common.paths import ROOT


@dataclass(frozen=True)
class Shell:
    """Runs steps and commands in one data folder; what they print is kept.

    `with_model` says whether the speech model that comes with audio_env is seen, where it is.
    """

    data: Path
    with_model: bool = False

    @property
    def project_folder(self) -> Path:
        """Where projects are."""
        return self.data / "projets_extraits"

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process: nothing of the machine's configuration, this data folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WORKFLOW_", "OUTPUT_"))}
        model = {} if self.with_model else {"WORKFLOW_EMBEDDED_MODELS": str(self.data / "no models")}
        return {**kept, "WORKFLOW_DATA_DIR": str(self.data), **model, **more}

    def step(self, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one step script in its environment's Python."""
        return subprocess.run(
            self.step_command(key, *arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def step_command(self, key: str, *arguments: str) -> list[str]:
        """The command line of a step."""
        step = load_pipeline()[key]
        return [str(python_of(step.environment)), str(step.path), *arguments]

    def workflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/workflow."""
        command = [str(ROOT / "scripts" / "workflow"), *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)

    def kill_in_mid_work(self, key: str, started: int) -> bool:
        """Start a step, kill -9 it as soon as it works on its n-th video; True when it was killed in time."""
        events = self.data / f"{key}.events"
        process = subprocess.Popen(
            self.step_command(key),
            env=self.environment(WORKFLOW_EVENTS=str(events)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and running_videos(events) < started:
            time.sleep(0.01)
        process.kill()
        return process.wait() == -9


def running_videos(events: Path) -> int:
    """How many videos an events file says were begun."""
    if not events.is_file():
        return 0
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    return sum(line["event"] == "video" and line["state"] == "running" for line in lines)


TINY_WHISPER = ROOT / "tests" / "unit" / "step4" / "tiny_whisper.py"
_BUILD = "import runpy, sys, pathlib; runpy.run_path(sys.argv[1])['build'](pathlib.Path(sys.argv[2]))"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speech model of a megabyte that says one sentence over anything, as somebody may bring it."""
    folder = tmp_path_factory.mktemp("brought") / "tiny"
    subprocess.run([str(python_of("audio_env")), "-c", _BUILD, str(TINY_WHISPER), str(folder)], check=True)
    return folder


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in a data folder of its own."""
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def make_shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Shell]:
    """Makes shells that last for the whole session."""
    return lambda name: Shell(tmp_path_factory.mktemp(name))
