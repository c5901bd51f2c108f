"""One run of a step over its items: what is to be done, in which order, and what became of each."""

from __future__ import annotations

import fcntl
import logging
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal

from workflow_scripts.common import earlier
from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.atomic import remove_leftovers
from workflow_scripts.common.descent import Descent
from workflow_scripts.common.devices import Rung, as_device_fault, cores, ladder
from workflow_scripts.common.displaced import keep_displaced
from workflow_scripts.common.errors import (
    BlockedError,
    CancelledError,
    DeviceFault,
    PreconditionError,
    TorchScriptFault,
    VideoError,
    WorkflowError,
)
from workflow_scripts.common.events import EventFile, utc_now
from workflow_scripts.common.fresh_process import FreshProcesses, HandedOn, handed_on, in_fresh_process
from workflow_scripts.common.manifest import (
    Fallback,
    FileRecord,
    Manifest,
    ModelRecord,
    Wanted,
    read_manifest,
)
from workflow_scripts.common.memory import peak_memory, reset_peak_memory
from workflow_scripts.common.progress import Progress
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.step import Item, ItemT, Job, Result, Step

State = Literal["succeeded", "degraded", "up to date", "blocked", "failed"]


@dataclass(frozen=True)
class Plan(Generic[ItemT]):
    """An item with why it is to be processed; `reason` None is up to date, `obstacle` says why it cannot."""

    item: ItemT
    reason: str | None
    obstacle: WorkflowError | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of an item; `message` is the sentence for people where it did not succeed."""

    name: str
    state: State
    message: str = ""


class StepRun(Generic[ItemT]):
    """Runs a step over items; one bad item never stops the others.

    Items are processed one after the other in this process, or several at once, each in a process of its own.
    What failed on one rung of the ladder for lack of memory, or with TorchScript, is not tried again in the same
    process: the next item starts on the rung below, and its manifest says why.
    """

    def __init__(
        self,
        step: Step[ItemT],
        params: Settings,
        device: tuple[str, str],
        log: logging.Logger,
        *,
        force: bool = False,
        processes: FreshProcesses | None = None,
        not_on_gpu: str = "",
    ) -> None:
        """Args:
        device: what was asked for, and what was chosen.
        force: process items that are up to date too.
        processes: repeats this run for one item in a fresh process.
        not_on_gpu: why the CPU was chosen where a GPU was asked for; every manifest says so.
        """
        self.step = step
        self.params = params
        self.device_asked, self.device = device
        self.log = log
        self.force = force
        self.events = EventFile(step.key)
        self.processes = processes or FreshProcesses()
        self._told = handed_on() or HandedOn()
        own = (Fallback("cuda", "cpu", not_on_gpu),) if not_on_gpu else ()
        self._begun_with = self._told.fallbacks or own
        self._models: tuple[ModelRecord, ...] | None = None
        self._prepared: tuple[str, bool] | None = None
        self._descent = Descent()
        self._first_rung: Rung | None = None
        self._share = 0

    def at_once(self, pending: int) -> int:
        """How many of the pending items to process at once, which from now on gives each its share of the cores."""
        slots = max(1, min(self.step.workers(self.params), pending))
        if slots > 1 and self.device != "cpu":
            self.log.warning(
                "On %s one video is processed at a time, not %d: several processes on one GPU break its context.",
                self.device.upper(),
                slots,
            )
            slots = 1
        if slots > 1:
            self._share = max(1, cores() // slots)
            self.log.info("%d videos at once, with %d CPU threads each", slots, self._share)
        return slots

    def plan(self, item: ItemT) -> Plan[ItemT]:
        """Whether an item is to be processed, and why."""
        try:
            inputs = self.step.inputs(item)
        except (CancelledError, PreconditionError):
            raise
        except WorkflowError as obstacle:
            return Plan(item, None, obstacle)
        except OSError as error:
            return Plan(item, None, _unusable(item, error))
        if item.workflow is None:
            return Plan(item, "new")
        manifest = read_manifest(item.workflow / f"{self.step.key}.json")
        reason = self._wanted(inputs).reason_to_run(manifest, item.root)
        reason = reason or self.step.left_to_do(item, self.params)
        return Plan(item, "forced" if reason is None and self.force else reason)

    def process(self, plan: Plan[ItemT]) -> Outcome:
        """Process one item down the ladder; every error becomes an outcome, except being cancelled."""
        item = plan.item
        try:
            if plan.obstacle is not None:
                raise plan.obstacle
            if plan.reason is None:
                if item.workflow is not None:  # what failed since then is as it was when it succeeded
                    failure_path(item.workflow, self.step.key).unlink(missing_ok=True)
                return Outcome(item.name, "up to date")
            with _only_one(item, self.step.key):
                if self.plan(item).reason is None:  # another run did it since this one looked
                    return Outcome(item.name, "up to date")
                return self._down_the_ladder(item)
        except BlockedError as error:
            return Outcome(item.name, "blocked", str(error))
        except (CancelledError, PreconditionError):
            raise
        except WorkflowError as error:
            return self._failed(item, error)
        except MemoryError:
            return self._failed(item, VideoError(f"{item.name}: this machine has not enough memory for it."))
        except OSError as error:
            return self._failed(item, _unusable(item, error))
        except Exception as error:  # a fault of ours must not take the other videos with it
            self.log.debug("%s", item.name, exc_info=error)
            text = f"{item.name}: unexpected {type(error).__name__}: {error}."
            return self._failed(item, VideoError(text, hint="The log holds the details."))

    def _down_the_ladder(self, item: ItemT) -> Outcome:
        if self._share or self._descent.context_lost:  # each item in a process and with a ladder of its own
            return self._in_fresh_process(item, HandedOn(fallbacks=self._begun_with, threads=self._share))
        rungs, fallbacks = self._rungs(item)
        while True:
            rung = rungs.pop(0)
            try:
                if rung.fresh_process:
                    return self._in_fresh_process(item, HandedOn(replace(rung, fresh_process=False), fallbacks))
                return self._attempt(item, rung, fallbacks)
            except (DeviceFault, TorchScriptFault) as fault:
                rungs, fallback = self._descent.down(rung, fault, rungs)
                fallbacks = (*fallbacks, fallback)
                self._warn(item, f"{item.name}: {fault.message}; going on with {rungs[0]}")

    def _rungs(self, item: ItemT) -> tuple[list[Rung], tuple[Fallback, ...]]:
        """The rungs to try for an item, and what has been tried above them."""
        if self._told.rung is not None:
            return [self._told.rung], self._begun_with
        step, params = self.step, self.params
        torchscript = step.torchscript(params), step.torchscript_fallback(params)
        rungs, met = self._descent.left(ladder(self.device, step.batch_size(params, self.device), *torchscript))
        if self._first_rung not in (None, rungs[0]):
            self._warn(item, f"From {item.name} on, videos start with {rungs[0]}: what comes before it failed.")
        self._first_rung = rungs[0]
        return rungs, (*self._begun_with, *met)

    def _warn(self, item: ItemT, text: str) -> None:
        self.log.warning(text)
        self.events.emit("warning", video=item.name, text=text)

    def _attempt(self, item: ItemT, rung: Rung, fallbacks: tuple[Fallback, ...]) -> Outcome:
        inputs = self.step.inputs(item)
        wanted = self._wanted(inputs)
        paths = {role: record.located(item.root) for role, record in inputs.items()}
        with Progress(item.name, self.events, self.log, bar=not self._told.threads) as progress:
            job = Job(paths, self.params, rung, self.log, progress, item.workflow, threads=self._told.threads)
            job.on_warning = lambda text: self.events.emit("warning", video=item.name, text=text)
            started, begin = utc_now(), time.perf_counter()
            reset_peak_memory()
            with _device_faults():
                self._prepare(job)
                self._keep_earlier(item, earlier.hold, item.root)
                with keep_displaced(
                    self.step.writes(item), item.workflow or item.root, item.root / "originals", job.warn
                ):
                    result = self.step.process(item, job)
            job.seconds["total"] = time.perf_counter() - begin
        manifest = self._manifest(item, job, wanted, result, fallbacks, started)
        return self._book(item, manifest, result)

    def _keep_earlier(self, item: ItemT, keep: Callable[..., None], *root: Path) -> None:
        """Keep the former result for comparison; where that cannot be, the new one is worth more."""
        if item.workflow is None:
            return
        try:
            keep(item.workflow, *root, self.step.key)
        except (OSError, EOFError, zlib.error) as error:
            self._warn(item, f"{item.name}: its former result could not be kept for comparison ({error}).")

    def _prepare(self, job: Job) -> None:
        """Let the step prepare for a rung, unless the rung before had the same device and TorchScript too."""
        wanted = (job.device, job.torchscript)
        if self._prepared == wanted:
            return
        self._prepared = None
        with job.phase("prepare"):
            self.step.release()
            self.step.prepare(job)
        self._prepared = wanted

    def _manifest(
        self,
        item: ItemT,
        job: Job,
        wanted: Wanted,
        result: Result,
        fallbacks: tuple[Fallback, ...],
        started: str,
    ) -> Manifest:
        root = result.root or item.root
        moved = {role: FileRecord.of(path, root) for role, path in (result.inputs or {}).items()}
        return Manifest(
            step=self.step.key,
            version=self.step.version,
            state="degraded" if any(gate.passed is False for gate in result.gates) else "succeeded",
            inputs={**wanted.inputs, **moved},
            outputs={role: FileRecord.of(path, root) for role, path in result.outputs.items()},
            parameters=self.params.described(),
            fingerprint=wanted.fingerprint,
            models=wanted.models,
            device_asked=self.device_asked,
            device_used=job.device,
            fallbacks=fallbacks,
            counts=dict(result.counts),
            gates=tuple(result.gates),
            warnings=tuple(job.warnings),
            started=started,
            finished=utc_now(),
            seconds={name: round(value, 3) for name, value in job.seconds.items()},
            peak_memory=peak_memory(),
        )

    def _book(self, item: ItemT, manifest: Manifest, result: Result) -> Outcome:
        workflow = result.workflow or item.workflow
        if workflow is None:
            raise AssertionError(f"{self.step.key} does not say where its manifest belongs")
        if item.workflow is None:  # then nobody knew before where leftovers may lie
            remove_leftovers(workflow)
        manifest.write(workflow / f"{self.step.key}.json")
        self._keep_earlier(item, earlier.settle)
        failure_path(workflow, self.step.key).unlink(missing_ok=True)
        if result.cleanup is not None:
            result.cleanup()
        for role, record in manifest.outputs.items():
            self.log.info("Succès: %s créé", Path(record.path).name)
            self.events.emit("artifact", video=item.name, role=role, path=record.path, sha256=record.sha256)
        return Outcome(item.name, manifest.state, manifest.complaints)

    def _failed(self, item: ItemT, error: WorkflowError) -> Outcome:
        if item.workflow is not None:
            record = {
                "step": self.step.key,
                "when": utc_now(),
                "kind": type(error).__name__,
                "message": error.message,
                "hint": error.hint,
                "retry": error.retry,
            }
            try:
                item.workflow.mkdir(parents=True, exist_ok=True)
                write_json(failure_path(item.workflow, self.step.key), record)
            except (OSError, UnicodeEncodeError) as reason:
                self.log.warning("%s: the failure could not be recorded (%s).", item.name, reason)
        return Outcome(item.name, "failed", str(error))

    def _wanted(self, inputs: Mapping[str, FileRecord]) -> Wanted:
        if self._models is None:
            self._models = self.step.models(self.params)
        return Wanted(self.step.version, inputs, self.params.fingerprint(), self._models)

    def _in_fresh_process(self, item: ItemT, told: HandedOn) -> Outcome:
        """Process one item by the same script in a new process, which writes the manifest itself."""
        if item.workflow is not None:  # what is there afterwards is this attempt's
            failure_path(item.workflow, self.step.key).unlink(missing_ok=True)
        code = self.processes.run(item.path, told)
        manifest = read_manifest(item.workflow / f"{self.step.key}.json") if item.workflow else None
        if code == 0 and manifest is not None:
            return Outcome(item.name, manifest.state, manifest.complaints)
        failure = read_failure(item.workflow, self.step.key) if item.workflow else None
        if code > 0 and failure is not None:
            return Outcome(item.name, "failed", f"{failure['message']} {failure['hint']}".strip())
        if code == PreconditionError.exit_code:
            raise PreconditionError(f"{item.name}: a fresh process for it lacks what it needs, as it said above.")
        _remove_leftovers(item)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        hint = "The system does that when memory runs out." if code == -signal.SIGKILL else ""
        raise VideoError(f"{item.name}: a fresh process for it {how}.", hint=hint, retry=True)


def _unusable(item: Item, error: OSError) -> VideoError:
    where = f" ({error.filename})" if error.filename else ""
    text = f"{item.name}: {error.strerror or error}{where}."
    return VideoError(text, hint="Check free space and permissions.", retry=True)


def failure_path(workflow: Path, step: str) -> Path:
    """Where the reason lies why a step failed for a video; removed when it succeeds."""
    return workflow / f"{step}.failed.json"


def read_failure(workflow: Path, step: str) -> dict[str, Any] | None:
    """The record of a step's last failure for a video, None where there is none."""
    path = failure_path(workflow, step)
    return load_json(path) if path.is_file() else None


@contextmanager
def _device_faults() -> Iterator[None]:
    """Turn the errors by which frameworks report a failed accelerator into device faults."""
    try:
        yield
    except RuntimeError as error:
        fault = as_device_fault(error)
        if fault is None:
            raise
        raise fault from error


@contextmanager
def _only_one(item: Item, step: str) -> Iterator[None]:
    """Hold the item for this step; the lock goes with the process, however it ends.

    Raises:
        BlockedError: another process is working on it.
    """
    if item.workflow is None or in_fresh_process():  # then the process that started this one holds it
        yield
        return
    item.workflow.mkdir(parents=True, exist_ok=True)
    with (item.workflow / f".{step}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockedError(f"{item.name}: another run of {step} is working on it.") from error
        _remove_leftovers(item)
        yield


def _remove_leftovers(item: Item) -> None:
    """Remove the temporary files of processes that were killed."""
    for folder in (item.workflow, item.path.parent):
        if folder is not None:
            remove_leftovers(folder)
