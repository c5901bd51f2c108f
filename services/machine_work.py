"""The places where steps run and who has them, and the process that gives them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services import dotenv_file, worker
from services.configuration import general_settings
from services.gpu import allowed_keys, standing
from services.runs import StepRun
from services.slots import CPU
from services.worker_lock import Holder, WorkerLock, holder, lost_holder
from workflow_scripts.common import gpu_lock
from workflow_scripts.common.errors import PreconditionError, WorkflowError


@dataclass(frozen=True)
class Place:
    """A slot: `cpu`, or a GPU by its UUID with its `name`.

    `step` is the step run that has it; `other` is who else holds the GPU, from a shell or for another data folder.
    """

    slot: str
    name: str
    step: StepRun | None = None
    other: gpu_lock.Holder | None = None


@dataclass(frozen=True)
class WorkerState:
    """Who does the work; `lost` is who was killed at it, `outdated` whether `.env` is younger than the worker."""

    holder: Holder | None
    lost: Holder | None
    outdated: bool


def places(running: Sequence[StepRun]) -> list[Place]:
    """The slots of this machine, and the step runs that have them; none is left out.

    Raises:
        UsageError: the GPU policy says something that it cannot mean.
    """
    now = standing()
    names = {ruling.gpu.key: f"GPU {ruling.gpu.number}: {ruling.gpu.name}" for ruling in now.rulings}
    found = []
    for uuid in allowed_keys(now):
        step = next((one for one in running if one.slot == uuid), None)
        other = gpu_lock.holder_of(uuid) if step is None else None
        found.append(Place(uuid, names.get(uuid, uuid), step, other))
    on_cpu: list[StepRun | None] = [one for one in running if one.slot not in {place.slot for place in found}]
    free = [None] * max(0, general_settings().cpu_slots - len(on_cpu))
    return [*found, *(Place(CPU, "CPU", step) for step in [*on_cpu, *free])]


def worker_state() -> WorkerState:
    """Who does the work of the data folder now."""
    found = holder()
    try:
        changed = datetime.fromtimestamp(dotenv_file.path().stat().st_mtime, UTC)
    except OSError:
        changed = None
    outdated = found is not None and found.is_worker and changed is not None and changed > found.since
    return WorkerState(found, lost_holder(), outdated)


def start_worker() -> Holder:
    """See that a worker runs, with what `.env` says now.

    Raises:
        WorkflowError: it does not start.
    """
    dotenv_file.reload()
    return worker.start_detached()


def restart_worker() -> Holder:
    """End the worker and start another; steps that run go on, and the new one takes them over.

    Raises:
        PreconditionError: a run in a terminal does the work.
        WorkflowError: the old one does not end, or the new one does not start.
    """
    end_worker()
    return start_worker()


def end_worker() -> None:
    """Ask the worker to end, and wait until it has; steps that run go on.

    Raises:
        PreconditionError: a run in a terminal does the work.
        WorkflowError: it does not end.
    """
    found = holder()
    if found is not None and not found.is_worker:
        raise PreconditionError(f"The work is done by {found}.", hint="It ends with that run.", retry=True)
    worker.stop_worker()
    if found is not None and holder() == found:
        raise WorkflowError("The worker does not end.", hint=f"See {worker.log_path().name}.", retry=True)
    if found is not None and lost_holder() == found:  # ended before it listened; nobody is to replace it
        with WorkerLock() as lock:
            lock.take("nobody")
