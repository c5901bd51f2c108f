"""The settings page."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import render_template

blueprint = APIBlueprint("settings_page", __name__, enable_openapi=False)


@blueprint.get("/settings")
def show_settings() -> str:
    """The page."""
    return render_template("error.html", message="settings", hint="", code="")
