"""Runs: asked for, listed, shown, cancelled, held, tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from apiflask import APIBlueprint

from routes.context import context
from routes.models.common import Name
from routes.models.runs import (
    FindingOut,
    PlanEntry,
    PlanOut,
    RunAsked,
    RunDetailOut,
    RunList,
    RunOut,
    RunsAsked,
)
from services import asking, planning, preflight
from services.names import name_of
from services.runs import RunDetail, RunFilter, RunRequest
from services.states import State
from workflow_scripts.common.events import printable

blueprint = APIBlueprint("runs", __name__, url_prefix="/api/runs")


@blueprint.post("")
@blueprint.input(RunAsked)
@blueprint.output(RunDetailOut, status_code=201)
def create_run(json_data: RunAsked) -> RunDetailOut:
    """Ask for a run; the worker begins it as soon as there is a place."""
    here = context()
    return _shown(asking.create(here.pipeline, here.runs, _request(json_data)))


@blueprint.post("/plan")
@blueprint.input(RunAsked)
@blueprint.output(PlanOut)
def plan_run(json_data: RunAsked) -> PlanOut:
    """What a run would do and why, and whether what it needs is there; nothing is started or written."""
    pipeline, request = context().pipeline, _request(json_data)
    findings = [
        FindingOut(
            what=found.what, verdict=found.verdict, text=printable(found.text), remedy=printable(found.remedy)
        )
        for found in preflight.check(pipeline, request)
    ]
    ready = all(found.verdict != "problem" for found in findings)
    entries = [
        PlanEntry(
            step=entry.step,
            project=Name.of(entry.project) if entry.project is not None else None,
            video=Name.of(entry.video) if entry.video else None,
            reason=printable(entry.reason),
        )
        for entry in (planning.dry_run(pipeline, request) if ready else ())
    ]
    return PlanOut(ready=ready, findings=findings, entries=entries)


@blueprint.get("")
@blueprint.input(RunsAsked, location="query")
@blueprint.output(RunList)
def list_runs(query_data: RunsAsked) -> RunList:
    """Runs that pass a filter, newest first."""
    states = tuple(cast(State, word) for word in (query_data.state or "").split(",") if word)
    project = name_of(query_data.project) if query_data.project is not None else None
    if query_data.project is not None and project is None:
        return RunList(runs=[], total=0, older=None)
    wanted = RunFilter(states, query_data.origin, project, query_data.step)
    page = context().runs.page(wanted, before=query_data.before, limit=query_data.limit)
    return RunList(runs=[RunOut.at(run) for run in page.runs], total=page.total, older=page.older)


@blueprint.get("/<int:run_id>")
@blueprint.output(RunDetailOut)
def show_run(run_id: int) -> RunDetailOut:
    """One run with its step runs and their videos."""
    return _shown(context().runs.show(run_id))


@blueprint.post("/<int:run_id>/cancel")
@blueprint.output(RunDetailOut)
def cancel_run(run_id: int) -> RunDetailOut:
    """Cancel what waits at once, and ask for the end of what runs."""
    return _ask(context().runs.cancel, run_id)


@blueprint.post("/<int:run_id>/pause")
@blueprint.output(RunDetailOut)
def pause_run(run_id: int) -> RunDetailOut:
    """Ask that what runs pauses, and that nothing more begins."""
    return _ask(context().runs.pause, run_id)


@blueprint.post("/<int:run_id>/resume")
@blueprint.output(RunDetailOut)
def resume_run(run_id: int) -> RunDetailOut:
    """Go on with a paused run."""
    return _ask(context().runs.resume, run_id)


@blueprint.post("/<int:run_id>/retry")
@blueprint.output(RunDetailOut, status_code=201)
def retry_run(run_id: int) -> RunDetailOut:
    """A new run of all that a run left undone."""
    here = context()
    return _shown(asking.retry(here.pipeline, here.runs, run_id, "dashboard"))


def _request(asked: RunAsked) -> RunRequest:
    return asking.run_request(
        context().pipeline,
        asked.sequence,
        asked.projects,
        force=asked.force,
        device=asked.device,
        parameters=asked.parameters,
        priority=asked.priority,
    )


def _ask(request: Callable[[int], RunDetail], run_id: int) -> RunDetailOut:
    return _shown(request(run_id))


def _shown(detail: RunDetail) -> RunDetailOut:
    steps = context().runs.steps
    return RunDetailOut.of(detail, {step.id: steps.videos(step.id) for step in detail.steps if step.started})
