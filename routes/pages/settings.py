"""The settings page: every setting with origin and meaning; those that may be changed are changed here."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, make_response, render_template, request
from flask_babel import LazyString, lazy_gettext

from routes.context import context
from routes.pages.system import desk
from services import setting_edits
from services.setting_rows import HOUSE, SettingRow
from workflow_scripts.common.errors import UsageError, WorkflowError
from workflow_scripts.common.events import printable

blueprint = APIBlueprint("settings_page", __name__, enable_openapi=False)

#: When a changed value counts, in words.
EFFECTS: dict[str, LazyString] = {
    "now": lazy_gettext("Counts at once."),
    "begin": lazy_gettext("Counts for steps that begin from now on."),
    "worker": lazy_gettext("Counts once the worker was restarted."),
    "server": lazy_gettext("Counts once this server was restarted."),
    "setup": lazy_gettext("Counts the next time an environment is made."),
}
#: Why a setting is not changed here, in words; `%(variable)s` names what sets it.
LOCKS: dict[str, LazyString] = {
    "environment": lazy_gettext(
        "Set by the environment variable %(variable)s, which comes first. Change it there."
    ),
    "dotenv": lazy_gettext("Set by %(variable)s in .env, which comes before the parameter file. Change it there."),
    "place": lazy_gettext("Decides where everything lies. Set %(variable)s where the server is started."),
    "reach": lazy_gettext("Decides who can reach this server. Set %(variable)s in .env and restart the server."),
    "program": lazy_gettext("Names a program to run. Set %(variable)s in .env and restart server and worker."),
}


@blueprint.get("/settings")
def show_settings() -> str:
    """The page; steps that must be asked first follow."""
    pipeline, facts = context().pipeline, desk().facts
    groups = {step.key: _group(step.key) for step in pipeline.steps if facts.is_known(step)}
    return render_template(
        "settings/page.html",
        owners=[HOUSE, *(step.key for step in pipeline.steps)],
        groups={HOUSE: _group(HOUSE), **groups},
        **_words(),
    )


@blueprint.get("/parts/settings/<owner>")
def show_group(owner: str) -> str:
    """The settings of one owner."""
    return render_template("settings/group.html", group=_group(owner), **_words())


@blueprint.post("/settings/<owner>/<name>")
def change_setting(owner: str, name: str) -> Response:
    """Give a setting a value, or its default; answers the setting as it is then."""
    text = None if "reset" in request.form else request.form.get("value", "")
    here = context()
    try:
        row = setting_edits.change(here.pipeline, desk().facts, owner, name, text, request.form.get("seen", ""))
    except (UsageError, setting_edits.Changed) as error:
        return _refused(error)
    return make_response(render_template("settings/row.html", row=row, saved=True, **_words()))


def _refused(error: WorkflowError) -> Response:
    """Why a value was not taken, for the place under the field."""
    said = render_template("settings/refused.html", message=printable(error.message), hint=printable(error.hint))
    status = 409 if isinstance(error, setting_edits.Changed) else 422
    headers = {"HX-Retarget": f"#{request.form.get('refusals', 'notices')}", "HX-Reswap": "innerHTML"}
    return Response(said, status, headers, mimetype="text/html")


def _group(owner: str) -> Any:
    return setting_edits.group_of(context().pipeline, desk().facts, owner)


def _words() -> dict[str, object]:
    return {"why_locked": _why_locked, "when_counts": lambda row: EFFECTS[row.effect], "house": HOUSE}


def _why_locked(row: SettingRow) -> str:
    return str(LOCKS[row.lock]) % {"variable": row.variable}
