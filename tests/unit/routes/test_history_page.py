"""The history page: its lists and figures, whatever runs are called and whatever is asked of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from services.names import key_of
from services.runs import PlannedStep, RunRequest, Runs
from workflow_scripts.common.events import printable

BROWSER = {"Accept": "text/html"}
ADDRESSES = ("/history", "/parts/history/figures", "/parts/history/runs")


def make_run(runs: Runs, project: str = "Été", state: str = "succeeded", **told: Any) -> int:
    """A run of STEP3 that has ended."""
    made = runs.create(RunRequest(("STEP3",), (project,)), [PlannedStep("STEP3", project)])
    step = made.steps[0].id
    runs.steps.claim(step, owner="worker", boot_id="boot", slot="cpu", device="cpu")
    runs.steps.book(step, 1, [("video", {"video": "a.mp4", "state": state, **told})])
    runs.steps.finish(step, state, seconds=61.0)  # type: ignore[arg-type]
    return made.run.id


def listed(page: str) -> list[int]:
    """The numbers of the runs in a list."""
    return [int(number) for number in re.findall(r'<a id="run-(\d+)"', page)]


def test_an_empty_history_says_so(client: Any) -> None:
    page = client.get("/history", headers=BROWSER).text
    assert page.count("No run was asked for in this period.") == 2
    assert "Nothing failed in this period." in page and "No work was measured in this period." in page
    assert "Runs are remembered for 90 days" in page


def test_what_is_remembered_is_said(client: Any, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_HISTORY_DAYS", "1")
    make_run(runs)
    page = client.get("/history").text
    assert "Runs are remembered for 1 day;" in page and "The oldest is from" in page


def test_the_page_lists_runs_with_what_went_wrong(client: Any, runs: Runs) -> None:
    make_run(runs)
    make_run(runs, state="failed", message="a.mp4: <b>no</b> picture after 12 s.")
    page = client.get("/history").text
    assert listed(page) == [2, 1]
    assert "a.mp4: &lt;b&gt;no&lt;/b&gt; picture after 12 s." in page
    assert "&lt;b&gt;no&lt;/b&gt; picture after … s." in page and "1 video failed" in page


def test_the_address_says_which_runs_are_shown(client: Any, runs: Runs) -> None:
    make_run(runs)
    make_run(runs, project="Other", state="failed", message="bad luck")
    for query in ("state=failed", "project=Other", "q=LUCK", "step=STEP3&state=cancelled,failed"):
        assert listed(client.get(f"/history?{query}").text) == [2], query
    assert listed(client.get("/history?to=2001-01-01&from=2001-02-01").text) == []
    assert "No run of the period is like that." in client.get("/history?q=nowhere").text


def test_pages_lead_to_older_and_newer_runs(client: Any, runs: Runs) -> None:
    for _ in range(26):
        make_run(runs)
    first, second = client.get("/history").text, client.get("/history?page=2&q=t%C3%A9").text
    assert listed(first) == list(range(26, 1, -1)) and listed(second) == [1]
    assert 'id="older" class="button small" href="/history?page=2"' in first and 'id="newer"' not in first
    assert 'href="/history?page=1&amp;q=t%C3%A9"' in second and 'id="older"' not in second


def test_a_choice_goes_into_the_address_and_a_refresh_does_not(client: Any, runs: Runs) -> None:
    make_run(runs)
    chosen = client.get("/parts/history/runs?q=&state=failed&days=7", headers={"HX-Trigger": "filters"})
    assert chosen.headers["HX-Push-Url"] == "/history?state=failed&days=7"
    fresh = client.get("/parts/history/runs?days=7", headers={"HX-Trigger": "found"})
    assert "HX-Push-Url" not in fresh.headers and listed(fresh.text) == [1]


@pytest.mark.parametrize(
    "query", ["state=nonsense", "step=STEP99", "days=many", "page=-1", "from=31.5.2026", "days=9999999999"]
)
@pytest.mark.parametrize("address", [*ADDRESSES, "/parts/history/charts"])
def test_what_cannot_be_asked_is_refused_with_a_sentence(client: Any, address: str, query: str) -> None:
    told = query.startswith(("days", "from")) or address in ("/history", "/parts/history/runs")
    answer = client.get(f"{address}?{query}")
    assert answer.status_code == (422 if told else 200)


@pytest.mark.parametrize(
    "query", ["days=0", "days=99999", "from=0001-01-01", "to=9999-12-31", "from=&to=", "page=99"]
)
@pytest.mark.parametrize("address", [*ADDRESSES, "/parts/history/charts"])
def test_any_period_is_answered(client: Any, runs: Runs, address: str, query: str) -> None:
    make_run(runs)
    assert client.get(f"{address}?{query}").status_code == 200


def test_a_project_of_any_name_is_listed_chosen_and_linked(client: Any, runs: Runs, hostile: str) -> None:
    make_run(runs, project=hostile, state="failed", message=printable(f"{hostile}: bad"))
    page = client.get(f"/history?project={key_of(hostile)}").text
    assert listed(page) == [1]
    assert f'<option value="{key_of(hostile)}" selected>' in page and f'href="/projects/{key_of(hostile)}"' in page
    assert "\x1b" not in page and "\u202e" not in page and "<b onclick" not in page


def test_charts_draw_what_the_tables_hold(client: Any, runs: Runs) -> None:
    make_run(runs, seconds=12.5, length=60.0)
    make_run(runs, state="degraded", seconds=2.0, length=60.0)
    found = client.get("/parts/history/charts?days=7").json
    assert len(found["days"]) == len(found["stretches"]) == 7
    assert (found["runs"]["succeeded"][-1], found["runs"]["degraded"][-1], sum(found["runs"]["failed"])) == (
        1,
        1,
        0,
    )
    assert found["quality"] == {"STEP3": [None] * 6 + [50.0]}
    (work,) = found["work"]
    assert (work["step"], work["device"], sorted(work["seconds"])) == ("STEP3", "cpu", [2.0, 12.5])
    page = client.get("/history?days=7").text
    assert "50 %" in page and "Find shots" in page


def test_every_chart_has_its_table_and_every_table_its_heading(client: Any, runs: Runs) -> None:
    make_run(runs, seconds=12.5, length=60.0)
    page = client.get("/history").text
    for chart, table in (
        ("chart-runs", "days-table"),
        ("chart-work", "work-title"),
        ("data-quality", "quality-table"),
    ):
        assert chart in page and f'id="{table}"' in page
    assert all('scope="' in head for head in re.findall(r"<th\b[^>]*>", page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
