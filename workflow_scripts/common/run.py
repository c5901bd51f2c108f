"""One run of a step over its items: what is to be done, in which order, and what became of each."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.atomic import remove_leftovers
from workflow_scripts.common.devices import Rung, as_device_fault, ladder
from workflow_scripts.common.displaced import keep_displaced
from workflow_scripts.common.errors import (
    BlockedError,
    CancelledError,
    DeviceFault,
    PreconditionError,
    VideoError,
    WorkflowError,
)
from workflow_scripts.common.events import EventFile, utc_now
from workflow_scripts.common.manifest import (
    Fallback,
    FileRecord,
    Manifest,
    ModelRecord,
    Wanted,
    read_manifest,
)
from workflow_scripts.common.progress import Progress
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.step import Item, ItemT, Job, Result, Step

State = Literal["succeeded", "degraded", "up to date", "blocked", "failed"]

#: Tells a fresh process which rung it is for and what happened before: JSON `{"rung", "fallbacks"}`.
FRESH_VARIABLE = "WORKFLOW_FRESH_PROCESS"


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
    """Runs a step over items, one after the other; one bad item never stops the others."""

    def __init__(
        self,
        step: Step[ItemT],
        params: Settings,
        device: tuple[str, str],
        log: logging.Logger,
        *,
        force: bool = False,
        fresh_arguments: Sequence[str] = (),
    ) -> None:
        """Args:
        device: what was asked for, and what was chosen.
        force: process items that are up to date too.
        fresh_arguments: the options that repeat this run in a fresh process.
        """
        self.step = step
        self.params = params
        self.device_asked, self.device = device
        self.log = log
        self.force = force
        self.events = EventFile(step.key)
        self._fresh_arguments = fresh_arguments
        self._models: tuple[ModelRecord, ...] | None = None
        self._prepared = False
        self._context_lost = False

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
        if self._context_lost:  # what comes after a broken CUDA context starts anew, with a ladder of its own
            return self._in_fresh_process(item, None, ())
        inherited = inherited_rung()
        rungs = [inherited] if inherited else list(ladder(self.device, self.step.batch_size(self.params)))
        fallbacks = _inherited_fallbacks()
        while True:
            rung = rungs.pop(0)
            try:
                if rung.fresh_process:
                    return self._in_fresh_process(item, rung, fallbacks)
                return self._attempt(item, rung, fallbacks)
            except DeviceFault as fault:
                if not rungs:
                    raise
                if not fault.out_of_memory:  # a smaller batch does not mend a broken context
                    self._context_lost = True
                    rungs = rungs[-1:]
                fallbacks = (*fallbacks, Fallback(str(rung), str(rungs[0]), fault.message))
                text = f"{item.name}: {fault.message}; going on with {rungs[0]}"
                self.log.warning(text)
                self.events.emit("warning", video=item.name, text=text)

    def _attempt(self, item: ItemT, rung: Rung, fallbacks: tuple[Fallback, ...]) -> Outcome:
        inputs = self.step.inputs(item)
        wanted = self._wanted(inputs)
        paths = {role: record.located(item.root) for role, record in inputs.items()}
        with Progress(item.name, self.events, self.log) as progress:
            job = Job(paths, self.params, rung, self.log, progress, item.workflow)
            job.on_warning = lambda text: self.events.emit("warning", video=item.name, text=text)
            started, begin = utc_now(), time.perf_counter()
            _reset_peak_memory()
            with _device_faults():
                if not self._prepared:
                    with job.phase("prepare"):
                        self.step.prepare(job)
                    self._prepared = True
                with keep_displaced(
                    self.step.writes(item), item.workflow or item.root, item.root / "originals", job.warn
                ):
                    result = self.step.process(item, job)
            job.seconds["total"] = time.perf_counter() - begin
        manifest = self._manifest(item, job, wanted, result, fallbacks, started)
        return self._book(item, manifest, result)

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
            peak_memory=_peak_memory(),
        )

    def _book(self, item: ItemT, manifest: Manifest, result: Result) -> Outcome:
        workflow = result.workflow or item.workflow
        if workflow is None:
            raise AssertionError(f"{self.step.key} does not say where its manifest belongs")
        manifest.write(workflow / f"{self.step.key}.json")
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

    def _in_fresh_process(self, item: ItemT, rung: Rung | None, fallbacks: tuple[Fallback, ...]) -> Outcome:
        """Process one item by the same script in a new process, which writes the manifest itself."""
        handed_on = {"rung": asdict(rung) if rung else None, "fallbacks": [asdict(f) for f in fallbacks]}
        command = [sys.executable, sys.argv[0], str(item.path), *self._fresh_arguments, "--force"]
        environment = {**os.environ, FRESH_VARIABLE: json.dumps(handed_on)}
        if item.workflow is not None:  # what is there afterwards is this attempt's
            failure_path(item.workflow, self.step.key).unlink(missing_ok=True)
        code = subprocess.run(command, env=environment, check=False).returncode
        manifest = read_manifest(item.workflow / f"{self.step.key}.json") if item.workflow else None
        if code == 0 and manifest is not None:
            return Outcome(item.name, manifest.state, manifest.complaints)
        failure = read_failure(item.workflow, self.step.key) if item.workflow else None
        if code > 0 and failure is not None:
            return Outcome(item.name, "failed", f"{failure['message']} {failure['hint']}".strip())
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
        raise VideoError(f"{item.name}: a fresh process for it {how}.", retry=True)


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


def in_fresh_process() -> bool:
    """Whether another run of the same step started this process for one item."""
    return FRESH_VARIABLE in os.environ


def inherited_rung() -> Rung | None:
    """The rung this process was started for, None where it goes down its own ladder."""
    rung = json.loads(os.environ.get(FRESH_VARIABLE, "{}")).get("rung")
    return Rung(**{**rung, "fresh_process": False}) if rung else None


def _inherited_fallbacks() -> tuple[Fallback, ...]:
    handed_on = json.loads(os.environ.get(FRESH_VARIABLE, "{}"))
    return tuple(Fallback(**fallback) for fallback in handed_on.get("fallbacks", ()))


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
        for folder in (item.workflow, item.path.parent):
            remove_leftovers(folder)
        yield


def _reset_peak_memory() -> None:
    """Start the kernel's high-water mark anew, where it can be (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory() -> int:
    """Peak resident memory of this process in bytes since the reset, or since its start where there is none."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
