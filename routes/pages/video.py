"""The video page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("video_page", __name__, enable_openapi=False)


@blueprint.get("/projects/<project>/videos/<video>")
def show_video(project: str, video: str) -> str:
    """The page."""
    return render_template("error.html", message="video", hint="", code="")
