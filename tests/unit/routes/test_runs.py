"""Runs asked for, listed, shown and steered through the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from apiflask import APIFlask

from services.doctor import Finding
from services.runs import PlannedStep, RunDetail, RunRequest, Runs
from workflow_scripts.common.projects import Video

pytestmark = pytest.mark.usefixtures("nothing_missing")


def begin(runs: Runs, detail: RunDetail) -> int:
    """Claim the first step run; its id."""
    step = detail.steps[0]
    runs.steps.claim(step.id, owner="worker", boot_id="boot", slot="cpu", device="cpu")
    return step.id


@pytest.mark.parametrize(
    ("sequence", "projects", "expected"),
    [
        ("all", ["P"], ["STEP2", "STEP3", "STEP4", "STEP5", "STEP6", "STEP7"]),
        ("all", [], ["STEP1", "STEP2", "STEP3", "STEP4", "STEP5", "STEP6", "STEP7"]),
        ("STEP3", ["P"], ["STEP3"]),
        ("3-5", ["P"], ["STEP3", "STEP4", "STEP5"]),
        ("6,3", ["P"], ["STEP6", "STEP3"]),
        (["STEP6", "3", "4"], ["P"], ["STEP6", "STEP3", "STEP4"]),
    ],
)
def test_a_run_takes_any_sequence(
    client: Any, make_converted: Any, sequence: Any, projects: list[str], expected: list[str]
) -> None:
    make_converted("P", "a.mp4")
    asked = {"sequence": sequence, "projects": projects, "force": True, "device": "cpu", "priority": 5}
    made = client.post("/api/runs", json=asked)
    assert made.status_code == 201
    run = made.json
    assert [step["step"] for step in run["steps"]] == run["sequence"] == expected
    assert (run["state"], run["force"], run["device"], run["priority"]) == ("queued", True, "cpu", 5)
    assert client.get(f"/api/runs/{run['id']}").json == run


def test_parameters_are_checked_by_the_steps_themselves_and_kept(client: Any, make_converted: Any) -> None:
    make_converted("P", "a.mp4")
    good = {"STEP2": {"crf": 20}, "STEP7": {"deliver_raw": True}}
    made = client.post("/api/runs", json={"sequence": "2", "projects": ["P"], "parameters": good})
    assert made.json["parameters"] == good
    bad = client.post("/api/runs", json={"sequence": "2", "parameters": {"STEP2": {"crf": 99}}})
    assert (bad.status_code, "crf" in bad.json["error"]["message"]) == (422, True)


def test_a_project_of_any_name_is_asked_for_and_found(
    client: Any, runs: Runs, hostile: str, hostile_video: Video
) -> None:
    (project,) = client.get("/api/projects").json["projects"]
    made = client.post("/api/runs", json={"sequence": "3", "projects": [project["key"]]}).json
    assert runs.show(made["id"]).steps[0].project == hostile
    step = begin(runs, runs.show(made["id"]))
    report = {"video": f"{hostile}.mp4", "state": "failed", "message": f"{hostile}: bad"}
    runs.steps.book(step, 1, [("video", report), ("progress", {"done": 1, "total": 2, "video": hostile})])
    shown = client.get(f"/api/runs/{made['id']}").json
    same = {"key": project["key"], "name": project["name"]}
    assert shown["projects"] == [shown["steps"][0]["project"]] == [same]
    assert shown["steps"][0]["progress"]["video"]["key"] == project["key"]
    assert shown["steps"][0]["videos"][0]["key"] == project["videos"][0]["key"]
    assert client.get("/api/runs", query_string={"project": project["key"]}).json["total"] == 1
    events = client.get("/api/events/poll?after=0").json["events"]
    assert project["key"] in [event["data"].get("project_key") for event in events]


def test_of_twenty_who_ask_for_the_same_at_once_one_gets_it(app: APIFlask, make_converted: Any) -> None:
    make_converted("P", "a.mp4")

    def ask(_: int) -> int:
        return app.test_client().post("/api/runs", json={"sequence": "3", "projects": ["P"]}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(ask, range(20))) == [201] + [409] * 19


def test_nothing_is_written_when_something_is_missing(
    client: Any, make_converted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_converted("P", "a.mp4")
    missing = Finding("STEP4", "problem", "the token was refused.", "Accept the terms.")
    monkeypatch.setattr("services.preflight.check", lambda pipeline, request: [missing])
    refused = client.post("/api/runs", json={"sequence": "4", "projects": ["P"]})
    assert (refused.status_code, refused.json["error"]["code"]) == (424, "missing")
    assert client.get("/api/runs").json["total"] == 0
    planned = client.post("/api/runs/plan", json={"sequence": "4", "projects": ["P"]}).json
    assert (planned["ready"], planned["findings"][0]["remedy"], planned["entries"]) == (
        False,
        "Accept the terms.",
        [],
    )


def test_a_plan_says_what_would_be_done_and_why_and_writes_nothing(client: Any, make_converted: Any) -> None:
    make_converted("P", "a.mp4")
    planned = client.post("/api/runs/plan", json={"sequence": "6", "projects": ["P"]}).json
    (entry,) = planned["entries"]
    assert (entry["step"], entry["project"]["key"], entry["video"]["key"]) == ("STEP6", "P", "a.mp4")
    assert entry["reason"]
    assert client.get("/api/runs").json["total"] == 0


def test_runs_are_listed_newest_first_page_by_page_and_filtered(client: Any, runs: Runs) -> None:
    for number in range(5):
        runs.create(RunRequest(("STEP3",), (f"P{number}",)), [PlannedStep("STEP3", f"P{number}")])
    runs.cancel(2)
    first = client.get("/api/runs?limit=2").json
    assert ([run["id"] for run in first["runs"]], first["total"], first["older"]) == ([5, 4], 5, 4)
    second = client.get(f"/api/runs?limit=2&before={first['older']}").json
    assert [run["id"] for run in second["runs"]] == [3, 2]
    assert [run["id"] for run in client.get("/api/runs?state=cancelled,failed").json["runs"]] == [2]
    assert [run["id"] for run in client.get("/api/runs?project=P3&step=STEP3").json["runs"]] == [4]
    assert client.get("/api/runs?project=a/b").json["total"] == 0


def test_a_run_is_cancelled_paused_resumed_and_tried_again(client: Any, runs: Runs) -> None:
    made = runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")])
    begin(runs, made)
    at = f"/api/runs/{made.run.id}"
    assert client.post(f"{at}/pause").json["steps"][0]["pause_requested"] is True
    assert client.post(f"{at}/resume").json["steps"][0]["pause_requested"] is False
    assert client.post(f"{at}/retry").json["error"]["code"] == "wrong_state"
    assert client.post(f"{at}/cancel").json["steps"][0]["cancel_requested"] is True
    runs.steps.finish(made.steps[0].id, "cancelled", seconds=1.0, exit_code=130)
    over = client.post(f"{at}/cancel")
    assert (over.status_code, over.json["error"]["code"]) == (409, "wrong_state")
    again = client.post(f"{at}/retry")
    assert (again.status_code, again.json["retry_of"]) == (201, made.run.id)
    assert [step["step"] for step in again.json["steps"]] == ["STEP3"]
