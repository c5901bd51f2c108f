"""The project page: its videos in every step, why one is not good, what to do about it, and what the steps left."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from flask_babel import gettext as _

from routes.context import context
from routes.pages.frame import notice, to_notices
from services import asking, foresight, project_view, projects, zip_stream
from services.known_statuses import STATUSES
from services.names import Named, name_of
from services.runs import RunFilter, RunRequest
from services.status import VideoStatus
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.projects import Project

blueprint = APIBlueprint("project_page", __name__, enable_openapi=False)

#: Files that are listed at once.
_FILES = 100
#: Videos that an answer of what a run would do names one by one.
_NAMED = 50


@blueprint.get("/projects/<project>")
def show_project(project: str) -> str:
    """The page."""
    found = projects.find_project(project)
    return render_template("project/page.html", **_matrix(found), delivers=_delivers())


@blueprint.get("/parts/project/<project>/matrix")
def show_matrix(project: str) -> str:
    """Its videos in every step."""
    return render_template("project/matrix.html", **_matrix(projects.find_project(project)))


@blueprint.get("/parts/project/<project>/cell/<video>/<step>")
def show_cell(project: str, video: str, step: str) -> str:
    """One step of one video: the reason, the figures, and how to do it again."""
    return render_template("project/cell.html", **_cell(project, video, step))


@blueprint.get("/parts/project/<project>/facts/<video>/<step>")
def show_facts(project: str, video: str, step: str) -> str:
    """The part of that which changes with the work."""
    return render_template("project/facts.html", **_cell(project, video, step))


@blueprint.get("/parts/project/<project>/plan")
def show_plan(project: str) -> str:
    """What a run would do, as its steps say."""
    found = foresight.foresee(context().pipeline, _request(project, request.args))
    return render_template("project/plan.html", foreseen=found, named=_NAMED)


@blueprint.get("/parts/project/<project>/delivery")
def show_delivery(project: str) -> str:
    """What would be delivered, and where to."""
    found = projects.find_project(project)
    pipeline, statuses = context().pipeline, STATUSES.of(found, context().video_steps)
    would = foresight.delivery(pipeline, found, statuses)
    return render_template(
        "project/delivery.html",
        project=Named.of(found.name),
        delivery=would,
        step=foresight.DELIVERY,
        named=_NAMED,
        work=project_view.work_on(found, context().runs.steps.active()).get(foresight.DELIVERY),
    )


@blueprint.get("/parts/project/<project>/files")
def show_files(project: str) -> str:
    """What the steps left, or a part of it."""
    found = projects.find_project(project)
    asked = request.args
    chosen = {name: asked[name] for name in ("video", "step", "videos") if asked.get(name)}
    left = projects.artifacts(found, context().video_steps)
    wanted = zip_stream.chosen(
        left,
        video=name_of(chosen["video"]) if "video" in chosen else None,
        step=chosen.get("step"),
        videos="videos" in chosen,
    )
    offset = max(0, asked.get("offset", 0, int))
    return render_template(
        "project/files.html",
        project=Named.of(found.name),
        files=[(artifact, Named.of(artifact.video)) for artifact in wanted[offset : offset + _FILES]],
        asked=chosen,
        query=urlencode(chosen),
        offset=offset,
        videos=[Named.of(status.video.name) for status in STATUSES.of(found, context().video_steps)],
        steps=context().video_steps,
        older=offset + _FILES if len(wanted) > offset + _FILES else None,
        total=len(wanted),
        size=sum(artifact.size for artifact in wanted),
    )


@blueprint.post("/projects/<project>/start")
def start(project: str) -> Response:
    """Ask for a run of steps for this project."""
    here = context()
    detail = asking.create(here.pipeline, here.runs, _request(project, request.form))
    address = f"/runs/{detail.run.id}"
    if not request.headers.get("HX-Request"):
        return redirect(address, 303)  # type: ignore[return-value]
    said = _("Run %(run)s was started.", run=detail.run.id)
    return to_notices(notice("good", said, link={"address": address, "text": _("Show it")}))


def _request(project: str, asked: Any) -> RunRequest:
    """What a form asks for.

    Raises:
        UsageError: it names no step, or one that is not there.
    """
    sequence = asked.get("sequence", "")
    if not sequence:
        raise UsageError("No step was chosen.")
    found = projects.find_project(project)
    return asking.run_request(context().pipeline, sequence, [found.name], force=bool(asked.get("force")))


def _matrix(found: Project) -> dict[str, Any]:
    here = context()
    work = project_view.work_on(found, here.runs.steps.active())
    only = bool(request.args.get("attention"))
    statuses = STATUSES.of(found, here.video_steps)
    busy = project_view.at_work(work, here.runs.steps.videos)
    matrix = project_view.matrix(here.pipeline, found, statuses, work, busy, attention_only=only)
    return {"matrix": matrix, "project": matrix.project, "attention_only": only}


def _cell(project: str, video: str, step: str) -> dict[str, Any]:
    here = context()
    found = projects.find_project(project)
    here.pipeline.check([step])
    statuses = STATUSES.of(found, here.video_steps)
    at = _index(statuses, video)
    if step not in statuses[at].steps:
        raise projects.UnknownName("This step does not work on videos.")
    work = project_view.work_on(found, here.runs.steps.active())
    busy = project_view.at_work(work, here.runs.steps.videos)
    matrix = project_view.matrix(here.pipeline, found, statuses, work, busy)
    return {
        "project": matrix.project,
        "video": matrix.rows[at].video,
        "cell": next(cell for cell in matrix.rows[at].cells if cell.step == step),
        "column": next(column for column in matrix.columns if column.step.key == step),
        "dependents": [key for key in project_view.dependents(here.pipeline, step) if key in statuses[at].steps],
        "missing": project_view.missing_needs(here.pipeline, statuses[at], step),
        "total": len(statuses),
        "work": work.get(step),
        "last": next(iter(here.runs.page(RunFilter(project=found.name, step=step), limit=1).runs), None),
    }


def _index(statuses: list[VideoStatus], key: str) -> int:
    """Where a video is among the statuses.

    Raises:
        UnknownName: it is not.
    """
    name = name_of(key)
    for index, status in enumerate(statuses):
        if name in (status.video.name, status.video.converted.name):
            return index
    raise projects.UnknownName("There is no such video in this project.")


def _delivers() -> bool:
    return any(step.key == foresight.DELIVERY for step in context().pipeline.steps)
