"""The pipeline page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("pipeline_page", __name__, enable_openapi=False)


@blueprint.get("/")
def show_pipeline() -> str:
    """The page."""
    return render_template("error.html", message="pipeline", hint="", code="")
