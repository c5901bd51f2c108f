"""What all pages share: language, appearance, the bar, addresses of static files, and how notices are made."""

from __future__ import annotations

import json
import secrets
from typing import Any

from apiflask import APIBlueprint, APIFlask
from flask import Response, g, redirect, render_template, request
from flask_babel import Babel, get_locale

from routes.context import context
from routes.errors import Refusal
from routes.pages import shown
from routes.pages.phrases import navigation, shared_words
from routes.security import client, refuse_guessing, remember
from workflow_scripts.common.paths import ROOT

blueprint = APIBlueprint("frame", __name__, enable_openapi=False)

#: The languages of the dashboard, by code; the first is that of the texts in the code.
LANGUAGES = {"en": "English", "fr": "Français"}
THEMES = ("light", "dark")
#: Pages that have no link in the bar: they lie below that of the pipeline.
_BELOW_PIPELINE = frozenset({"project", "run", "video"})
#: Seconds that a browser remembers language and appearance.
_A_YEAR = 365 * 86400
_HTMX = {
    "allowEval": False,
    "includeIndicatorStyles": False,
    "historyCacheSize": 0,
    "scrollIntoViewOnBoost": False,
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": True, "error": True},
    ],
}


def register(app: APIFlask) -> None:
    """Give an application the frame of its pages."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ROOT / "translations")
    Babel(app, locale_selector=_language)
    shown.register(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    icons = app.jinja_env.get_template("icons.html").module
    app.jinja_env.globals.update(
        csp_nonce=_nonce,
        htmx_config=json.dumps(_HTMX),
        icon=icons.icon,  # type: ignore[attr-defined]
        languages=LANGUAGES,
        navigation=navigation,
        shared_words=shared_words,
    )
    app.before_request(_note_last_event)
    app.context_processor(_values)
    app.url_defaults(_add_version)


def notice(kind: str, message: str, hint: str = "", link: dict[str, str] | None = None) -> str:
    """A notice for the corner of the page; an action answers it with `to_notices`.

    Args:
        kind: `good`, `warn` or `bad`.
        message: what happened.
        hint: what to do.
        link: `address` and `text` of where to go on.
    """
    return render_template("parts/notice.html", kind=kind, message=message, hint=hint, link=link)


def to_notices(fragment: str, status: int = 200) -> Response:
    """An answer that htmx adds to the notices, wherever it was asked from."""
    return Response(fragment, status, {"HX-Retarget": "#notices", "HX-Reswap": "beforeend"}, mimetype="text/html")


@blueprint.post("/preferences")
def keep_preferences() -> Response:
    """Remember language and appearance, and show the page again that they were chosen on."""
    back = request.referrer or "/"
    prefix = request.host_url
    place = "/" + back.removeprefix(prefix).lstrip("/\\") if back.startswith(prefix) else "/"
    response = redirect(place, 303)
    for name, allowed in (("language", tuple(LANGUAGES)), ("theme", ("", *THEMES))):
        if (value := request.form.get(name)) in allowed:
            response.set_cookie(name, value or "", max_age=_A_YEAR, samesite="Lax", httponly=True)
    return response  # type: ignore[return-value]


@blueprint.post("/enter")
def enter() -> Response:
    """Take the token from the form that asks for it; the answer's cookie stands for it."""
    refuse_guessing()
    if not context().gate.accepts(client(), token=request.form.get("token", "")):
        raise Refusal(401, "token", "That is not the token.")
    return remember(redirect("/" + request.form.get("back", "").lstrip("/\\"), 303))  # type: ignore[arg-type]


def _language() -> str:
    chosen = request.cookies.get("language")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"


def _nonce() -> str:
    """What lets style elements of this one answer pass the policy (routes/security.py)."""
    if "style_nonce" not in g:
        g.style_nonce = secrets.token_urlsafe(16)
    return str(g.style_nonce)


def _note_last_event() -> None:
    """Where the page's stream begins: before anything is read for it, so that nothing is missed."""
    if not request.path.startswith(("/api/", "/static/")) and request.method == "GET":
        g.last_event = context().runs.events.last_id()


def _values() -> dict[str, Any]:
    theme = request.cookies.get("theme")
    area = (request.blueprint or "").removesuffix("_page")
    return {
        "here": "pipeline" if area in _BELOW_PIPELINE else area,
        "language": str(get_locale() or "en"),
        "last_event": g.get("last_event", 0),
        "theme": theme if theme in THEMES else None,
    }


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    """Make a static file's address change with the file, so that browsers may keep it."""
    if endpoint == "static" and "filename" in values:
        path = ROOT / "static" / values["filename"]
        values["v"] = f"{path.stat().st_mtime_ns // 1_000_000:x}" if path.is_file() else None
