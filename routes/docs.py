"""A page that says what the API takes and answers, made from its document; it loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import current_app, render_template

blueprint = APIBlueprint("docs", __name__, enable_openapi=False)


@blueprint.get("/docs")
def show_docs() -> str:
    """The page."""
    document = cast(dict[str, Any], cast(APIFlask, current_app).spec)
    return render_template("docs.html", operations=_operations(document))


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation of a document as the page shows it, by path."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "fields": [*map(_parameter, operation.get("parameters", [])), *_body(document, operation)],
            "answers": [(status, one.get("description", "")) for status, one in operation["responses"].items()],
        }
        for path, operations in sorted(document["paths"].items())
        for method, operation in operations.items()
        if method != "parameters"
    ]


def _parameter(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = parameter.get("schema", {})
    return _field(parameter["name"], parameter["in"], schema, bool(parameter.get("required")))


def _body(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document.get("components", {}).get("schemas", {}).get(name, {})
    required = schema.get("required", [])
    return [_field(name, "body", value, name in required) for name, value in schema.get("properties", {}).items()]


def _field(name: str, where: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    kinds = [schema, *schema.get("anyOf", [])]
    types = [str(kind["type"]) for kind in kinds if "type" in kind and kind["type"] != "null"]
    text = schema.get("description", "")
    return {"name": name, "where": where, "type": " or ".join(types), "required": required, "text": text}
