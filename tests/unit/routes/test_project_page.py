"""The project page: every state with its reason, what can be done about it, and the files."""

from __future__ import annotations

import io
from typing import Any
from zipfile import ZipFile

import pytest
from markupsafe import escape

from services.names import key_of
from services.runs import PlannedStep, RunRequest, Runs
from workflow_scripts.common.events import printable
from workflow_scripts.common.manifest import Fallback, Gate
from workflow_scripts.common.projects import Video
from workflow_scripts.common.run import failure_path

HTMX = {"HX-Request": "true"}


@pytest.fixture
def video(make_converted: Any, finish: Any) -> Video:
    """A video with degraded shots and failed speech."""
    video: Video = make_converted("P", "a.mp4")
    video.delivered(".csv").write_text("shots")
    finish(
        video,
        "STEP3",
        {"scenes": video.delivered(".csv")},
        state="degraded",
        gates=(Gate.at_least("shots", 1, 2), Gate("share", 0.25)),
        warnings=("The picture is dark <b>.",),
        fallbacks=(Fallback("cuda", "cpu", "out of memory"),),
        counts={"frames": 50, "checked": True, "name": "x"},
        peak_memory=2_000_000_000,
    )
    failure_path(video.workflow, "STEP4").write_text('{"message": "There is no sound.", "hint": "Look."}')
    return video


@pytest.mark.usefixtures("video")
def test_the_page_shows_every_video_in_every_step(client: Any, make_converted: Any) -> None:
    make_converted("P", "b.mp4")
    page = client.get("/projects/P").text
    assert page.count('class="cell"') == 14
    assert 'id="at-a.mp4/STEP3" data-state="degraded"' in page and 'id="at-a.mp4/STEP4" data-state="failed"' in page
    assert "0/1" in page and "/projects/P/videos/a.mp4" in page
    assert "<h1>P</h1>" in page and " style=" not in page and "onclick" not in page


@pytest.mark.usefixtures("video")
def test_what_needs_no_attention_can_be_left_out(client: Any, make_converted: Any) -> None:
    make_converted("P", "b.mp4")
    page = client.get("/parts/project/P/matrix?attention=1").text
    assert "a.mp4" in page and "b.mp4" not in page


@pytest.mark.usefixtures("video")
def test_the_reason_is_there_with_gates_warnings_and_fallbacks(client: Any) -> None:
    shown = client.get("/parts/project/P/cell/a.mp4/STEP3").text
    for text in (
        "shots: 1, must be",
        "&gt;= 2",
        "The picture is dark &lt;b&gt;.",
        "out of memory",
        "2 GB",
        "yes",
    ):
        assert text in shown
    failed = client.get("/parts/project/P/facts/a.mp4/STEP4").text
    assert "There is no sound. Look." in failed
    waits = client.get("/parts/project/P/facts/a.mp4/STEP6").text
    assert "It waits for:" in waits and "Analyse speech and speakers" in waits


@pytest.mark.parametrize("path", ["b.mp4/STEP3", "a.mp4/STEP1", "a.mp4/STEP9", "~FF/STEP3"])
@pytest.mark.usefixtures("video")
def test_what_is_not_there_is_a_notice(client: Any, path: str) -> None:
    answer = client.get(f"/parts/project/P/cell/{path}", headers=HTMX)
    assert answer.status_code in (404, 422) and 'data-kind="bad"' in answer.text


@pytest.mark.usefixtures("nothing_missing", "video")
def test_a_step_and_what_needs_it_are_started_again(client: Any, runs: Runs) -> None:
    form = {"sequence": "STEP3,STEP5", "force": "1"}
    answer = client.post("/projects/P/start", data=form, headers=HTMX)
    assert answer.status_code == 200 and "/runs/1" in answer.text and answer.headers["HX-Retarget"] == "#notices"
    asked = runs.show(1).run.request
    assert (asked.sequence, asked.projects, asked.options.force) == (("STEP3", "STEP5"), ("P",), True)
    again = client.post("/projects/P/start", data=form, headers=HTMX)
    assert again.status_code == 409 and "run 1" in again.text
    assert client.post("/projects/P/start", data={}, headers=HTMX).status_code == 422
    assert len(runs.page().runs) == 1


@pytest.mark.usefixtures("nothing_missing", "video")
def test_without_scripts_the_browser_is_sent_to_the_run(client: Any) -> None:
    answer = client.post("/projects/P/start", data={"sequence": "3"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs/1")


@pytest.mark.usefixtures("video")
def test_a_step_that_is_at_work_is_shown_and_not_offered_again(client: Any, runs: Runs) -> None:
    made = runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")])
    runs.steps.claim(made.steps[0].id, owner="w", boot_id="b", slot="cpu", device="cpu")
    runs.steps.book(made.steps[0].id, 1, [("progress", {"done": 1, "total": 2, "video": "a.mp4"})])
    page = client.get("/projects/P").text
    assert 'id="at-a.mp4/STEP3" data-state="running"' in page and "50 %" in page
    shown = client.get("/parts/project/P/cell/a.mp4/STEP3").text
    assert "Run 1 is at work on this step." in shown and "<form" not in shown


def test_what_a_run_would_do_is_said_before(client: Any, make_converted: Any) -> None:
    make_converted("P", "a.mp4")
    assert "STEP4 has not finished" in client.get("/parts/project/P/plan?sequence=STEP6").text
    told = client.get("/parts/project/P/delivery").text
    assert "/output/P/docs" in told and "disabled" in told


@pytest.mark.usefixtures("video")
def test_files_are_listed_by_video_and_step_and_come_as_a_zip(client: Any) -> None:
    listed = client.get("/parts/project/P/files").text
    assert "docs/a.csv" in listed and 'href="/api/projects/P/artifacts.zip"' in listed
    assert "docs/a.mp4" in client.get("/parts/project/P/files?videos=1").text
    assert "docs/a.csv" not in client.get("/parts/project/P/files?step=STEP2").text
    answer = client.get("/api/projects/P/artifacts.zip?video=a.mp4&step=STEP3", buffered=True)
    assert (answer.mimetype, answer.headers["Content-Disposition"]) == (
        "application/zip",
        "attachment; filename=files.zip; filename*=UTF-8''P.zip",
    )
    with ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["docs/a.csv"]
    for nothing in ("video=none", "video=a/b", "step=STEP7"):
        assert client.get(f"/api/projects/P/artifacts.zip?{nothing}").status_code == 404


def test_many_files_come_in_pages(client: Any, make_converted: Any, finish: Any) -> None:
    for number in range(120):
        video = make_converted("P", f"{number:03}.mp4")
        video.delivered(".csv").write_text("x")
        finish(video, "STEP3", {"scenes": video.delivered(".csv")})
    first = client.get("/parts/project/P/files?step=STEP3").text
    assert "docs/099.csv" in first and "docs/100.csv" not in first and "step=STEP3&amp;offset=100" in first
    second = client.get("/parts/project/P/files?step=STEP3&offset=100").text
    assert "docs/119.csv" in second and "docs/099.csv" not in second and "offset" not in second


@pytest.mark.usefixtures("hostile_video")
def test_a_project_of_any_name_is_shown(client: Any, hostile: str) -> None:
    key, video = key_of(hostile), key_of(f"{hostile}.mp4")
    page = client.get(f"/projects/{key}")
    assert page.status_code == 200 and f"<h1>{escape(printable(hostile))}</h1>" in page.text
    assert "\u202e" not in page.text and "<b onclick" not in page.text
    for part in ("matrix", f"cell/{video}/STEP3", f"facts/{video}/STEP2", "files"):
        assert client.get(f"/parts/project/{key}/{part}").status_code == 200, part


def test_the_files_of_a_project_of_any_name_come_as_a_zip(client: Any, hostile: str, hostile_video: Video) -> None:
    (hostile_video.root / "exports").mkdir()
    (hostile_video.root / "exports" / f"{hostile}.edl").write_text("TITLE")
    answer = client.get(f"/api/projects/{key_of(hostile)}/artifacts.zip", buffered=True)
    called = answer.headers["Content-Disposition"]
    assert called.isascii() and called.isprintable()  # a real server sends nothing else
    with ZipFile(io.BytesIO(answer.data)) as archive:
        (name,) = archive.namelist()
        assert archive.read(name) == b"TITLE" and name.startswith("exports/") and "\\" not in name


def test_a_project_that_is_not_there_is_a_page_that_says_so(client: Any) -> None:
    answer = client.get("/projects/none", headers={"Accept": "text/html"})
    assert answer.status_code == 404 and "There is no such project." in answer.text


def test_an_empty_project_says_so(client: Any, data_folder: Any) -> None:
    (data_folder / "projets_extraits" / "P" / "docs").mkdir(parents=True)
    assert "This project has no videos yet." in client.get("/projects/P").text
