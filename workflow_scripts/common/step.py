"""What a step is: a small class that says what it needs and what it does for one video.

The framework (`run.py`) owns the loop over videos, skip or redo, the device ladder, progress, manifests and
exit codes, so that a step file reads like its description.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import BlockedError
from workflow_scripts.common.manifest import FileRecord, Gate, ModelRecord, read_manifest
from workflow_scripts.common.media import MediaInfo, read_media
from workflow_scripts.common.projects import Video, find_videos
from workflow_scripts.common.settings import Parameter, Settings


class Item(Protocol):
    """What a step works on: a video, or an archive in STEP1."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def path(self) -> Path:
        """The file or folder it is."""

    @property
    def root(self) -> Path:
        """The folder that paths in its manifest are relative to."""

    @property
    def workflow(self) -> Path | None:
        """Where its manifest lies; None while that is not known, then its work is never already done."""


ItemT = TypeVar("ItemT", bound=Item)


@dataclass
class Job:
    """What a step is given besides the item.

    `inputs` are the files the framework checked, `params` the effective parameters, `rung` the device and batch
    size of this attempt, `progress(done, total, unit)` may be called per frame. `threads` is this process's share
    of the cores where other videos are processed beside it, 0 where it has all of them.
    """

    inputs: Mapping[str, Path]
    params: Settings
    rung: Rung
    log: logging.Logger
    progress: Callable[[int, int | None, str], None]
    workflow: Path | None = None
    on_warning: Callable[[str], None] | None = None
    threads: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return self.rung.device

    @property
    def batch_size(self) -> int:
        """How many units the model takes at once in this attempt."""
        return self.rung.batch_size

    @property
    def torchscript(self) -> bool:
        """Whether the model is to run with TorchScript in this attempt."""
        return self.rung.torchscript

    @cached_property
    def media(self) -> MediaInfo:
        """What STEP2 measured of the video."""
        if self.workflow is None:
            raise BlockedError("nothing has been measured for this input.")
        return read_media(self.workflow / "media.json")

    @property
    def clock(self) -> FrameClock:
        """The frame clock of the video."""
        return FrameClock(self.media.fps, self.media.frames)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the seconds of a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def warn(self, text: str) -> None:
        """Say a sentence that the operator should see; it goes to log, events and manifest."""
        self.warnings.append(text)
        self.log.warning(text)
        if self.on_warning is not None:
            self.on_warning(text)


@dataclass(frozen=True)
class Result:
    """What a step made of an item.

    Args:
        outputs: the files it wrote, by role.
        counts: figures for people and for later steps.
        gates: quality gates; one that failed makes the result `degraded`.
        inputs: where the inputs lie now, when the step moved them.
        root, workflow: where the manifest belongs, for items that do not know (STEP1).
        cleanup: what remains to be done once the manifest is written.
    """

    outputs: Mapping[str, Path]
    counts: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[Gate] = ()
    inputs: Mapping[str, Path] | None = None
    root: Path | None = None
    workflow: Path | None = None
    cleanup: Callable[[], None] | None = None


class Step(ABC, Generic[ItemT]):
    """Base of all steps.

    `key` is the step's name everywhere (`STEP3`), `name` the script's name, `version` rises when the same
    inputs and parameters give another result, `config` is its parameter file in `config/`.
    """

    key: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[str]
    config: ClassVar[str]
    parameters: ClassVar[Sequence[Parameter]] = ()
    uses_accelerator: ClassVar[bool] = False

    @property
    def number(self) -> str:
        """The number in the step's folder, `3` for STEP3 and `4` for STEP4B."""
        return self.key.removeprefix("STEP").rstrip("AB")

    @abstractmethod
    def find(self, targets: Sequence[str], params: Settings) -> list[ItemT]:
        """The items that the targets on the command line name; without targets, all that may be pending."""

    @abstractmethod
    def inputs(self, item: ItemT) -> Mapping[str, FileRecord]:
        """The files the item's result depends on, by role.

        Raises:
            BlockedError: an earlier step has not finished.
        """

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The models that decide the result, known without loading them."""
        return ()

    def check(self, params: Settings) -> None:
        """Make sure that what the step needs is there, before anything starts.

        Raises:
            PreconditionError: a model, token or tool is missing.
            UsageError: parameters contradict each other.
        """

    def fetch(self, params: Settings, log: logging.Logger) -> None:
        """Get what the step needs and may download, once all has been checked and before anything is planned.

        Raises:
            PreconditionError: it cannot be had.
        """

    def batch_size(self, params: Settings, device: str) -> int:
        """The batch size of the first attempt on a device, `cpu` or `cuda`."""
        return 1

    def device(self, params: Settings, asked: str | None) -> str:
        """Where to compute, `auto`, `cpu` or `cuda`, given what the command line asks for, if anything.

        Raises:
            UsageError: parameters say otherwise than the command line.
        """
        return (asked or "auto") if self.uses_accelerator else "cpu"

    def torchscript(self, params: Settings) -> bool:
        """Whether the first attempt is with TorchScript; where that fails, the step raises `TorchScriptFault`."""
        return False

    def torchscript_fallback(self, params: Settings) -> bool:
        """Whether a video goes on without TorchScript when that fails.

        Where not, every attempt is with it, on the CPU too, and its failure is the video's.
        """
        return True

    def workers(self, params: Settings) -> int:
        """How many items to process at once on the CPU, each in a process of its own; on CUDA it is always one."""
        return 1

    def partial_success_ok(self, params: Settings) -> bool:
        """Whether a run that failed for some items ends as a success when it succeeded for others."""
        return False

    def writes(self, item: ItemT) -> Sequence[Path]:
        """The files beside the video that processing the item will write; what lies there already is kept."""
        return ()

    def left_to_do(self, item: ItemT, params: Settings) -> str | None:
        """Why an item whose manifest matches is to be processed all the same, in a few words; else None."""
        return None

    def prepare(self, job: Job) -> None:
        """Load what is needed once for all items, for the device of the job, with or without TorchScript.

        Called again, after `release`, when one of the two has changed.
        """

    @abstractmethod
    def process(self, item: ItemT, job: Job) -> Result:
        """Do the work for one item and write its outputs atomically."""

    def release(self) -> None:
        """Let go of what `prepare` loaded, if anything."""


class VideoStep(Step[Video]):
    """A step after STEP2: it works on converted videos and reads what earlier steps finished.

    `reads` maps a role to the step and output it comes from; the video itself is always read. `delivers` names the
    suffixes of the files it writes into `docs/`.
    """

    reads: ClassVar[Mapping[str, tuple[str, str]]] = {}
    delivers: ClassVar[Sequence[str]] = ()

    def find(self, targets: Sequence[str], params: Settings) -> list[Video]:
        """The videos that targets name, each once, under the name STEP2 leaves behind."""
        return list(dict.fromkeys(video.converted for video in find_videos(targets)))

    def inputs(self, item: Video) -> Mapping[str, FileRecord]:
        """The video and what `reads` names, as finished by their steps."""
        wanted = {"video": ("STEP2", "video"), **self.reads}
        return {role: finished_output(item, step, output) for role, (step, output) in wanted.items()}

    def writes(self, item: Video) -> Sequence[Path]:
        """The delivered files."""
        return [item.delivered(suffix) for suffix in self.delivers]


def finished_output(video: Video, step: str, output: str) -> FileRecord:
    """An earlier step's output for a video, checked against that step's manifest.

    Raises:
        BlockedError: the step has no manifest for the video, or the file changed since.
    """
    manifest = read_manifest(video.workflow / f"{step}.json")
    if manifest is None or output not in manifest.outputs:
        raise BlockedError(f"{video.name}: {step} has not finished for this video.", hint=f"Run {step} first.")
    record = manifest.outputs[output]
    if not record.matches(video.root):
        raise BlockedError(
            f"{video.name}: {record.path} is missing or has changed since {step} wrote it.",
            hint=f"Run {step} again.",
        )
    return FileRecord.of(record.located(video.root), video.root, record)
