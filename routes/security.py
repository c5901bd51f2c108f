"""Who may ask: checked before every route, files and event streams included; and the headers of every answer."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from apiflask import APIFlask
from flask import Response, g, redirect, request
from werkzeug.datastructures import MultiDict

from routes.context import context
from routes.errors import Refusal
from services.web.security import SAFE_METHODS, WINDOW, is_cross_site, is_our_host

#: The cookie that stands for the token.
COOKIE = "workflow_session"
#: The parameter with which a browser comes the first time, from a link that holds the token.
PARAMETER = "token"
#: Addresses that are open without a token: whether the service is up, and where a token is given.
OPEN = ("/health", "/api/session", "/enter")
#: What the page that asks for the token is made of; nothing in it is anybody's.
_STATIC = "/static/"
_UPLOADS = ("/api/uploads/", "/api/transcriptions/uploads/")
_FORM = "application/x-www-form-urlencoded"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; media-src 'self' blob:;"
    " font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def register(app: APIFlask) -> None:
    """Guard all routes of an application."""
    app.before_request(_check_origin)
    app.before_request(_check_token)
    app.before_request(_check_body)
    app.after_request(_add_headers)


def client() -> str:
    """Who asks, for limits: the address of the other end."""
    return request.remote_addr or "unknown"


def remember(response: Response) -> Response:
    """Give a browser the cookie that stands for the token."""
    response.set_cookie(
        COOKIE, context().gate.cookie, httponly=True, samesite="Strict", secure=request.is_secure, path="/"
    )
    return response


def refuse_guessing() -> None:
    """Stop listening to a client that showed too many wrong tokens.

    Raises:
        Refusal: 429.
    """
    if context().gate.is_blocked(client()):
        raise Refusal(
            429,
            "too_many_tries",
            "Too many wrong tokens.",
            hint="Wait a minute.",
            retry=True,
            headers={"Retry-After": f"{WINDOW:.0f}"},
        )


def _check_origin() -> None:
    headers = request.headers
    if not is_our_host(request.environ.get("HTTP_HOST"), context().settings):
        raise Refusal(
            403,
            "unknown_host",
            "This API does not answer to the name it was called by.",
            hint="WORKFLOW_WEB_NAMES says to which names it does.",
        )
    site, mode = headers.get("Sec-Fetch-Site"), headers.get("Sec-Fetch-Mode")
    if is_cross_site(request.method, headers["Host"], site, headers.get("Origin"), mode):
        raise Refusal(403, "cross_site", "A page of another site may not ask this.")


def _check_token() -> Response | None:
    """Let pass who shows the token; a link that holds it is answered with a cookie and the link without it."""
    gate = context().gate
    shown = request.args.get(PARAMETER)
    is_free = request.path in OPEN or request.path.startswith(_STATIC)
    if gate.is_open or (is_free and shown is None):
        return None
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = shown if shown is not None else given.strip() if scheme.lower() == "bearer" else None
    cookie = request.cookies.get(COOKIE)
    if token is not None or cookie is not None:
        refuse_guessing()
        if gate.accepts(client(), token=token, cookie=None if token is not None else cookie):
            safe = request.method in SAFE_METHODS
            return remember(_without_token()) if shown is not None and safe else None
    raise Refusal(
        401,
        "token",
        "This API asks for a token.",
        hint="Send it as “Authorization: Bearer …”, or open the address once with ?token=….",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _without_token() -> Response:
    """A redirect to the same address, the token left out."""
    rest: MultiDict[str, str] = MultiDict(request.args)
    rest.pop(PARAMETER)
    path = quote("/" + request.path.lstrip("/\\"))  # never another host
    query = urlencode(list(rest.items(multi=True)))
    return redirect(f"{path}?{query}" if query else path, 303)  # type: ignore[return-value]


def _check_body() -> None:
    if request.method == "PATCH" and request.path.startswith(_UPLOADS):
        return  # pieces of files have their own type and size (routes/uploads.py)
    if (request.content_length or 0) > context().settings.body:
        raise Refusal(413, "too_large", "The request is too large.")
    if request.method in SAFE_METHODS or not request.content_length:
        return
    is_form = request.mimetype == _FORM and not request.path.startswith("/api/")
    if request.mimetype != "application/json" and not is_form:
        raise Refusal(415, "media_type", "The body must be JSON, with Content-Type: application/json.")


def _add_headers(response: Response) -> Response:
    styles = f" 'nonce-{g.style_nonce}'" if "style_nonce" in g else ""
    response.headers.setdefault("Content-Security-Policy", POLICY.format(styles=styles))
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith(_STATIC) and "v" in request.args and response.status_code == 200:
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"  # the address changes with it
    if not response.headers.get("Cache-Control"):
        response.headers["Cache-Control"] = "no-store"
    return response
