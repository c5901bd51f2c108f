"""The token in exchange for a cookie, for browsers."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify

from routes.context import context
from routes.errors import Refusal
from routes.models.system import SessionAsked, SessionOut
from routes.security import COOKIE, client, refuse_guessing, remember

blueprint = APIBlueprint("session", __name__, url_prefix="/api/session")


@blueprint.post("")
@blueprint.input(SessionAsked)
@blueprint.output(SessionOut)
def begin_session(json_data: SessionAsked) -> Response:
    """Give the token once; the answer sets a cookie that stands for it."""
    refuse_guessing()
    if not context().gate.accepts(client(), token=json_data.token):
        raise Refusal(401, "token", "That is not the token.")
    response = jsonify(SessionOut(open=True).model_dump())
    return response if context().gate.is_open else remember(response)


@blueprint.delete("")
@blueprint.output(SessionOut)
def end_session() -> Response:
    """Forget the cookie."""
    response = jsonify(SessionOut(open=context().gate.is_open).model_dump())
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response
