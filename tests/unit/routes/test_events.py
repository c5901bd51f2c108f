"""Events by stream and by asking, and logs by offset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from services.runs import NewEvent, PlannedStep, RunRequest, Runs


def write(runs: Runs, count: int, **which: Any) -> None:
    """Write events with a number each."""
    runs.events.append([NewEvent("progress", {"number": number}, **which) for number in range(count)])


def read(answer: TestResponse, count: int) -> list[dict[str, Any]]:
    """The first events of a stream."""
    found: list[dict[str, Any]] = []
    for block in answer.response:
        data = block if isinstance(block, bytes) else block.encode()
        found += [json.loads(line[6:]) for line in data.decode().splitlines() if line.startswith("data: ")]
        if len(found) >= count:
            break
    answer.close()
    return found


def test_a_stream_goes_on_after_the_last_event_that_was_read(client: Any, runs: Runs) -> None:
    write(runs, 1200)
    everything = read(client.get("/api/events?after=0", buffered=False), 1200)
    assert [event["id"] for event in everything] == list(range(1, 1201))
    rest = read(client.get("/api/events", headers={"Last-Event-ID": "1190"}, buffered=False), 10)
    assert rest == everything[1190:]
    asked = client.get("/api/events/poll?after=1190").json
    assert ([event["id"] for event in asked["events"]], asked["last"]) == (list(range(1191, 1201)), 1200)
    assert [event["data"] for event in asked["events"]] == [event["data"] for event in rest]


def test_a_stream_says_at_once_where_it_begins(client: Any, runs: Runs) -> None:
    write(runs, 3)
    answer = client.get("/api/events", buffered=False)
    assert next(iter(answer.response)) == b"retry: 2000\nid: 3\n\n"
    assert answer.mimetype == "text/event-stream"
    answer.close()


def test_events_are_of_one_run_or_of_some_kinds(client: Any, runs: Runs) -> None:
    for project in "ab":
        runs.create(RunRequest(("STEP3",), (project,)), [PlannedStep("STEP3", project)])
    write(runs, 3, run_id=2, step_run_id=2)
    of_run = client.get("/api/events/poll?after=0&run=2").json["events"]
    assert {event["run"] for event in of_run} == {2} and len(of_run) == 5
    of_kind = client.get("/api/events/poll?after=0&kind=run,step").json["events"]
    assert [event["kind"] for event in of_kind] == ["run", "step"] * 2
    assert len(client.get("/api/events/poll?after=0&step_run=2&kind=progress").json["events"]) == 3
    streamed = read(client.get("/api/events?after=0&run=2&kind=progress", buffered=False), 3)
    assert [event["data"]["number"] for event in streamed] == [0, 1, 2]


def test_an_event_never_breaks_the_stream_it_is_in(client: Any, runs: Runs) -> None:
    evil = {"message": "a\n\ndata: forged\r\n\u2028\x1b[31m", "list": ["\x00\ud800"], "video": "x\n.mp4"}
    runs.events.append([NewEvent("kind\n\nid: 99", evil)])
    (event,) = read(client.get("/api/events?after=0", buffered=False), 1)
    assert event["data"]["message"] == "a\\n\\ndata: forged\\r\\n\\u2028\\x1b[31m"
    assert event["data"]["video_key"] == "x~0A.mp4"


def logged(runs: Runs, folder: Path, text: bytes) -> int:
    """A step run that has printed something; its id."""
    (step,) = runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")]).steps
    runs.steps.claim(step.id, owner="w", boot_id="b", slot="cpu", device="cpu")
    path = folder / "logs" / "output.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    runs.steps.started(step.id, pid=1, create_time=0.0, boot_id="b", log_path=str(path), events_path="")
    return step.id


def test_a_log_is_followed_by_offset(client: Any, runs: Runs, data_folder: Path) -> None:
    step = logged(runs, data_folder, "début\nmilieu\n".encode() * 10_000)
    text, offset = "", 0
    while part := client.get(f"/api/steps/{step}/log?offset={offset}&size=1001").json:
        if not part["text"]:
            break
        text, offset = text + part["text"], part["next"]
    assert text == "début\nmilieu\n" * 10_000
    end = client.get(f"/api/steps/{step}/log?end=true&size=7").json
    assert (end["text"], end["next"]) == ("milieu\n", 140_000)


def test_a_log_steers_no_terminal(client: Any, runs: Runs, data_folder: Path) -> None:
    step = logged(
        runs, data_folder, b"\x1b[31mred\x1b[0m 10 %\r20 %\r\n\x1b]0;title\x07a\tb \xe2\x80\xae\x00 <b>\xff\n"
    )
    assert client.get(f"/api/steps/{step}/log").json["text"] == "red 10 %\n20 %\na\tb \\u202e\\x00 <b>\ufffd\n"
