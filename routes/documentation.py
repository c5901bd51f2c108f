"""The OpenAPI document: what APIFlask makes of the routes, and the errors that all of them share."""

from __future__ import annotations

from typing import Any

from apiflask import APIFlask

from routes.models.common import ErrorAnswer

#: Statuses with which an operation may refuse.
_REFUSALS = {
    "400": "The request cannot be read",
    "401": "No token, or a wrong one",
    "403": "Unknown host name, or a page of another site",
    "404": "There is nothing of that name or number",
    "409": "Another run holds the work (`error.run`), or the state does not allow it",
    "413": "The request is too large",
    "415": "The body is not JSON",
    "422": "A value is not allowed",
    "424": "Something that is needed is missing",
    "429": "Too many streams, or too many wrong tokens",
    "503": "The database cannot be used just now",
}
_NAME = "Error"


def documented(text: str, media_type: str, *statuses: int) -> Any:
    """The answers of an operation that are no JSON, for its documentation."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {status: {"description": text, "content": content} for status in statuses or (200,)}


def register(app: APIFlask) -> None:
    """Complete the document of an application."""
    app.config.update(
        AUTO_SERVERS=False, SERVERS=[{"url": "/"}], AUTO_VALIDATION_ERROR_RESPONSE=False, AUTO_404_RESPONSE=False
    )
    app.spec_processor(_complete)


def _complete(document: Any) -> Any:
    """Add the one shape of errors to every operation."""
    schema = ErrorAnswer.model_json_schema(ref_template=f"#/components/schemas/{_NAME}.{{model}}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {f"{_NAME}.{name}": part for name, part in schema.pop("$defs", {}).items()}
    schemas[_NAME] = schema
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{_NAME}"}}}
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method != "parameters":
                for status, text in _REFUSALS.items():
                    operation["responses"].setdefault(status, {"description": text, "content": content})
    return document
