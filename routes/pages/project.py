"""The project page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("project_page", __name__, enable_openapi=False)


@blueprint.get("/projects/<project>")
def show_project(project: str) -> str:
    """The page."""
    return render_template("error.html", message="project", hint="", code="")
