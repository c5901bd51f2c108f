"""A shelf of transcriptions, and a queue whose processes do as a sound file's first line says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.supervision.step_command import Command
from services.transcriptions import Shelf, Transcription, Wish
from services.transcriptions.queue import Queue

#: Stands for transcribe_file.py: tells a word and writes a result, then does what the sound's first line says.
TOY = """
import json, os, pathlib, signal, sys, time
sound, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
def tell(event, **data):
    with open(os.environ["WORKFLOW_EVENTS"], "a") as stream:
        stream.write(json.dumps({"event": event, "time": "", **data}) + "\\n")
does = sound.read_text().split()[0]
word = {"start": 1.0, "end": 1.5, "text": " Bonjour", "probability": 0.9, "speaker": None}
tell("file", file=sound.name, duration=3.0)
tell("segment", start=1.0, end=1.5, text=" Bonjour", words=[word])
tell("progress", seconds=2.0)
tell("warning", text="the GPU failed; going on with cpu")
if does == "refuse":
    tell("failed", message=f"{sound.name}: there is no sound in it.")
    sys.exit(1)
if does == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
while does == "wait" and not sound.with_name("go").exists():
    time.sleep(0.01)
folder.mkdir()
(folder / f"{sound.stem}_transcript.txt").write_text(does)
if does == "half":
    sys.exit(1)
tell("finished", language="fr", language_probability=0.9, words=1, model="base", device="cpu",
     compute_type="int8", dropped={"too fast": 2}, files=[])
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty shelf."""
    return Shelf(tmp_path / "transcriptions")


Put = Callable[..., str]


@pytest.fixture
def put(shelf: Shelf, tmp_path: Path) -> Put:
    """`put("été.mp3", "wait")`: a file whose first line is that becomes a transcription; its key."""
    count = iter(range(1000))

    def make(name: str = "été.mp3", text: str = "done", wish: Wish | None = None) -> str:
        file = tmp_path / f"part {next(count)}"
        file.write_text(text)
        shelf.folder.mkdir(exist_ok=True)
        return shelf.put(file, name, wish or Wish(), f"{next(count):08x}")

    return make


@pytest.fixture
def told() -> list[Transcription]:
    """What the queue has told."""
    return []


MakeQueue = Callable[[], Queue]


@pytest.fixture
def make_queue(shelf: Shelf, told: list[Transcription]) -> Iterator[MakeQueue]:
    """Makes queues of the shelf, one after the other; what runs in the end is ended."""

    def command(_one: Transcription, sound: Path, folder: Path) -> Command:
        return Command([sys.executable, "-c", TOY, str(sound), str(folder)], dict(os.environ))

    made: list[Queue] = []

    def make() -> Queue:
        made.append(Queue(shelf, command, told.append))
        return made[-1]

    yield make
    for queue in made:
        queue.stop()


Until = Callable[[Queue, Callable[[], bool]], None]


@pytest.fixture
def until() -> Until:
    """`until(queue, condition)`: let a queue work until something is so."""

    def wait(queue: Queue, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            queue.tick()
            time.sleep(0.01)

    return wait
