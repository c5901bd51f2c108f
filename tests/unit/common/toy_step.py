"""A step for tests, run like a real one: each item is a text whose first line says what happens to it.

`ok`, `degraded`, `refuse`, `crash`, `bug` (an unexpected exception), `disk` (OSError), `precondition`,
`blocked` and `cancel` (when it is asked for its inputs),
`memory N` (out of memory on CUDA with batches over N), `poison` (CUDA error), `poison always` (on the CPU too),
`kill once` (kill -9 in the middle of writing, the first time), `wait` (until a file `go` appears beside it).
`TOY_CUDA` set: a CUDA device is there. Every item processed adds a line to `processed` in its folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common import command_line
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.errors import (
    BlockedError,
    CancelledError,
    PreconditionError,
    RefusedError,
    UsageError,
)
from workflow_scripts.common.manifest import FileRecord, Gate, ModelRecord
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, Step

LIMIT = 30.0


@dataclass(frozen=True)
class Text:
    """A text file."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def root(self) -> Path:
        """Its folder."""
        return self.path.parent

    @property
    def workflow(self) -> Path:
        """Where its manifest lies."""
        return self.root / ".workflow" / self.path.stem


class ToyStep(Step[Text]):
    """Writes each text in capitals."""

    key = "STEP9"
    name = "toy_step"
    version = "1"
    config = "toy.json"
    parameters = (
        Parameter("suffix", str, "!", "What is put after the text"),
        Parameter("batch_size", int, 32, "Characters at once", 1, 64, affects_result=False),
        Parameter("loud", bool, False, "Whether there is a warning"),
        Parameter("model", str, "m1", "Which model", choices=("m1", "m2", "missing"), affects_result=False),
    )
    uses_accelerator = True

    def find(self, targets: Sequence[str], params: Settings) -> list[Text]:
        """Files, or the files of folders; without targets those of the data folder."""
        folders = [Path(target) for target in targets] or [Path(os.environ["WORKFLOW_DATA_DIR"])]
        texts = []
        for path in folders:
            if not path.exists():
                raise UsageError(f"{path.name}: there is no such text.")
            texts += [path] if path.is_file() else sorted(path.glob("*.txt"))
        return [Text(path) for path in texts]

    def inputs(self, item: Text) -> Mapping[str, FileRecord]:
        """The text."""
        if item.path.read_text().startswith("cancel"):
            raise CancelledError("stopped while it was read")
        if item.path.read_text().startswith("blocked"):
            raise BlockedError(f"{item.name}: STEP8 has not finished for this video.", hint="Run STEP8 first.")
        return {"text": FileRecord.of(item.path, item.root)}

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """A model whose content is its name."""
        return (ModelRecord("capitals", params.model, "toy"),)

    def check(self, params: Settings) -> None:
        """The model is there."""
        if params.model == "missing":
            raise PreconditionError("The model is missing.", hint="Fetch it.")

    def batch_size(self, params: Settings) -> int:
        """As the parameter says."""
        return int(params.batch_size)

    def process(self, item: Text, job: Job) -> Result:
        """Do what the text says."""
        with (item.root / "processed").open("a") as stream:
            stream.write(f"{item.name} {job.device} {job.batch_size} {os.getpid()}\n")
        target = item.path.with_suffix(".out")
        text = job.inputs["text"].read_text()
        self._obey(text.partition("\n")[0].split(), item, job)
        if job.params.loud:
            job.warn(f"{item.name}: loud.")
        with job.phase("write"), atomic_writer(target) as stream:
            stream.write(text.upper()[: len(text) // 2])
            if text.startswith("kill once") and not (item.root / "killed").exists():
                (item.root / "killed").touch()
                stream.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            stream.write(text.upper()[len(text) // 2 :] + job.params.suffix)
        job.progress(len(text), len(text), "characters")
        share = 0.5 if text.startswith("degraded") else 1
        return Result({"out": target}, {"characters": len(text)}, (Gate.at_least("share", share, 0.9),))

    def _obey(self, words: list[str], item: Text, job: Job) -> None:
        on_cuda = job.device == "cuda"
        match words:
            case ["refuse"]:
                raise RefusedError(f"{item.name}: there is no text in it.", hint="Look at it.")
            case ["crash"]:
                os._exit(7)
            case ["bug"]:
                raise ZeroDivisionError("division by zero")
            case ["disk"]:
                raise OSError(28, "No space left on device", str(item.path))
            case ["precondition"]:
                raise PreconditionError("The licence has ended.")
            case ["memory", limit] if on_cuda and job.batch_size > int(limit):
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            case ["poison"] if on_cuda:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case ["poison", "always"]:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case ["wait"]:
                begin = time.monotonic()
                while not (item.root / "go").exists() and time.monotonic() - begin < LIMIT:
                    time.sleep(0.02)
            case _:
                return


if os.environ.get("TOY_CUDA"):
    vars(command_line)["choose_device"] = lambda asked: ("cpu" if asked == "cpu" else "cuda", None)

if __name__ == "__main__":
    sys.exit(command_line.main(ToyStep(), __doc__ or "", targets="TEXT|FOLDER"))
