"""The history page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("history_page", __name__, enable_openapi=False)


@blueprint.get("/history")
def show_history() -> str:
    """The page."""
    return render_template("error.html", message="history", hint="", code="")
