"""The transcribe page: sound files dropped, watched, read while they are heard."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _

from routes.context import context
from routes.pages.frame import notice, to_notices
from routes.pages.said_words import said_words
from routes.pages.upload_words import upload_words
from routes.transcriptions import shelf
from services.planning import lack
from services.step_facts import FACTS
from services.transcriptions import Transcription, Wish
from services.transcriptions.queue import STEP
from services.transcriptions.wishes import AUTO, check_wish, model_names
from services.upload_names import SOUNDS
from services.uploads import CHUNK
from services.worker_lock import holder
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.languages import LANGUAGES

blueprint = APIBlueprint("transcribe_page", __name__, url_prefix="/transcribe", enable_openapi=False)

#: Codes that others write otherwise.
_USUAL = {"jw": "jv"}
#: What is shown of the list at once.
_SHOWN = 100


@blueprint.get("")
def show_transcribe() -> str:
    """The page: where files are dropped, and all that were."""
    words = {
        **upload_words(),
        "stored": _("has come"),
        "whole": _("has come"),
        "not_taken": _("this is no sound"),
    }
    return render_template("transcribe/page.html", sounds=SOUNDS, chunk=CHUNK, words=words, **_choice(), **_list())


@blueprint.get("/parts/list")
def show_list() -> str:
    """All transcriptions."""
    return render_template("transcribe/list.html", names=_languages(), **_list())


@blueprint.get("/parts/ready")
def show_ready() -> str:
    """What is used where nothing is chosen, and what is missing for that: the step itself is asked."""
    definition = next((step for step in context().pipeline.steps if step.key == STEP), None)
    error: WorkflowError | None = None
    values: dict[str, Any] = {}
    if definition is not None:
        error = lack(definition)
        try:
            values = {name: value for name, (value, _origin) in FACTS.parameters(definition).values.items()}
        except WorkflowError as problem:
            error = error or problem
    return render_template("transcribe/ready.html", error=error, values=values, names=_languages())


@blueprint.get("/<transcription>")
def show_one(transcription: str) -> str:
    """One transcription: its words, and its sound."""
    one = shelf().find(transcription)
    words = {
        **said_words(),
        "copied": _("Copied"),
        "making": _("The sound is being made ready: %(share)s"),
        "nothing": _("Nothing was said, or nothing that could be believed."),
        "no_words": _("The words appear here as they are recognised."),
    }
    return render_template("transcribe/one.html", words=words, **_choice(), **_one(one))


@blueprint.get("/<transcription>/parts/state")
def show_state(transcription: str) -> str:
    """How one stands, and what can be asked of it."""
    return render_template("transcribe/state.html", **_choice(), **_one(shelf().find(transcription)))


@blueprint.post("/<transcription>/again")
def begin_again(transcription: str) -> Response:
    """Transcribe it once more, as the form says."""
    wish = Wish(*(request.form.get(name, "") for name in ("model", "language", "task")))
    check_wish(wish)
    shelf().again(transcription, wish)
    return _answered(transcription)


@blueprint.post("/<transcription>/cancel")
def cancel(transcription: str) -> Response:
    """End it."""
    shelf().cancel(transcription)
    return _answered(transcription)


@blueprint.post("/<transcription>/remove")
def remove(transcription: str) -> Response:
    """Remove it, and go to the others."""
    one = shelf().remove(transcription)
    address = url_for(".show_transcribe")
    if not request.headers.get("HX-Request"):
        return redirect(address, 303)  # type: ignore[return-value]
    if request.headers.get("HX-Current-URL", "").endswith(address):
        return to_notices(notice("good", _("%(name)s was removed.", name=one.name)))
    return Response("", 204, {"HX-Redirect": address})


def _answered(transcription: str) -> Response:
    """The state anew, or the page where scripts do not run."""
    if request.headers.get("HX-Request"):
        return Response(show_state(transcription), mimetype="text/html")
    return redirect(url_for(".show_one", transcription=transcription), 303)  # type: ignore[return-value]


def _choice() -> dict[str, Any]:
    return {"models": model_names(), "auto": AUTO, "names": _languages()}


def _list() -> dict[str, Any]:
    found = shelf().all()
    return {
        "found": found[:_SHOWN],
        "total": len(found),
        "bytes": sum(one.size for one in found),
        **_work(found),
    }


def _one(one: Transcription) -> dict[str, Any]:
    before = [other for other in shelf().all() if other.active and other.key < one.key]
    return {"one": one, "before": len(before), **_work([one])}


def _work(found: list[Transcription]) -> dict[str, Any]:
    """Whether something waits for a worker that is not there."""
    here = holder()
    return {"unattended": any(one.active for one in found) and (here is None or not here.is_worker)}


def _languages() -> dict[str, str]:
    """Every language by its code, in the language of the page and in its order."""
    locale = get_locale()
    known = locale.languages if locale is not None else {}
    named = {code: str(known.get(_USUAL.get(code, code), code)) for code in LANGUAGES}
    return dict(sorted(named.items(), key=lambda item: item[1].casefold()))
