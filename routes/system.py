"""The machine and the settings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from apiflask import APIBlueprint

from routes.context import context
from routes.models.system import EnvironmentOut, GpuOut, SettingOut, SettingsOut, SystemOut
from services import system
from services.configuration import Effective, house_settings, step_settings
from services.pipeline import StepDefinition
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable

blueprint = APIBlueprint("system", __name__, url_prefix="/api")


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
