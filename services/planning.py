"""From what somebody asks for to the step runs that do it, and a list of what they would do."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.environments import python_of
from services.pipeline import Pipeline, StepDefinition
from services.runs import PlannedStep, RunOptions, RunRequest
from services.supervision.step_command import step_environment
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT, config_folder, data_folder, projects_folder
from workflow_scripts.common.projects import Project, projects_in

#: The step that makes projects; it works on the inbox, the others on projects.
FIRST_STEP = "STEP1"
#: The steps whose computing device may be chosen.
DEVICE_SLOT = "gpu"
#: Where runs come from that somebody's file in the inbox began; they do nothing for projects that were there.
FROM_INBOX = "inbox"
_PARAMETER = re.compile(r"[a-z][a-z0-9_]*")
#: Options that every step has; as parameters of a run they would be something else.
_NOT_PARAMETERS = ("config", "device", "force", "dry_run", "check", "show_config", "help")
#: Steps that are asked at once for what they would do.
_AT_ONCE = 2


@dataclass(frozen=True)
class WouldDo:
    """What a step would do about one video (or archive): `reason` is `new`, `input changed: …`, `up to date`, …"""

    step: str
    project: str | None
    video: str
    reason: str


def project_folder(name: str) -> Path:
    """The folder that a run's name of a project means, whether it is there or not."""
    return Path(name) if os.sep in name else projects_folder() / name


def project_at(name: str) -> Project:
    """The project of a name: a folder among the projects, or the folder at an absolute path.

    Raises:
        UsageError: there is no such project.
    """
    path = project_folder(name)
    if not name or name in (".", "..") or not path.is_dir():
        known = ", ".join(project.name for project in projects_in(projects_folder())) or "none yet"
        raise UsageError(f"{printable(name)}: there is no such project.", hint=f"Known projects: {known}.")
    return Project.at(path)


def name_of(project: Project) -> str:
    """What a run calls a project: its folder's name, or its path where it does not lie among the projects."""
    return project.name if project.root.parent == projects_folder() else str(project.root)


def all_projects() -> tuple[str, ...]:
    """The names of all projects, those without videos too."""
    return tuple(name_of(project) for project in projects_in(projects_folder()))


def chosen(pipeline: Pipeline, wanted: str | None, named: Collection[str] = ()) -> tuple[str, ...]:
    """The steps that a text chooses (as `Pipeline.select`), without optional ones that lack something.

    Such a step is left out only of a range or of all: where the text or `named` says its name it stays, and the
    preconditions of the run tell what it lacks.

    Raises:
        UsageError: a name or a range that is not in the graph.
    """
    keep = {*pipeline.named(wanted), *named}
    steps = pipeline.select(wanted)
    return tuple(one.key for one in steps if not one.optional or one.key in keep or lack(one) is None)


def lack(definition: StepDefinition, options: RunOptions = RunOptions()) -> WorkflowError | None:  # noqa: B008
    """What a step says that it lacks, with the parameters of a run; None where it could start."""
    try:
        words = [str(python_of(definition.environment)), str(definition.path)]
        ask(definition, [*words, *arguments(definition, options), "--check"])
    except (UsageError, PreconditionError) as error:
        return error
    return None


def plan(pipeline: Pipeline, request: RunRequest) -> list[PlannedStep]:
    """The step runs of a request: one per project with videos and step, in the order asked for.

    STEP1 is there once and has no project; the projects that it will make are planned when it is done
    (`plan_made`). Without a project all that are there are worked on; from the inbox, only what it brings.

    Raises:
        UsageError: there is no such step, project or parameter name.
    """
    pipeline.check([*request.sequence, *request.options.parameters])
    if not request.sequence or len(set(request.sequence)) < len(request.sequence):
        raise UsageError("A run needs at least one step, and each only once.")
    for key in request.sequence:
        arguments(pipeline[key], request.options)
    projects = request.projects or (() if request.origin == FROM_INBOX else all_projects())
    first = [PlannedStep(FIRST_STEP)] if FIRST_STEP in request.sequence else []
    return [*first, *plan_made(request, projects)]


def plan_made(request: RunRequest, projects: Sequence[str]) -> list[PlannedStep]:
    """The step runs of a request for projects that have videos: project after project."""
    keys = [key for key in request.sequence if key != FIRST_STEP]
    worth = [name for name in dict.fromkeys(projects) if project_at(name).videos()]
    return [PlannedStep(key, name) for name in worth for key in keys]


def command(definition: StepDefinition, project: str | None, options: RunOptions) -> list[str]:
    """The command line of a step for one project; every path in it is absolute.

    Raises:
        UsageError: there is no such project, or a parameter has no such name.
    """
    targets = [] if project is None else [str(project_at(project).root)]
    python = str(python_of(definition.environment))
    return [python, str(definition.path), *targets, *arguments(definition, options)]


def arguments(definition: StepDefinition, options: RunOptions) -> list[str]:
    """The options of a step for one run, each a word of its own, so that no value is taken for an option.

    Raises:
        UsageError: a parameter's name is none.
    """
    words = ["--device", options.device] if options.device and definition.slot == DEVICE_SLOT else []
    words += ["--force"] if options.force else []
    for name, value in options.parameters.get(definition.key, {}).items():
        if not _PARAMETER.fullmatch(name) or name in _NOT_PARAMETERS:
            raise UsageError(f"{definition.key}: there is no parameter {name!r}.")
        words += _flag(name.replace("_", "-"), value)
    return words


def environment_of(definition: StepDefinition, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a step; it runs in another folder than this process, so paths are made absolute."""
    folders = {"WORKFLOW_DATA_DIR": str(data_folder()), "WORKFLOW_CONFIG_DIR": str(config_folder())}
    return step_environment(definition.variables, {**folders, **(more or {})})


def _flag(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}={value}"]


def dry_run(pipeline: Pipeline, request: RunRequest) -> list[WouldDo]:
    """What each step of a request would do about each video, and why, as the steps themselves say.

    A step that waits for another's result says so; nothing is started and nothing written.

    Raises:
        UsageError: there is no such step or project, or a step refuses its parameters.
        PreconditionError: a step lacks what it needs.
    """
    planned = plan(pipeline, request)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda step: _would_do(pipeline[step.step], step.project, request.options), planned)
        return [row for rows in found for row in rows]


def _would_do(definition: StepDefinition, project: str | None, options: RunOptions) -> list[WouldDo]:
    lines = ask(definition, [*command(definition, project, options), "--dry-run"]).splitlines()
    videos = project_at(project).videos() if project is not None else []
    names = {printable(video.name): video.name for video in (*videos, *(video.converted for video in videos))}
    rows = []
    for line in lines:
        shown = max((name for name in names if line.startswith(f"{name}: ")), key=len, default=None)
        if shown is None:  # of STEP1: an archive
            shown, colon, _ = line.partition(": ")
            if not colon:  # nothing to do
                continue
        rows.append(WouldDo(definition.key, project, names.get(shown, shown), line[len(shown) + 2 :]))
    return rows


def ask(definition: StepDefinition, words: Sequence[str]) -> str:
    """What a step's script answers on standard output, for what it does without working.

    Raises:
        UsageError, PreconditionError: as the step's exit status says, in the step's own words.
    """
    if not Path(words[0]).exists():
        text = f"{definition.key}: the environment {definition.environment} is missing."
        raise PreconditionError(text, hint=f"Run scripts/setup {definition.environment}.")
    environment = environment_of(definition)
    answer = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, cwd=ROOT, env=environment
    )
    if answer.returncode == 0:
        return answer.stdout
    said = (answer.stderr.strip().splitlines() or [f"it ended with exit status {answer.returncode}"])[-1]
    kind = UsageError if answer.returncode == UsageError.exit_code else PreconditionError
    raise kind(f"{definition.key}: {said}")
