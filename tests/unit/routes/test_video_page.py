"""The page of a video, as the server writes it; what it draws is tested in a browser."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from services.names import key_of
from workflow_scripts.common.events import printable
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.projects import Video

BROWSER = {"Accept": "text/html"}
PAGE = "/projects/P/videos/a.mp4"
PART = "/parts/video/P/a.mp4/results"


@pytest.fixture
def video(make_converted: Any) -> Video:
    """A video that is converted and not analysed."""
    made: Video = make_converted("P", "a.mp4")
    return made


def test_the_page_names_video_and_project_and_leads_back_to_it(client: Any, video: Video) -> None:
    page = client.get(PAGE, headers=BROWSER).text
    assert re.findall(r"<h1>(.*?)</h1>", page) == ["a.mp4"]
    assert '<a href="/projects/P">P</a>' in page
    assert "<style" not in page and " style=" not in page


def test_hostile_names_are_shown_harmlessly_and_all_addresses_are_their_keys(
    client: Any, hostile_video: Video, hostile: str
) -> None:
    project, name = key_of(hostile), key_of(hostile_video.name)
    answer = client.get(f"/projects/{project}/videos/{name}", headers=BROWSER)
    assert answer.status_code == 200
    assert f"<h1>{printable(hostile_video.name)}</h1>" in unescape(answer.text)
    assert f'hx-get="/parts/video/{project}/{name}/results"' in answer.text
    assert f"/api/projects/{project}/videos/{name}/view" in answer.text
    assert "<b onclick" not in answer.text
    assert client.get(f"/parts/video/{project}/{name}/results").status_code == 200


@pytest.mark.parametrize("address", ["/projects/P/videos/b.mp4", "/projects/Q/videos/a.mp4"])
def test_what_is_not_there_is_said_on_a_page(client: Any, video: Video, address: str) -> None:
    answer = client.get(address, headers=BROWSER)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such" in answer.text


def test_a_result_that_is_not_to_be_trusted_is_said_with_its_reason(client: Any, video: Video, finish: Any) -> None:
    table = video.delivered(".csv")
    table.write_text("shots")
    finish(video, "STEP3", {"scenes": table}, state="degraded", warnings=("The picture <is> dark.",))
    part = unescape(client.get(PART).text)
    assert "Find shots: Degraded." in re.sub(r"<[^>]+>", "", part)
    table.write_text("other shots, by hand")
    part = client.get(PART).text
    assert "Find shots: Outdated." in re.sub(r"<[^>]+>", "", part)
    assert "output missing or changed: scenes" in part


def test_gates_are_listed_with_figure_limit_and_verdict(client: Any, video: Video, finish: Any) -> None:
    gates = (Gate.at_most("tracks that cross a cut", 2, 0), Gate("new identities per minute", 1.5))
    finish(video, "STEP5", {}, gates=gates)
    part = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", client.get(PART).text)))
    assert "tracks that cross a cut 2 <= 0 Failed" in part
    assert "new identities per minute 1.5 figure only" in part


def test_the_version_of_the_results_changes_with_what_the_steps_left(
    client: Any, video: Video, finish: Any
) -> None:
    def version() -> str:
        return re.findall(r'data-version="([^"]*)"', client.get(PART).text)[0]

    first = version()
    assert version() == first
    finish(video, "STEP3", {})
    assert (second := version()) != first
    finish(video, "STEP3", {}, finished="2026-01-02T00:00:00.000+00:00")
    assert version() != second
