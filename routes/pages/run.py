"""The run page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("run_page", __name__, enable_openapi=False)


@blueprint.get("/runs/<int:run_id>")
def show_run(run_id: int) -> str:
    """The page."""
    return render_template("error.html", message="run", hint="", code="")
