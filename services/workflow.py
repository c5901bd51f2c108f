"""Running the pipeline over projects: which steps, on what, with what result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.configuration import general_settings
from services.environments import nvidia_gpus, python_of
from services.foreground import Slots, StepReport, run_steps
from services.pipeline import Pipeline, StepDefinition, environments_of
from services.status import VideoStatus, project_status
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Project, named_path, projects_in

#: The step that makes projects; it works on the inbox, the others on projects.
FIRST_STEP = "STEP1"
#: The steps whose computing device may be chosen.
DEVICE_SLOT = "gpu"


@dataclass(frozen=True)
class RunRequest:
    """What a person asks for: which projects (none is the inbox and all projects), which steps, how."""

    projects: tuple[Project, ...] = ()
    steps: str | None = None
    device: str | None = None
    force: bool = False
    dry_run: bool = False


def find_projects(names: Sequence[str]) -> tuple[Project, ...]:
    """The projects that names or paths mean.

    Raises:
        UsageError: there is no such project.
    """
    found = []
    for name in names:
        path = named_path(name)
        if not path.is_dir():
            known = ", ".join(project.name for project in projects_in(projects_folder())) or "none yet"
            raise UsageError(f"{name}: there is no such project.", hint=f"Known projects: {known}.")
        found.append(Project.at(path))
    return tuple(found)


def chosen_steps(pipeline: Pipeline, request: RunRequest) -> tuple[StepDefinition, ...]:
    """The steps of a request; with projects named and no steps, all but the one that makes projects."""
    steps = pipeline.select(request.steps)
    if request.projects and request.steps is None:
        return tuple(step for step in steps if step.key != FIRST_STEP)
    return steps


def run(pipeline: Pipeline, request: RunRequest, show: Callable[[str], None]) -> list[StepReport]:
    """Run the steps of a request in the foreground; `show` takes each line they print.

    Raises:
        PreconditionError: an environment of one of the steps is missing; nothing was started.
    """
    steps = chosen_steps(pipeline, request)
    missing = [name for name in environments_of(steps) if not python_of(name).exists()]
    if missing:
        names = " ".join(missing)
        raise PreconditionError(f"Missing environments: {names}.", hint=f"Run scripts/setup {names}.")
    slots = Slots(cpu=general_settings().cpu_slots, gpu=len(nvidia_gpus()))
    commands = {step.key: _command(step, request) for step in steps}
    return run_steps(pipeline, steps, commands, slots, show)


def _command(step: StepDefinition, request: RunRequest) -> Callable[[], list[str] | None]:
    """What makes a step's command line once its turn has come: only then is known which projects there are."""

    def command() -> list[str] | None:
        if step.key == FIRST_STEP:
            targets = []
        else:
            targets = [str(p.root) for p in request.projects or projects_in(projects_folder()) if p.videos()]
            if not targets:
                return None
        options = ["--device", request.device] if request.device and step.slot == DEVICE_SLOT else []
        options += ["--force"] if request.force else []
        options += ["--dry-run"] if request.dry_run else []
        return [str(python_of(step.environment)), str(step.path), *targets, *options]

    return command


def statuses(pipeline: Pipeline, projects: Sequence[Project]) -> dict[str, list[VideoStatus]]:
    """Per project, every video's status in the steps that work on videos; equal names are told apart by path."""
    keys = [step.key for step in pipeline.steps if step.key != FIRST_STEP]
    found: dict[str, list[VideoStatus]] = {}
    for project in projects or projects_in(projects_folder()):
        name = project.name if project.name not in found else str(project.root)
        found[name] = project_status(project, keys)
    return found
