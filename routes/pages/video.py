"""The page of a video: the picture with its faces, and what each step found, on one time axis."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import render_template

from routes.context import context
from routes.pages.video_words import video_words
from services.known_statuses import STATUSES
from services.names import Named
from services.projects import find_project
from services.viewing.sources import STEP_OF, find_viewed

blueprint = APIBlueprint("video_page", __name__, enable_openapi=False)


@blueprint.get("/projects/<project>/videos/<video>")
def show_video(project: str, video: str) -> str:
    """The page; what it draws, it asks /api for."""
    return render_template("video/page.html", words=video_words(), **_told(project, video))


@blueprint.get("/parts/video/<project>/<video>/results")
def show_results(project: str, video: str) -> str:
    """How the steps stand, and their quality gates."""
    return render_template("video/part.html", **_told(project, video))


def _told(project: str, video: str) -> dict[str, Any]:
    """What the templates need of a video."""
    found = find_viewed(find_project(project), video)
    return {
        "project": Named.of(found.project.name),
        "video": Named.of(found.name),
        "steps": STATUSES.of_video(found, context().video_steps).steps,
        "viewed": tuple(STEP_OF.values()),
    }
