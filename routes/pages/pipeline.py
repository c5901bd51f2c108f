"""The pipeline page: projects, steps, runs and the inbox, and how a run is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiflask import APIBlueprint
from flask import Response, current_app, redirect, render_template, request
from flask_babel import gettext as _

from routes.context import context
from routes.pages.frame import notice, to_notices
from routes.pages.pipeline_words import words
from services import asking, inbox_view, pipeline_view, preflight, start_form
from services.run_lines import WarningTally, run_lines
from services.runs import RunFilter, StepRun
from services.states import ACTIVE
from services.step_facts import StepFacts
from services.summaries import GRAVITY, SUMMARIES, Line
from services.upload_names import ACCEPTED
from services.uploads import CHUNK
from services.worker_lock import holder
from workflow_scripts.common.devices import DEVICES
from workflow_scripts.common.projects import VIDEO_SUFFIXES

blueprint = APIBlueprint("pipeline_page", __name__, enable_openapi=False)

#: Seconds that the page itself, and a part that is fetched afterwards, may take to read projects.
_AT_ONCE_S = 0.04
_AFTERWARDS_S = 0.4
_RUNS = 8
_ENTRIES = 12
#: Runs at work whose options are looked up.
_MOST_ACTIVE = 200
#: States by which projects can be picked.
_STATES = ("running", "queued", *GRAVITY)

#: Where an application keeps what its page remembers.
_MEMORY = "pipeline_page"


@dataclass(frozen=True)
class Memory:
    """What was read of the warnings of runs and of the parameters of steps."""

    warnings: WarningTally = field(default_factory=WarningTally)
    facts: StepFacts = field(default_factory=StepFacts)


@blueprint.get("/")
def show_pipeline() -> str:
    """The page."""
    found = {**_projects(_AT_ONCE_S), **_runs(), **_inbox()}
    return render_template(
        "pipeline/page.html",
        **found,
        accepted=",".join(ACCEPTED),
        videos=",".join(f".{suffix}" for suffix in VIDEO_SUFFIXES),
        chunk=CHUNK,
        devices=DEVICES,
        priorities=start_form.PRIORITIES,
        words=words(),
    )


@blueprint.get("/parts/pipeline/projects")
def show_projects() -> str:
    """The projects and the steps: what changes while steps work."""
    return render_template("pipeline/work.html", **_projects(_AFTERWARDS_S))


@blueprint.get("/parts/pipeline/runs")
def show_runs() -> str:
    """The newest runs."""
    return render_template("pipeline/runs.html", **_runs())


@blueprint.get("/parts/pipeline/inbox")
def show_inbox() -> str:
    """What lies in the inbox, and whether anybody is at work."""
    return render_template("pipeline/inbox.html", **_inbox())


@blueprint.get("/parts/pipeline/parameters/<step>")
def show_parameters(step: str) -> str:
    """Fields for the parameters of one step."""
    pipeline = context().pipeline
    pipeline.check([step])
    return render_template("pipeline/parameters.html", step=step, told=_memory().facts.parameters(pipeline[step]))


@blueprint.post("/parts/pipeline/plan")
def show_plan() -> str:
    """What a run would do, and whether what it needs is there; nothing is started."""
    pipeline = context().pipeline
    asked = start_form.run_request(pipeline, _fields())
    findings = preflight.check(pipeline, asked)
    ready = all(finding.verdict != "problem" for finding in findings)
    found = start_form.forecast(pipeline, asked, _lines(_AFTERWARDS_S)) if ready else []
    return render_template("pipeline/plan.html", findings=findings, ready=ready, forecasts=found, asked=asked)


@blueprint.post("/runs")
def start() -> Response:
    """Ask for a run."""
    here = context()
    detail = asking.create(here.pipeline, here.runs, start_form.run_request(here.pipeline, _fields()))
    address = f"/runs/{detail.run.id}"
    if not request.headers.get("HX-Request"):
        return redirect(address, 303)  # type: ignore[return-value]
    said = _("Run %(run)s was started.", run=detail.run.id)
    hint = "" if holder() else _("No worker is there: it begins when one is.")
    return to_notices(notice("good", said, hint, link={"address": address, "text": _("Show it")}))


def _memory() -> Memory:
    found: Memory = current_app.extensions.setdefault(_MEMORY, Memory())
    return found


def _fields() -> list[tuple[str, str]]:
    return list(request.form.items(multi=True))


def _lines(budget_s: float) -> list[Line]:
    here = context()
    optional = {step.key for step in here.pipeline.steps if step.optional}
    return SUMMARIES.look(here.video_steps, budget_s, optional)


def _projects(budget_s: float) -> dict[str, Any]:
    here = context()
    lines = _lines(budget_s)
    active = here.runs.steps.active()
    at_work = pipeline_view.at_work_on(active)
    shown = [
        (line, at_work.get(line.name), pipeline_view.line_state(line, at_work.get(line.name))) for line in lines
    ]
    return {
        "lines": shown,
        "states": [(state, sum(one == state for _line, _step, one in shown)) for state in _STATES],
        "unknown": sum(line.summary is None for line in lines),
        "cards": _cards(lines, active),
        "numbers": {step.key: step.number for step in here.pipeline.steps},
    }


def _cards(lines: list[Line], active: list[StepRun]) -> list[pipeline_view.StepCard]:
    here = context()
    runs = here.runs.page(RunFilter(ACTIVE), limit=_MOST_ACTIVE).runs
    return pipeline_view.step_cards(
        here.pipeline,
        lines,
        active,
        {run.id: run.request.options.device for run in runs},
        here.runs.steps.videos,
        _memory().warnings.of(here.database, active),
    )


def _runs() -> dict[str, Any]:
    here = context()
    return {
        "runs": run_lines(here.database, here.runs, _RUNS),
        "numbers": {step.key: step.number for step in here.pipeline.steps},
    }


def _inbox() -> dict[str, Any]:
    return {"inbox": inbox_view.look_into_inbox(_ENTRIES), "holder": holder()}
