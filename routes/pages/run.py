"""The run page: what is done, how each step and video stands, what they print, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from flask_babel import gettext as _

from routes.context import context
from services import asking, configuration, run_figures, run_view, shell_commands
from services.names import Named
from services.runs import RunDetail, StepRun, UnknownRun
from services.runs.latest_events import events_before, kinds_of
from services.worker_lock import holder
from workflow_scripts.common.errors import WorkflowError

blueprint = APIBlueprint("run_page", __name__, enable_openapi=False)

#: Events that are listed at once.
_EVENTS = 100
#: Projects that are named in the head of a run.
NAMED = 8


@blueprint.get("/runs/<int:run_id>")
def show_run(run_id: int) -> str:
    """The page, with one of its step runs in detail: `step`, else the one that is worth a look."""
    detail = context().runs.show(run_id)
    asked = request.args.get("step", type=int)
    chosen = _step(detail, asked) if asked is not None else run_view.worth_showing(detail)
    values = {
        **_head(detail),
        **_table(detail, chosen.id if chosen else None),
        **(_facts(detail, chosen) if chosen else {"step": None}),
        "command": shell_commands.run_command(detail.run.request),
        "words": _words(),
    }
    return render_template("run/page.html", **values)


@blueprint.get("/parts/run/<int:run_id>/head")
def show_head(run_id: int) -> str:
    """How the run stands, and what can be asked of it."""
    return render_template("run/head.html", **_head(context().runs.show(run_id)))


@blueprint.get("/parts/run/<int:run_id>/table")
def show_table(run_id: int) -> str:
    """Its projects and steps."""
    detail = context().runs.show(run_id)
    return render_template("run/table.html", **_table(detail, request.args.get("step", type=int)))


@blueprint.get("/parts/run/<int:run_id>/steps/<int:step_run>")
def show_step(run_id: int, step_run: int) -> str:
    """One step run, with its log."""
    detail = context().runs.show(run_id)
    return render_template("run/step.html", **_facts(detail, _step(detail, step_run)))


@blueprint.get("/parts/run/<int:run_id>/steps/<int:step_run>/facts")
def show_facts(run_id: int, step_run: int) -> str:
    """The part of that which changes with the work."""
    detail = context().runs.show(run_id)
    return render_template("run/facts.html", **_facts(detail, _step(detail, step_run)))


@blueprint.get("/parts/run/<int:run_id>/steps/<int:step_run>/parameters")
def show_parameters(run_id: int, step_run: int) -> str:
    """What a step run worked with, and where each value came from; `now` is what the step would work with now."""
    here = context()
    detail = here.runs.show(run_id)
    step = _step(detail, step_run)
    if "now" in request.args:
        here.pipeline.check([step.step])
        now = configuration.step_settings(here.pipeline[step.step])
        rows = [run_figures.ParameterRow(one.name, one.value, one.origin, 1) for one in now]
    else:
        found = run_figures.figures(detail.run, step, here.runs.steps.videos(step.id))
        rows = run_figures.parameters(found.videos)
    return render_template("run/parameters.html", run=detail.run, step=step, rows=rows, now="now" in request.args)


@blueprint.get("/parts/run/<int:run_id>/events")
def show_events(run_id: int) -> str:
    """What happened, newest first."""
    here = context()
    detail = here.runs.show(run_id)
    kind, before = request.args.get("kind") or None, request.args.get("before", type=int)
    found = events_before(here.database, run_id, before, kind, _EVENTS)
    steps = {step.id: step for step in detail.steps}
    return render_template(
        "run/events.html",
        run=detail.run,
        events=[run_view.said(event, steps) for event in found],
        kinds=kinds_of(here.database, run_id),
        kind=kind,
        before=before,
        older=found[-1].id if len(found) == _EVENTS else None,
    )


@blueprint.post("/runs/<int:run_id>/cancel")
def cancel(run_id: int) -> Response:
    """Cancel what waits, and ask for the end of what runs."""
    return _ask(context().runs.cancel, run_id)


@blueprint.post("/runs/<int:run_id>/pause")
def pause(run_id: int) -> Response:
    """Ask that what runs pauses, and that nothing more begins."""
    return _ask(context().runs.pause, run_id)


@blueprint.post("/runs/<int:run_id>/resume")
def resume(run_id: int) -> Response:
    """Go on with what was paused."""
    return _ask(context().runs.resume, run_id)


@blueprint.post("/runs/<int:run_id>/retry")
def retry(run_id: int) -> Response:
    """A new run of what this one left undone; the browser goes there."""
    here = context()
    return _go(asking.retry(here.pipeline, here.runs, run_id, "dashboard").run.id)


def _ask(ask: Callable[[int], RunDetail], run_id: int) -> Response:
    """Live events bring the page up to date; a browser without scripts is sent to it."""
    ask(run_id)
    return Response(status=204) if request.headers.get("HX-Request") else _go(run_id)


def _go(run_id: int) -> Response:
    address = f"/runs/{run_id}"
    if request.headers.get("HX-Request"):
        return Response(status=204, headers={"HX-Redirect": address})
    return redirect(address, 303)  # type: ignore[return-value]


def _head(detail: RunDetail) -> dict[str, Any]:
    run, steps = detail.run, detail.steps
    active = [step for step in steps if step.active]
    waits = any(step.pause_requested for step in active)
    return {
        "run": run,
        "state": "paused" if active and all(step.pause_requested for step in active) else run.state,
        "projects": [(Named.of(name), run_view.project_link(name)) for name in run.request.projects[:NAMED]],
        "more": len(run.request.projects) - NAMED,
        "can": {
            "pause": any(not step.pause_requested for step in active),
            "resume": waits,
            "cancel": any(step.active or step.state == "interrupted" for step in steps),
            "retry": not run.active and bool(detail.to_retry),
        },
        "ending": any(step.cancel_requested and step.active for step in steps),
        "undone": len(detail.to_retry),
        "nobody": run.active and holder() is None,
    }


def _table(detail: RunDetail, chosen: int | None) -> dict[str, Any]:
    videos = context().runs.steps.videos_of_run(detail.run.id)
    return {"run": detail.run, "table": run_view.table(detail, videos), "chosen": chosen}


def _facts(detail: RunDetail, step: StepRun) -> dict[str, Any]:
    found = run_figures.figures(detail.run, step, context().runs.steps.videos(step.id))
    return {
        "run": detail.run,
        "step": step,
        "shown": run_view.shown_state(step),
        "project": Named.of(step.project) if step.project is not None else None,
        "link": run_view.project_link(step.project),
        "figures": found,
        "step_command": _command(detail, step),
    }


def _command(detail: RunDetail, step: StepRun) -> str | None:
    """The command of a step run; None where its step or project is there no more."""
    here = context()
    try:
        here.pipeline.check([step.step])
        return shell_commands.step_command(here.pipeline[step.step], step.project, detail.run.request.options)
    except WorkflowError:
        return None


def _step(detail: RunDetail, number: int) -> StepRun:
    found = next((step for step in detail.steps if step.id == number), None)
    if found is None:
        raise UnknownRun(f"step run of run {detail.run.id} with the number", number)
    return found


def _words() -> dict[str, str]:
    """The texts that the page's scripts need."""
    return {
        "copied": _("Copied"),
        "no_log": _("There is no log yet: the step has not begun."),
        "gone": _("There is no log of it: the step was not begun, or its log has been cleared."),
        "matches": _("%(now)s of %(all)s"),
        "none": _("Nothing found"),
        "searching": _("Searching…"),
        "earlier": _("Show earlier lines"),
        "later": _("Show later lines"),
        "left_out": _("… %(count)s bytes were not kept …"),
        "no_answer": _("The log cannot be read just now; it is tried again."),
    }
