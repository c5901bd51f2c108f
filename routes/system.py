"""The machine and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from apiflask import APIBlueprint, APIFlask
from flask import current_app

from routes.context import context
from routes.models.system import (
    EnvironmentOut,
    GpuHistory,
    GpuOut,
    HistoryAsked,
    HistoryOut,
    SettingOut,
    SettingsOut,
    SystemOut,
)
from services import system
from services.configuration import Effective, house_settings, step_settings
from services.machine_log import MachineLog, MachineWatch, Sample
from services.pipeline import StepDefinition
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import logs_folder

blueprint = APIBlueprint("system", __name__, url_prefix="/api")
#: Where an application keeps what measures the machine.
_WATCH = "machine_watch"


def watch_of(app: APIFlask) -> MachineWatch:
    """What an application knows of the machine over time; measures nothing until it is started."""
    if _WATCH not in app.extensions:
        app.extensions[_WATCH] = MachineWatch(MachineLog(logs_folder() / "machine.json"))
    watch: MachineWatch = app.extensions[_WATCH]
    return watch


def machine() -> MachineWatch:
    """That of the application that answers just now."""
    return watch_of(current_app)  # type: ignore[arg-type]


@blueprint.get("/system")
@blueprint.output(SystemOut)
def show_system() -> SystemOut:
    """Processor, memory, disk, GPUs and environments, now."""
    found = system.look()
    plain = {name: value for name, value in vars(found).items() if name not in ("gpus", "environments")}
    return SystemOut(
        **plain,
        gpus=[GpuOut(**asdict(gpu)) for gpu in found.gpus],
        environments=[
            EnvironmentOut(
                name=state.name, status=state.status.value, reason=printable(state.reason), ready=state.ready
            )
            for state in found.environments
        ],
    )


@blueprint.get("/system/history")
@blueprint.input(HistoryAsked, location="query")
@blueprint.output(HistoryOut)
def show_history(query_data: HistoryAsked) -> HistoryOut:
    """What processor, memory, disk and GPUs did in the last hour, or the last day."""
    samples = machine().log.since(query_data.span, query_data.since)
    known = {gpu.uuid: gpu for gpu in system.look_at_gpus()}
    uuids = dict.fromkeys((*known, *(uuid for sample in samples for uuid in sample.gpus)))
    return HistoryOut(
        span=query_data.span,
        time=[sample.time for sample in samples],
        cpu=[sample.cpu for sample in samples],
        memory=[sample.memory for sample in samples],
        disk=[sample.disk for sample in samples],
        gpus=[_gpu_history(uuid, known.get(uuid), samples) for uuid in uuids],
        memory_total=system.memory().total,
        disk_total=system.disk().total,
    )


def _gpu_history(uuid: str, gpu: system.Gpu | None, samples: Sequence[Sample]) -> GpuHistory:
    uses = [sample.gpus.get(uuid) for sample in samples]
    return GpuHistory(
        uuid=uuid,
        name=gpu.name if gpu else uuid,
        memory_total=gpu.memory_total if gpu else None,
        load=[use.load if use else None for use in uses],
        memory=[use.memory if use else None for use in uses],
    )


@blueprint.get("/settings")
@blueprint.output(SettingsOut)
def show_settings() -> SettingsOut:
    """Every effective setting and where it comes from; takes a second, for each step is asked."""
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(_of_step, context().pipeline.steps))
    settings = [*house_settings(), *(one for found, _ in answers for one in found)]
    return SettingsOut(
        settings=[
            SettingOut(owner=one.owner, name=one.name, value=_plain(one.value), origin=one.origin)
            for one in settings
        ],
        problems=[problem for _, problem in answers if problem],
    )


def _of_step(step: StepDefinition) -> tuple[list[Effective], str]:
    """A step's settings, or the sentence that says why it has none to tell."""
    try:
        return step_settings(step), ""
    except WorkflowError as error:
        return [], printable(str(error))


def _plain(value: object) -> object:
    return printable(str(value)) if isinstance(value, str | Path) else value
