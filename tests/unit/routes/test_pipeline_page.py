"""The pipeline page: what it shows of projects, steps, runs and the inbox, and what it starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services import summaries
from services.foresight import Foreseen
from services.inbox_view import look_into_inbox
from services.names import key_of
from services.pipeline import load_pipeline
from services.pipeline_view import at_work_on, step_cards
from services.planning import FROM_INBOX, chosen
from services.run_lines import WarningTally, run_lines
from services.runs import NewEvent, PlannedStep, RunOptions, RunRequest, Runs
from services.start_form import forecast, run_request
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import UsageError

HTML = {"Accept": "text/html"}
HTMX = {"HX-Request": "true"}
PIPELINE = load_pipeline()
KEYS = [step.key for step in PIPELINE.steps[1:]]
Working = Callable[..., int]


@pytest.fixture(autouse=True)
def unknown_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are not asked about parameters: that takes a process each."""
    monkeypatch.setattr("services.asking.check_parameters", lambda pipeline, options: None)


@pytest.fixture
def working(runs: Runs) -> Working:
    """`working(step, project, device=…, asked=…)`: a step run that is at work; its number."""

    def begin(step: str, project: str | None, *, device: str = "cpu", asked: str | None = None) -> int:
        request = RunRequest((step,), (project,) if project else (), RunOptions(device=asked))
        found = runs.create(request, [PlannedStep(step, project)]).steps[0].id
        assert runs.steps.claim(found, owner="t", boot_id="b", slot="cpu", device=device)
        return found

    return begin


def card(runs: Runs, database: Any, key: str) -> Any:
    """The card of a step."""
    active = runs.steps.active()
    devices = {run.id: run.request.options.device for run in runs.page().runs}
    warned = WarningTally().of(database, active)
    cards = step_cards(PIPELINE, [], active, devices, runs.steps.videos, warned)
    return next(one for one in cards if one.definition.key == key)


@pytest.fixture
def database(app: Any) -> Any:
    """The database of the application."""
    return app.extensions["workflow"].database


def test_the_page_shows_projects_of_any_name_and_links_to_them(
    client: Any, hostile: str, hostile_video: Any
) -> None:
    page = client.get("/", headers=HTML).text
    assert f'href="/projects/{key_of(hostile)}"' in page
    assert f'value="{key_of(hostile)}"' in page
    assert "<b onclick" not in page
    assert re.search(r"1 video", page)


def test_the_page_is_there_before_anything_else_is(client: Any) -> None:
    answer = client.get("/", headers=HTML)
    assert answer.status_code == 200
    assert "No project yet" in answer.text and "No run yet" in answer.text and "No worker is there" in answer.text
    assert answer.text.count('class="step"') == len(PIPELINE.steps)


def test_what_was_not_read_yet_is_said_to_be_unknown_and_comes_afterwards(
    client: Any, make_converted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_converted("P", "a.mp4")
    monkeypatch.setattr("routes.pages.pipeline._AT_ONCE_S", 0.0)
    monkeypatch.setattr("routes.pages.pipeline.SUMMARIES", summaries.Summaries())
    page = client.get("/", headers=HTML).text
    assert 'id="unknown" data-count="1"' in page and "To do</span>" not in page
    part = client.get("/parts/pipeline/projects").text
    assert 'id="unknown" data-count="0"' in part and "To do</span>" in part


@pytest.mark.parametrize("part", ["projects", "runs", "inbox"])
def test_each_part_can_be_fetched_anew(client: Any, part: str) -> None:
    answer = client.get(f"/parts/pipeline/{part}", headers=HTMX)
    assert answer.status_code == 200 and "<html" not in answer.text


def test_a_run_is_started_for_what_was_ticked_in_the_order_of_ticking(
    client: Any, runs: Runs, make_converted: Any, nothing_missing: None
) -> None:
    for name in ("A", "B"):
        make_converted(name, "a.mp4")
    data = {"sequence": "6,4", "project": ["B", "A"], "force": "1", "device": "cpu", "priority": "-3"}
    answer = client.post("/runs", data=data, headers=HTMX)
    (run,) = runs.page().runs
    assert run.request.sequence == ("STEP6", "STEP4") and run.request.projects == ("B", "A")
    assert (run.request.options.force, run.request.options.device, run.request.priority) == (True, "cpu", -3)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, "#notices")
    assert f'href="/runs/{run.id}"' in answer.text


def test_a_browser_without_scripts_is_sent_to_the_run(
    client: Any, make_converted: Any, nothing_missing: None
) -> None:
    make_converted("A", "a.mp4")
    answer = client.post("/runs", data={"sequence": "2"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs/1")


def test_a_conflict_says_which_run_holds_the_work(client: Any, make_converted: Any, nothing_missing: None) -> None:
    make_converted("A", "a.mp4")
    client.post("/runs", data={"sequence": "2"})
    answer = client.post("/runs", data={"sequence": "2", "project": "A"}, headers=HTMX)
    assert answer.status_code == 409 and "run 1" in answer.text and answer.headers["HX-Retarget"] == "#notices"


@pytest.mark.parametrize(
    "data",
    [
        {"sequence": "9"},
        {"sequence": "4-2"},
        {"device": "tpu"},
        {"priority": "1e9"},
        {"priority": "101"},
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(client: Any, data: dict[str, str]) -> None:
    answer = client.post("/runs", data=data, headers=HTMX)
    assert answer.status_code == 422 and 'data-kind="bad"' in answer.text


def test_the_fields_of_a_form_become_a_request(make_converted: Any) -> None:
    make_converted("A", "a.mp4")
    fields = [
        *(("sequence", " 2 "), ("project", "A"), ("device", ""), ("priority", ""), ("value:STEP2:crf", "18")),
        *(
            ("value:STEP2:speed", "0.50"),
            ("switch:STEP2:fast", "no"),
            ("value:STEP3:empty", ""),
            ("value:STEP2:x", "nan"),
        ),
    ]
    options = run_request(PIPELINE, fields).options
    assert options.parameters == {"STEP2": {"crf": 18, "speed": "0.50", "fast": False, "x": "nan"}}
    assert options.device is None
    assert run_request(PIPELINE, [*fields, ("only", "5")]).sequence == ("STEP5",)


def test_the_inbox_is_processed_alone_whatever_is_ticked(make_converted: Any) -> None:
    make_converted("A", "a.mp4")
    request = run_request(PIPELINE, [("inbox", "1"), ("project", "A"), ("sequence", "3")])
    assert (request.origin, request.projects, request.sequence) == (FROM_INBOX, (), chosen(PIPELINE, None))


def test_a_large_request_is_foreseen_from_what_is_known(make_converted: Any) -> None:
    for number in range(13):
        make_converted(f"P{number:02}", "a.mp4")
    lines = summaries.Summaries().look(KEYS, 60)
    found = forecast(PIPELINE, RunRequest(("STEP1", "STEP2", "STEP3")), lines)
    assert [(one.step, one.to_do, one.done, one.told) for one in found] == [
        ("STEP2", 0, 13, None),
        ("STEP3", 13, 0, None),
    ]
    forced = forecast(PIPELINE, RunRequest(("STEP2",), options=RunOptions(force=True)), lines)
    assert [(one.to_do, one.done) for one in forced] == [(13, 0)]


def test_a_small_request_is_foreseen_by_the_steps(make_converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_converted("P", "a.mp4")
    told = Foreseen("STEP2", (), 1, ())
    monkeypatch.setattr("services.start_form.foresee", lambda pipeline, request: [told])
    assert [one.told for one in forecast(PIPELINE, RunRequest(("STEP2",)), [])] == [told]


def test_the_plan_starts_nothing(
    client: Any, runs: Runs, make_converted: Any, nothing_missing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_converted("P", "a.mp4")
    monkeypatch.setattr("services.start_form.foresee", lambda pipeline, request: [Foreseen("STEP2", (), 1, ())])
    answer = client.post("/parts/pipeline/plan", data={"sequence": "2"}, headers=HTMX)
    assert answer.status_code == 200 and "Is up to date" in answer.text
    assert runs.page().total == 0


def test_a_step_at_work_shows_its_videos_and_what_waits(
    runs: Runs, database: Any, make_converted: Any, working: Working
) -> None:
    for name in ("a.mp4", "b.mov", "b.mp4"):
        make_converted("P", name)
    make_converted("Q", "a.mp4")
    step = working("STEP3", "P")
    reported = [
        ("video", {"video": "a.mp4", "state": "succeeded"}),
        ("video", {"video": "b.mp4", "state": "running"}),
    ]
    runs.steps.book(step, 1, reported)
    runs.create(RunRequest(("STEP3",), ("Q",)), [PlannedStep("STEP3", "Q")])
    found = card(runs, database, "STEP3")
    (work,) = found.works
    assert (found.state, found.waiting, work.done, work.total, work.link) == ("running", 1, 1, 2, "P")
    assert card(runs, database, "STEP4").state == ""
    assert {name: one.state for name, one in at_work_on(runs.steps.active()).items()} == {
        "P": "running",
        "Q": "queued",
    }


def test_a_paused_step_is_said_to_be_paused(runs: Runs, database: Any) -> None:
    run = runs.create(RunRequest(("STEP3",)), [PlannedStep("STEP3", "P")]).run
    assert card(runs, database, "STEP3").state == "queued"
    runs.pause(run.id)
    assert card(runs, database, "STEP3").state == "paused"


@pytest.mark.parametrize(
    ("asked", "device", "text", "seen"),
    [
        (None, "cpu", "", False),
        ("cpu", "cpu", "", False),
        ("cuda", "cpu", "", True),
        (None, "cuda", "slow disk", False),
        (None, "cuda", f"a.mp4: no memory; going on with {Rung('cpu', 8)}", True),
        (None, "cuda", f"From a.mp4 on, videos start with {Rung('cpu', 8)}: what comes before it failed.", True),
        (None, "cuda", f"a.mp4: no memory; going on with {Rung('cuda', 4)}", False),
    ],
)
def test_that_the_cpu_stands_in_for_the_gpu_is_seen(
    runs: Runs, database: Any, client: Any, make_converted: Any, working: Working,
    asked: str | None, device: str, text: str, seen: bool,
) -> None:  # fmt: skip
    make_converted("P", "a.mp4")
    step = working("STEP3", "P", device=device, asked=asked)
    if text:
        runs.steps.book(step, 1, [("warning", {"text": text}), *[("warning", {"text": "more"})] * 9])
    (work,) = card(runs, database, "STEP3").works
    assert work.fell_back is seen
    part = client.get("/parts/pipeline/projects").text
    assert ("CPU instead of GPU" in part) is seen
    assert ("10 warnings" in part) is bool(text)


def test_warnings_are_counted_once_and_the_last_ones_kept(runs: Runs, database: Any, working: Working) -> None:
    step = working("STEP3", "P")
    run_id = runs.steps.get(step).run_id
    tally = WarningTally(shown=2)
    for number in range(3):
        runs.events.append(
            [NewEvent("warning", {"text": f"w{number}"}, run_id, step), NewEvent("other", {}, run_id, step)]
        )
        found = tally.of(database, runs.steps.active())[step]
        assert found.count == number + 1
    assert found.texts == ("w2", "w1")
    assert tally.of(database, []) == {}


def test_the_list_of_runs_holds_all_that_are_not_over_and_the_newest_others(runs: Runs, database: Any) -> None:
    waiting = runs.create(RunRequest(("STEP2",)), [PlannedStep("STEP2", "A")]).run.id
    for number in range(4):
        ended = runs.create(RunRequest(("STEP3",)), [PlannedStep("STEP3", f"P{number}")]).run.id
        runs.cancel(ended)
    found = run_lines(database, runs, 2)
    assert [line.run.id for line in found] == [ended, ended - 1, waiting]
    assert [(line.state, line.can_retry, line.ended, line.total) for line in found] == [
        ("cancelled", True, 1, 1),
        ("cancelled", True, 1, 1),
        ("queued", False, 0, 1),
    ]
    runs.pause(waiting)
    assert run_lines(database, runs, 2)[-1].state == "paused"


def test_the_inbox_tells_what_lies_in_it(data_folder: Path, client: Any) -> None:
    inbox = data_folder / "inbox"
    for folder in ("processed", ".uploads", "a folder"):
        (inbox / folder).mkdir(parents=True)
    for number, name in enumerate(["film.MP4", "a.tar.gz", "notes.txt", "new\nline.zip"]):
        (inbox / name).write_bytes(b"x" * 5)
        os.utime(inbox / name, (number, number))
    (inbox / "link").symlink_to("nowhere")
    found = look_into_inbox(4)
    assert [(entry.kind, entry.size) for entry in found.entries] == [
        *(("folder", None), ("archive", 5), ("other", 5), ("archive", 5)),
    ]
    assert (found.total, found.watched) == (5, False)
    part = client.get("/parts/pipeline/inbox").text
    assert "new\\nline.zip" in part and "Process the inbox" in part


def test_the_parameters_of_a_step_can_be_set_for_a_run(client: Any) -> None:
    part = client.get("/parts/pipeline/parameters/STEP7").text
    assert 'name="value:STEP7:output_dir"' in part and 'name="switch:STEP7:deliver_raw"' in part
    assert client.get("/parts/pipeline/parameters/STEP9").status_code == 422


def test_a_priority_is_a_whole_number() -> None:
    with pytest.raises(UsageError, match="whole number"):
        run_request(PIPELINE, [("priority", "high")])
