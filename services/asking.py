"""From what people and programs ask for to a run in the store, everything checked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services import planning, preflight
from services.configuration import check_parameters
from services.pipeline import Pipeline
from services.projects import find_project
from services.runs import RunDetail, RunOptions, RunRequest, Runs
from services.states import TransitionError
from workflow_scripts.common.errors import UsageError


def run_request(
    pipeline: Pipeline,
    sequence: str | Sequence[str],
    projects: Sequence[str],
    *,
    force: bool = False,
    device: str | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    priority: int = 0,
) -> RunRequest:
    """A request whose steps, projects and parameters are all there.

    Args:
        pipeline: the graph.
        sequence: `all`, a text as `Pipeline.select` takes it, or steps in the wanted order.
        projects: keys or names; none is the inbox and all projects.
        force, device, parameters, priority: as in RunRequest.

    Raises:
        UsageError: something of it is not there, or not allowed.
    """
    named = tuple(dict.fromkeys(find_project(key).name for key in projects))
    everything = sequence in ("all", "")
    texts = [None] if everything else [sequence] if isinstance(sequence, str) else list(sequence)
    keys = [key for text in texts for key in planning.chosen(pipeline, text, parameters or ())]
    if everything and named:
        keys = [key for key in keys if key != planning.FIRST_STEP]
    options = RunOptions(force, device, {step: dict(values) for step, values in (parameters or {}).items()})
    check_parameters(pipeline, options)
    return RunRequest(tuple(keys), named, options, priority)


def create(pipeline: Pipeline, runs: Runs, request: RunRequest) -> RunDetail:
    """Write a run that lacks nothing.

    Raises:
        UsageError: there is nothing to do, or something asked for is not there.
        PreconditionError: something it needs is missing; nothing was written.
        Conflict: another run holds the work.
    """
    preflight.require(preflight.check(pipeline, request))
    planned = planning.plan(pipeline, request)
    if not planned:
        raise UsageError("There is nothing to work on: no project has a video.")
    return runs.create(request, planned)


def retry(pipeline: Pipeline, runs: Runs, run_id: int, origin: str) -> RunDetail:
    """Write a run that does what another one left undone, as far as the graph still has its steps.

    Raises:
        TransitionError: that one is not over, or left nothing undone.
        PreconditionError, Conflict: as for `create`.
        UnknownRun: there is no such run.
    """
    before = runs.show(run_id)
    known = {step.key for step in pipeline.steps}
    undone = [step for step in before.to_retry if step.step in known]
    if before.run.active or not undone:
        raise TransitionError(str(before.run), before.run.state, "retried")
    request = replace(
        before.run.request,
        sequence=tuple(dict.fromkeys(step.step for step in undone)),
        projects=tuple(dict.fromkeys(step.project for step in undone if step.project is not None)),
        origin=origin,
        retry_of=run_id,
    )
    preflight.require(preflight.check(pipeline, request))
    return runs.create(request, undone)
