"""Whether a run has what it needs, found out before anything starts: a sentence for each thing that is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from services import gpu
from services.doctor import Finding
from services.environments import python_of
from services.pipeline import Pipeline, StepDefinition, environments_of
from services.planning import FIRST_STEP, FROM_INBOX, all_projects, arguments, ask, lack, project_at
from services.runs import RunRequest
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.ffmpeg import ffmpeg_version, find_ffmpeg
from workflow_scripts.common.paths import data_folder, inbox_folder
from workflow_scripts.common.projects import Video

#: The steps that write about as much as they read: archives unpacked, videos converted.
_CONVERSION = "STEP2"
#: Space for the other results, as a share of the videos.
_RESULTS = 0.05
#: Space that has to stay free in any case, in bytes.
_RESERVE = 200e6


def check(pipeline: Pipeline, request: RunRequest) -> list[Finding]:
    """Look at all that a request needs; starts nothing of it and changes nothing.

    Nothing may be started while one of the findings is a problem.

    Raises:
        UsageError: there is no such step or project.
    """
    pipeline.check(request.sequence)
    steps = [pipeline[key] for key in request.sequence]
    missing = [name for name in environments_of(steps) if not python_of(name).exists()]
    if missing:
        return [
            Finding(name, "problem", "The environment is missing.", f"Run scripts/setup {name}.")
            for name in missing
        ]
    looks: list[Callable[[], Finding]] = [_ffmpeg, partial(_disk, request)]
    if request.options.device != "cpu" and (on_gpu := [step for step in steps if step.slot == "gpu"]):
        looks.append(partial(_gpu, on_gpu))
    looks += [partial(_step, step, request) for step in steps]
    looks += [partial(_left_out, step) for step in left_out(pipeline, request)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda look: look(), looks))


def notes(pipeline: Pipeline, request: RunRequest) -> list[str]:
    """What is worth knowing before a request is done, a sentence each: what it goes without, and why."""
    return [f"{found.what}: {found.text}" for found in map(_left_out, left_out(pipeline, request))]


def left_out(pipeline: Pipeline, request: RunRequest) -> list[StepDefinition]:
    """The steps that nobody needs and that a request of all others, STEP1 aside, goes without."""
    there = set(request.sequence)
    absent = [step for step in pipeline.steps if step.key not in there and step.key != FIRST_STEP]
    return absent if all(step.optional for step in absent) else []


def require(findings: Sequence[Finding]) -> None:
    """Let a run pass that lacks nothing.

    Raises:
        PreconditionError: something is missing; says what and what to do, all of it.
    """
    problems = [finding for finding in findings if finding.verdict == "problem"]
    if problems:
        said = [f"{found.what}: {found.text} {found.remedy}".strip() for found in problems]
        raise PreconditionError(" ".join(dict.fromkeys(said)), hint="Nothing was started.")


def _ffmpeg() -> Finding:
    try:
        path = find_ffmpeg()
        return Finding("ffmpeg", "ok", f"{ffmpeg_version().partition(' Copyright')[0]} at {path}")
    except WorkflowError as error:
        return Finding("ffmpeg", "problem", error.message, error.hint)


def _step(definition: StepDefinition, request: RunRequest) -> Finding:
    """Ask a step itself, with the parameters of the run: models, token, packages, contradictions."""
    try:
        words = [str(python_of(definition.environment)), str(definition.path)]
        said = ask(definition, [*words, *arguments(definition, request.options), "--check"])
    except (UsageError, PreconditionError) as error:
        return Finding(definition.key, "problem", error.message.removeprefix(f"{definition.key}: "), error.hint)
    return Finding(definition.key, "ok", said.strip())


def _gpu(steps: Sequence[StepDefinition]) -> Finding:
    """What steps that can use a GPU would get; whether one refuses to do without, it says itself."""
    try:
        found = gpu.destinations(steps, gpu.standing())
    except WorkflowError as error:
        return Finding("GPU", "problem", error.message, error.hint)
    said = " ".join(f"{one.step}: {one.text.rstrip('.')}." for one in found)
    return Finding("GPU", "ok" if all(one.device == "cuda" for one in found) else "note", said)


def _left_out(definition: StepDefinition) -> Finding:
    error = lack(definition)
    if error is None:
        return Finding(definition.key, "note", "It is left out of this run.")
    said = error.message.removeprefix(f"{definition.key}: ")
    return Finding(definition.key, "note", f"It is left out. {said}", error.hint)


def _disk(request: RunRequest) -> Finding:
    """Compare free space with what the run may write, as the sizes of its videos and archives tell."""
    needed = expected_bytes(request) + _RESERVE
    folder = next(place for place in (data_folder(), *data_folder().parents) if place.is_dir())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free in {folder}, about {needed / 1e9:.1f} GB needed."
    return Finding("disk", "problem" if free < needed else "ok", text, "Make room." if free < needed else "")


def expected_bytes(request: RunRequest) -> float:
    """About how much a run will write: archives as large again, videos once where they are still to be converted.

    What comes of an archive is converted too; each step's results are a small share of the videos.
    """
    names = request.projects or (() if request.origin == FROM_INBOX else all_projects())
    videos = [video for name in names for video in project_at(name).videos()]
    inbox = float(_size(inbox_folder())) if FIRST_STEP in request.sequence else 0.0
    fresh = sum(video.path.stat().st_size for video in videos if not _is_converted(video))
    to_convert = (inbox + fresh) if _CONVERSION in request.sequence else 0.0
    others = len([key for key in request.sequence if key not in (FIRST_STEP, _CONVERSION)])
    return inbox + to_convert + others * _RESULTS * fresh


def _is_converted(video: Video) -> bool:
    return (video.workflow / f"{_CONVERSION}.json").is_file()


def _size(folder: Path) -> int:
    """The bytes of what lies in the inbox and was not dealt with."""
    if not folder.is_dir():
        return 0
    files = (path for path in folder.rglob("*") if not _is_passed_over(path.relative_to(folder).parts[0]))
    return sum(path.lstat().st_size for path in files if path.is_file())


def _is_passed_over(name: str) -> bool:
    """Whether STEP1 leaves an entry of the inbox alone: what it dealt with, and what is hidden."""
    return name == "processed" or name.startswith(".")
