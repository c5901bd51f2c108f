"""A step for tests, run like a real one: each item is a text whose first line says what happens to it.

`ok`, `degraded`, `refuse`, `crash`, `bug` (an unexpected exception), `disk` (OSError), `precondition`,
`blocked` and `cancel` (when it is asked for its inputs),
`memory N` (out of memory on CUDA with batches over N), `poison` (CUDA error), `poison always` (on the CPU too),
`scripted` (TorchScript fails), `scripted memory` (out of memory on CUDA inside TorchScript),
`kill once` (kill -9 in the middle of writing, the first time), `kill` (every time), `chat` (lines in the log),
`wait` (until a file `go` appears beside it), `stubborn` (the same, deaf to SIGTERM).
`TOY_CUDA` set: a CUDA device is there. Every item processed adds a line to `processed` in its folder, every call
of `prepare` and `release` one to `prepared` in the data folder.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common import command_line
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.devices import torchscript_faults
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
MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"
OPERATOR = "RuntimeError: no such operator"
#: How an error inside TorchScript begins.
INTERPRETER = "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript:\n"


def note(name: str, line: str, folder: Path | None = None) -> None:
    """Add a line to a file of a folder, of the data folder when none is named."""
    with ((folder or Path(os.environ["WORKFLOW_DATA_DIR"])) / name).open("a") as stream:
        stream.write(f"{line}\n")


def _device(job: Job) -> str:
    return f"{job.device}+torchscript" if job.torchscript else job.device


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
        Parameter("model", str, "m1", "Which model", choices=("m1", "m2", "missing", "far"), affects_result=False),
        Parameter("where", str, "auto", "Where to compute", choices=("auto", "cpu", "cuda"), affects_result=False),
        Parameter("torchscript", bool, False, "Whether to use TorchScript", affects_result=False),
        Parameter("torchscript_fallback", bool, True, "Whether to do without it", affects_result=False),
        Parameter("partial_success_ok", bool, False, "Whether failures are tolerated", affects_result=False),
        Parameter("workers", int, 1, "Texts at once", 1, 16, affects_result=False),
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

    def fetch(self, params: Settings, log: logging.Logger) -> None:
        """Say so, where a model is to be fetched."""
        if params.model == "far":
            note("fetched", params.model)

    def device(self, params: Settings, asked: str | None) -> str:
        """As the command line says, else as the parameter does."""
        return asked or str(params.where)

    def batch_size(self, params: Settings, device: str) -> int:
        """As the parameter says."""
        return int(params.batch_size)

    def torchscript(self, params: Settings) -> bool:
        """As the parameter says."""
        return bool(params.torchscript)

    def torchscript_fallback(self, params: Settings) -> bool:
        """As the parameter says."""
        return bool(params.torchscript_fallback)

    def workers(self, params: Settings) -> int:
        """As the parameter says."""
        return int(params.workers)

    def partial_success_ok(self, params: Settings) -> bool:
        """As the parameter says."""
        return bool(params.partial_success_ok)

    def prepare(self, job: Job) -> None:
        """Say so."""
        note("prepared", f"prepare {_device(job)}")

    def release(self) -> None:
        """Say so."""
        note("prepared", "release")

    def process(self, item: Text, job: Job) -> Result:
        """Do what the text says."""
        note("processed", f"{item.name} {_device(job)} {job.batch_size} {os.getpid()} {job.threads}", item.root)
        target = item.path.with_suffix(".out")
        text = job.inputs["text"].read_text()
        self._obey(text.partition("\n")[0].split(), item, job)
        if job.params.loud:
            job.warn(f"{item.name}: loud.")
        with job.phase("write"), atomic_writer(target) as stream:
            stream.write(text.upper()[: len(text) // 2])
            if text.startswith("kill") and not (item.root / "killed").exists():
                if text.startswith("kill once"):
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
                raise RuntimeError(MEMORY)
            case ["poison"] if on_cuda:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case ["poison", "always"]:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case ["scripted", *what] if job.torchscript:
                with torchscript_faults():
                    raise RuntimeError(INTERPRETER + (MEMORY if what and on_cuda else OPERATOR))
            case ["chat"]:
                for number in range(200):
                    job.log.info("line %d of a long talk %s", number, "x" * 100)
            case ["wait" | "stubborn" as word]:
                if word == "stubborn":
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                begin = time.monotonic()
                while not (item.root / "go").exists() and time.monotonic() - begin < LIMIT:
                    time.sleep(0.02)
            case _:
                return


if os.environ.get("TOY_CUDA"):
    vars(command_line)["choose_device"] = lambda asked, _grant: ("cpu" if asked == "cpu" else "cuda", None)

if __name__ == "__main__":
    sys.exit(command_line.main(ToyStep(), __doc__ or "", targets="TEXT|FOLDER"))
