"""The system page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("system_page", __name__, enable_openapi=False)


@blueprint.get("/system")
def show_system() -> str:
    """The page."""
    return render_template("error.html", message="system", hint="", code="")
