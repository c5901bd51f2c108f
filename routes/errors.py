"""Every error as a sentence, never a traceback.

Programs get one JSON shape: `{"error": {"code", "message", "hint", "retry"}}`; people get a page, or a notice on
the page that they are on.
"""

from __future__ import annotations

import logging
from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from services.database import StoreError
from services.migration import StoreUnusable
from services.projects import UnknownName
from services.runs import Conflict, UnknownRun
from services.states import TransitionError
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.events import printable

#: Status and code of each error of the product; the first that fits.
_STATUS: tuple[tuple[type[WorkflowError], int, str], ...] = (
    (UnknownRun, 404, "not_found"),
    (UnknownName, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (TransitionError, 409, "wrong_state"),
    (StoreUnusable, 503, "database"),
    (StoreError, 503, "database"),
    (PreconditionError, 424, "missing"),
    (UsageError, 422, "invalid"),
    (WorkflowError, 500, "failed"),
)
#: Code and message of each HTTP error that is not the product's own.
_HTTP: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method", "This address does not take that method."),
    413: ("too_large", "The request is too large."),
    415: ("media_type", "The body must be JSON, with Content-Type: application/json."),
    416: ("range", "The file has no such range."),
}


class Refusal(WorkflowError):
    """Raised when a request is not answered, whatever it asks for.

    Args:
        status: the HTTP status.
        code: what programs tell it by.
        message, hint, retry: as for every error.
        headers: headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str = "",
        retry: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retry=retry)
        self.status = status
        self.code = code
        self.headers = headers or {}


def register(app: APIFlask) -> None:
    """Answer every error of an application in the one shape."""
    app.register_error_handler(WorkflowError, _of_product)
    app.register_error_handler(HTTPError, _of_validation)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def answer(status: int, code: str, message: str, *, hint: str = "", retry: bool = False, **more: Any) -> Response:
    """An error as it is sent; `more` are further fields of it for programs."""
    said = {"code": code, "message": printable(message), "hint": printable(hint)}
    if request.headers.get("HX-Request"):
        response = make_response(render_template("parts/notice.html", kind="bad", **said))
        response.headers.update({"HX-Retarget": "#notices", "HX-Reswap": "beforeend"})
    elif _is_for_people():
        response = make_response(render_template("error.html", **said))
    else:
        response = jsonify({"error": {**said, "retry": retry, **more}})
    response.status_code = status
    return response


def _is_for_people() -> bool:
    """Whether a browser asks for a page."""
    accepted = request.accept_mimetypes
    wants_page = accepted.quality("text/html") > accepted.quality("application/json")
    return wants_page and not request.path.startswith("/api/")


def _of_product(error: WorkflowError) -> Response:
    if isinstance(error, Refusal):
        response = answer(error.status, error.code, error.message, hint=error.hint, retry=error.retry)
        response.headers.update(error.headers)
        return response
    status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
    more = {"run": error.run_id} if isinstance(error, Conflict) else {}
    return answer(status, code, error.message, hint=error.hint, retry=error.retry, **more)


def _of_validation(error: HTTPError) -> Response:
    """What a pydantic model refuses, field by field."""
    places = error.detail if isinstance(error.detail, dict) else {}
    wrong = [f"{field}: {'; '.join(said)}" for fields in places.values() for field, said in fields.items()]
    if error.status_code != 422:
        code, message = _HTTP.get(error.status_code, ("http", error.message or "The request was refused."))
        return answer(error.status_code, code, message)
    return answer(422, "invalid", "The request is not as it should be: " + " | ".join(wrong)[:2000])


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:  # a redirect
        return error.get_response()  # type: ignore[return-value]
    code, message = _HTTP.get(status, ("http", f"{error.name}."))
    response = answer(status, code, message, retry=status in (429, 503))
    for name, value in error.get_headers():
        if name.lower() in ("allow", "content-range", "retry-after"):
            response.headers[name] = value
    return response


def _of_bug(error: Exception) -> Response:
    logging.getLogger("workflow.web").error("A request failed.", exc_info=error)
    return answer(500, "internal", "This request failed by a fault of the program.", hint="See logs/app.log.")
