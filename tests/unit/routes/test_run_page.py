"""The run page: how it stands, what can be asked of it, and how to repeat it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import escape

from services.names import key_of
from services.runs import PlannedStep, RunDetail, RunOptions, RunRequest, Runs
from workflow_scripts.common.events import printable
from workflow_scripts.common.projects import Video

HTMX = {"HX-Request": "true"}


def create(runs: Runs, *planned: PlannedStep, **options: Any) -> RunDetail:
    """A run of step runs."""
    steps = tuple(dict.fromkeys(step.step for step in planned))
    projects = tuple(dict.fromkeys(step.project for step in planned if step.project))
    return runs.create(RunRequest(steps, projects, RunOptions(**options)), planned)


def begin(runs: Runs, step_run: int) -> None:
    """Claim a step run."""
    runs.steps.claim(step_run, owner="w", boot_id="b", slot="cpu", device="cpu")


def test_the_page_shows_the_run_with_the_step_that_is_worth_a_look(client: Any, runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"), PlannedStep("STEP3", "P"), force=True, device="cuda")
    begin(runs, made.steps[0].id)
    runs.steps.finish(made.steps[0].id, "failed", seconds=3, exit_code=1, reason="It broke <here>.")
    page = client.get("/runs/1").text
    assert "<h1>Run 1</h1>" in page and "It broke &lt;here&gt;." in page and "device cuda" in page
    assert f'id="step-{made.steps[0].id}" data-state="failed"' in page
    assert f'data-log="/api/steps/{made.steps[0].id}/log"' in page
    assert "run --steps STEP2,STEP3 --device cuda --force -- P" in page
    assert " style=" not in page and "onclick" not in page
    other = client.get(f"/runs/1?step={made.steps[1].id}").text
    assert f'data-log="/api/steps/{made.steps[1].id}/log"' in other


def test_what_is_not_there_is_said(client: Any, runs: Runs) -> None:
    create(runs, PlannedStep("STEP2", "P"))
    create(runs, PlannedStep("STEP2", "Q"))
    for path in ("/runs/9", "/runs/1?step=2", "/parts/run/1/steps/2", "/parts/run/1/steps/2/facts"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 404


def test_a_run_is_paused_resumed_cancelled_and_tried_again(
    client: Any, runs: Runs, nothing_missing: None, make_converted: Any
) -> None:
    make_converted("P", "a.mp4")
    create(runs, PlannedStep("STEP2", "P"))

    def act(action: str) -> Any:
        return client.post(f"/runs/1/{action}", headers=HTMX)

    def offered() -> list[str]:
        page = client.get("/parts/run/1/head").text
        return [name for name in ("pause", "resume", "cancel", "retry") if f'hx-post="/runs/1/{name}"' in page]

    assert offered() == ["pause", "cancel"]
    assert act("pause").status_code == 204 and offered() == ["resume", "cancel"]
    assert act("resume").status_code == 204 and not runs.show(1).steps[0].pause_requested
    refused = act("retry")
    assert refused.status_code == 409 and 'data-kind="bad"' in refused.text
    assert act("cancel").status_code == 204 and offered() == ["retry"]
    assert act("cancel").status_code == 409
    again = act("retry")
    assert (again.status_code, again.headers["HX-Redirect"]) == (204, "/runs/2")
    assert runs.show(2).run.request.retry_of == 1
    assert 'href="/runs/1"' in client.get("/runs/2").text


def test_without_scripts_the_browser_is_sent_to_the_page(client: Any, runs: Runs) -> None:
    create(runs, PlannedStep("STEP2", "P"))
    answer = client.post("/runs/1/cancel")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs/1")


def test_nobody_there_to_do_it_is_said(client: Any, runs: Runs) -> None:
    create(runs, PlannedStep("STEP2", "P"))
    assert "No worker is there" in client.get("/parts/run/1/head").text
    runs.cancel(1)
    assert "No worker is there" not in client.get("/parts/run/1/head").text


def test_figures_and_parameters_come_from_the_manifests_of_the_run(
    client: Any, runs: Runs, make_converted: Any, finish: Any
) -> None:
    video: Video = make_converted("P", "a.mp4", frames=100)
    made = create(runs, PlannedStep("STEP3", "P"))
    step = made.steps[0].id
    begin(runs, step)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    own = {"seconds": {"decode": 1.0, "total": 4.0}, "peak_memory": 3_000_000_000, "started": now, "finished": now}
    finish(video, "STEP3", {}, parameters={"threshold": {"value": 0.4, "origin": "command line"}}, **own)
    runs.steps.book(step, 1, [("video", {"video": "a.mp4", "state": "succeeded"})])
    facts = client.get(f"/parts/run/1/steps/{step}/facts").text
    assert "25 frames/s" in facts and "3 GB" in facts and "25 %" in facts
    shown = client.get(f"/parts/run/1/steps/{step}/parameters").text
    assert "threshold" in shown and "0.4" in shown and "command line" in shown
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="milliseconds")
    finish(video, "STEP3", {}, started=past, finished=past)
    assert "Its figures were replaced by a later run." in client.get(f"/parts/run/1/steps/{step}/facts").text
    assert "No video of this run tells" in client.get(f"/parts/run/1/steps/{step}/parameters").text


def test_a_step_says_what_it_reads_now(client: Any, runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"))
    shown = client.get(f"/parts/run/1/steps/{made.steps[0].id}/parameters?now=1").text
    assert "crf" in shown and "not what this run worked with" in shown


def test_events_are_listed_and_filtered(client: Any, runs: Runs) -> None:
    made = create(runs, PlannedStep("STEP2", "P"))
    begin(runs, made.steps[0].id)
    runs.steps.book(made.steps[0].id, 1, [("warning", {"text": "dark & slow"})] * 120)
    events = client.get("/parts/run/1/events").text
    assert events.count("dark &amp; slow") == 100 and "before=" in events
    assert "dark" not in client.get("/parts/run/1/events?kind=run").text


@pytest.mark.parametrize("states", [1, 300])
def test_a_run_of_many_projects_is_one_table(client: Any, runs: Runs, states: int) -> None:
    planned = [PlannedStep(f"STEP{step}", f"P{number}") for number in range(states) for step in (2, 3)]
    create(runs, *planned)
    page = client.get("/runs/1").text
    assert page.count('class="cell"') == 2 * states
    assert ("and 292 more" in page) == (states == 300)


def test_names_of_any_kind_are_shown(client: Any, runs: Runs, hostile: str, hostile_video: Video) -> None:
    made = create(runs, PlannedStep("STEP2", hostile))
    step = made.steps[0].id
    begin(runs, step)
    report = {"video": f"{hostile}.mp4", "state": "failed", "message": f"{hostile}: bad"}
    runs.steps.book(step, 1, [("video", report), ("progress", {"done": 1, "total": 2, "video": hostile})])
    page = client.get("/runs/1").text
    assert str(escape(printable(hostile))) in page and f'href="/projects/{key_of(hostile)}"' in page
    assert f"/projects/{key_of(hostile)}/videos/{key_of(hostile_video.name)}" in page
    assert "\u202e" not in page and "<b onclick" not in page and "\x1b" not in page
    assert client.get("/parts/run/1/events").status_code == 200


def test_a_project_that_has_gone_is_still_shown(client: Any, runs: Runs) -> None:
    create(runs, PlannedStep("STEP2", "gone"), PlannedStep("STEP9", "gone"))
    assert "Its project or step is not there any more." in client.get("/runs/1").text
