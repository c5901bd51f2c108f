"""The machine, the settings, the graph, health and the page that documents the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.pipeline import load_pipeline
from services.worker_lock import WorkerLock


def test_health_tells_whether_a_worker_is_there(client: Any) -> None:
    assert client.get("/health").json == {"status": "no worker", "worker": False, "last_event": 0}
    with WorkerLock() as lock:
        lock.take("worker")
        assert client.get("/health").json["worker"] is True
    assert client.get("/health").json["worker"] is False


def test_the_machine_is_described(client: Any) -> None:
    found = client.get("/api/system").json
    assert found["memory_total"] > found["memory_available"] > 0
    assert found["disk_total"] >= found["disk_free"] > 0 and found["cores"] >= 1
    assert "env" in [environment["name"] for environment in found["environments"]]


def test_every_setting_has_an_origin_and_secrets_are_not_shown(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_WEB_TOKEN", "a-token-that-nobody-guesses")
    monkeypatch.setenv("WORKFLOW_CPU_SLOTS", "3")
    answer = client.get("/api/settings")
    found = {(one["owner"], one["name"]): one for one in answer.json["settings"]}
    assert found["general", "cpu_slots"]["value"] == 3
    assert found["general", "cpu_slots"]["origin"] == "environment WORKFLOW_CPU_SLOTS"
    assert found["STEP3", "threshold"]["origin"]
    assert "nobody-guesses" not in answer.text


def test_a_step_that_refuses_its_configuration_hides_no_other(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_PROFILE", "nonsense")
    answer = client.get("/api/settings").json
    assert "STEP3" in {one["owner"] for one in answer["settings"]}
    assert any("nonsense" in problem for problem in answer["problems"])


def test_the_graph_is_listed(client: Any) -> None:
    listed = client.get("/api/steps").json["steps"]
    assert [(step["key"], tuple(step["needs"])) for step in listed] == [
        (step.key, step.needs) for step in load_pipeline().steps
    ]


def test_the_page_documents_every_operation(client: Any) -> None:
    page = client.get("/docs").text
    for path, operations in client.get("/openapi.json").json["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()}</code> <code>{path}</code>" in page


def test_no_answer_names_the_machine_it_is_served_from(client: Any, data_folder: Path) -> None:
    assert str(data_folder) not in client.get("/openapi.json").text + client.get("/health").text
