"""Tiny media files made by ffmpeg, and a step that runs as a process, for the tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.ffmpeg import find_ffmpeg
from workflow_scripts.common.manifest import Manifest, read_manifest

MakeMedia = Callable[..., Path]


@pytest.fixture
def make_media(tmp_path: Path) -> MakeMedia:
    """`make_media(name, *arguments)` runs ffmpeg with arguments before the name of the file it makes."""

    def make(name: str, *arguments: str) -> Path:
        path = tmp_path / name
        command = [str(find_ffmpeg()), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
        subprocess.run([*command, f"file:{path}"], check=True)
        return path

    return make


SCRIPT = Path(__file__).with_name("toy_step.py")


class Ended:
    """A run that has ended: `code`, what it printed, its events."""

    def __init__(self, process: subprocess.Popen[str], events: Path) -> None:
        self.out, self.err = process.communicate(timeout=60)
        self.code = process.returncode
        lines = events.read_text().splitlines() if events.exists() else []
        self.events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        events.unlink(missing_ok=True)

    def states(self) -> dict[str, str]:
        """The last state of every item."""
        return {e["video"]: e["state"] for e in self.events if e["event"] == "video"}


@dataclass(frozen=True)
class Attempt:
    """An item that was begun: on which rung, in which process, with how many threads as its share."""

    name: str
    device: str
    batch: str
    pid: int
    threads: int


class Toy:
    """A folder of texts and the step that works on them."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.begun: list[subprocess.Popen[str]] = []

    def put(self, **texts: str) -> None:
        """Write texts; their first line says what the step will meet."""
        for name, text in texts.items():
            (self.folder / f"{name}.txt").write_text(text)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the step on the folder."""
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.begun.append(process)
        return process

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a run that was started."""
        return Ended(process, self.folder / "events")

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Run the step to its end."""
        return self.ended(self.start(*arguments, **environment))

    def attempts(self) -> list[Attempt]:
        """What was processed since the last call."""
        path = self.folder / "processed"
        rows = [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        attempts = []
        for name, device, batch, pid, threads in rows:
            attempts.append(Attempt(name.split(".")[0], device, batch, int(pid), int(threads)))
        return attempts

    def processed(self) -> list[str]:
        """What was processed since the last call: `name device batch`, each process as a number from 0."""
        attempts = self.attempts()
        pids = list(dict.fromkeys(one.pid for one in attempts))
        return [f"{one.name} {one.device} {one.batch} process {pids.index(one.pid)}" for one in attempts]

    def names(self) -> list[str]:
        """The items that were processed since the last call."""
        return [one.name for one in self.attempts()]

    def prepared(self) -> list[str]:
        """The calls of `prepare` and `release` so far."""
        return (self.folder / "prepared").read_text().splitlines()

    def manifest(self, name: str) -> Manifest:
        """The manifest of an item."""
        found = read_manifest(self.folder / ".workflow" / name / "STEP9.json")
        assert found is not None
        return found

    def failure(self, name: str) -> dict[str, Any] | None:
        """The record of an item's failure."""
        path = self.folder / ".workflow" / name / "STEP9.failed.json"
        return json.loads(path.read_text()) if path.exists() else None

    def temporary(self) -> list[Path]:
        """Temporary files that lie about."""
        return list(self.folder.rglob(".tmp-*"))

    def wait_for(self, name: str) -> None:
        """Wait until an item is being processed."""
        for _ in range(1500):
            path = self.folder / "processed"
            if path.exists() and f"{name}.txt" in path.read_text():
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} was not begun")


@pytest.fixture
def toy(data_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Toy]:
    """A toy step with nothing to do yet; what it starts is ended with the test, whatever becomes of it."""
    data_folder.mkdir()
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "toy.json").write_text("{}")
    toy = Toy(data_folder, {**os.environ, "WORKFLOW_EVENTS": str(data_folder / "events")})
    yield toy
    for process in toy.begun:
        process.kill()
        process.communicate()
