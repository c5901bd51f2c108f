"""Every error has one shape and the right status, and shows nothing of the inside."""

from __future__ import annotations

import re
from typing import Any

import pytest
from apiflask import APIFlask

from services.database import StoreError
from services.migration import StoreUnusable
from services.runs import PlannedStep, RunRequest, Runs

JSON = "application/json"


@pytest.mark.parametrize(
    ("method", "address", "asked", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not_found"),
        ("GET", "/api/runs/7", {}, 404, "not_found"),
        ("GET", "/api/runs/99999999999999999999999", {}, 404, "not_found"),
        ("POST", "/api/runs/7/cancel", {}, 404, "not_found"),
        ("GET", "/api/projects/None%20such", {}, 404, "not_found"),
        ("GET", "/api/steps/7/log", {}, 404, "not_found"),
        ("DELETE", "/api/runs", {}, 405, "method"),
        ("POST", "/api/runs", {"data": "a=b", "content_type": "text/plain"}, 415, "media_type"),
        ("POST", "/api/runs", {"data": "a=b"}, 415, "media_type"),
        ("POST", "/api/runs", {"data": "{", "content_type": JSON}, 400, "bad_request"),
        ("POST", "/api/runs", {"data": b"\xff\xfe", "content_type": JSON}, 400, "bad_request"),
        ("POST", "/api/runs", {"data": "[" * 200_000, "content_type": JSON}, 400, "bad_request"),
        ("POST", "/api/runs", {"data": "9" * 5000, "content_type": JSON}, 400, "bad_request"),
        ("POST", "/api/runs", {"json": [1]}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"sequence": "3", "unknown": 1}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"sequence": "8"}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"sequence": "5-3"}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"sequence": ["3", "3"], "projects": ["P"]}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"sequence": "3", "projects": ["none"]}}, 404, "not_found"),
        ("POST", "/api/runs", {"json": {"parameters": {"STEP9": {"a": 1}}}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"parameters": {"STEP2": {"config": "/etc/passwd"}}}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"parameters": {"STEP2": {"cr": 3}}}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"parameters": {"STEP2": {"crf": 300}}}}, 422, "invalid"),
        ("POST", "/api/runs", {"json": {"parameters": {"STEP2": {"crf": "18\u0000"}}}}, 422, "invalid"),
        ("GET", "/api/runs?limit=0", {}, 422, "invalid"),
        ("GET", "/api/runs?state=happy", {}, 422, "invalid"),
        ("GET", "/api/runs?before=99999999999999999999", {}, 422, "invalid"),
        ("GET", "/api/events/poll?after=-1", {}, 422, "invalid"),
        ("GET", "/api/events", {"headers": {"Last-Event-ID": "x"}}, 422, "invalid"),
        ("GET", "/api/events", {"headers": {"Last-Event-ID": "9" * 5000}}, 422, "invalid"),
    ],
)
def test_what_cannot_be_answered(
    client: Any,
    make_converted: Any,
    method: str,
    address: str,
    asked: dict[str, Any],
    status: int,
    code: str,
) -> None:
    make_converted("P", "a.mp4")
    answer = client.open(address, method=method, **asked)
    error = answer.json["error"]
    assert (answer.status_code, error["code"], answer.mimetype) == (status, code, "application/json")
    assert error["message"] and "Error" not in error["message"]
    assert set(error) == {"code", "message", "hint", "retry"}
    assert status != 405 or "GET" in answer.headers["Allow"]


def test_a_range_beyond_the_end_of_a_file(client: Any, make_converted: Any) -> None:
    make_converted("P", "a.mp4")
    answer = client.get("/api/projects/P/artifacts/docs/a.mp4", headers={"Range": "bytes=900-"})
    assert (answer.status_code, answer.json["error"]["code"]) == (416, "range")


def test_a_conflict_names_the_run_that_holds_the_work(
    client: Any, runs: Runs, make_converted: Any, nothing_missing: None
) -> None:
    make_converted("P", "a.mp4")
    held = runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")])
    answer = client.post("/api/runs", json={"sequence": "3-4", "projects": ["P"]})
    assert (answer.status_code, answer.json["error"]["run"]) == (409, held.run.id)
    assert answer.json["error"]["retry"] is True


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("The disk is full.", retry=True), 503, "database"),
        (StoreUnusable("The database is damaged."), 503, "database"),
        (ZeroDivisionError("inside /home/somebody"), 500, "internal"),
    ],
)
def test_what_fails_inside(
    client: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(runs, "page", fail)
    answer = client.get("/api/runs")
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert "Traceback" not in answer.text and "somebody" not in answer.text


def test_the_document_describes_every_route_of_the_api(client: Any, app: APIFlask) -> None:
    document = client.get("/openapi.json").json
    rules = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith(("/api", "/health"))]
    assert set(document["paths"]) == {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) for rule in rules}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"] and operation["responses"]["422"]["content"]["application/json"]
