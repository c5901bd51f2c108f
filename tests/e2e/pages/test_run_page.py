"""The page of a run in a browser: its log while it is written, its events, its parameters, and how to repeat it."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from services.names import key_of

VIDEOS = 24


@pytest.fixture(scope="module")
def dashboard(world: Any) -> Any:
    """The dashboard of the world that tests only look at, but for projects of their own."""
    return world.dashboard


def bash(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person who pasted it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WORKFLOW_", "OUTPUT_"))}
    return subprocess.run(["bash", "-c", command], env=kept, capture_output=True, text=True, check=False)


def test_the_log_is_followed_to_its_end_and_can_be_searched_and_sifted(
    page: Any, dashboard: Any, clips: Any
) -> None:
    videos = {f"video {number:02}.mp4": clips.garbage for number in range(VIDEOS)}
    dashboard.put("many", videos)
    run = dashboard.run("2", "many", ended=False)
    page.goto(f"/runs/{run}")
    page.evaluate("window.first = true")
    lines = page.locator("#log .lines")
    last = lines.get_by_text(f"STEP2: {VIDEOS} failed")
    last.wait_for()
    page.locator("#head .badge").get_by_text("Failed").wait_for()
    assert page.get_by_role("button", name="Follow").get_attribute("aria-pressed") == "true"
    assert lines.evaluate("(one) => one.scrollHeight > one.clientHeight + 100")
    assert lines.evaluate("(one) => one.scrollHeight - one.scrollTop - one.clientHeight") < 30

    page.get_by_label("Search in the log").fill("VIDEO 07")
    page.keyboard.press("Enter")
    page.locator("#log .match.now").wait_for()
    assert "video 07" in page.locator("#log .match.now").inner_text()
    page.locator("#log .found").get_by_text("1").first.wait_for()
    assert page.get_by_role("button", name="Follow").get_attribute("aria-pressed") == "false"

    page.locator("#log-level").select_option("error")
    shown = [line.inner_text() for line in lines.locator(".line").all() if line.is_visible()]
    assert len(shown) == VIDEOS
    assert all("[ERROR]" in line for line in shown)
    assert page.evaluate("window.first") is True


def test_events_are_shown_newest_first_and_by_kind(page: Any, world: Any) -> None:
    page.goto(f"/runs/{world.failed_run}")
    events = page.locator("#events")
    events.locator("tbody tr").first.get_by_text("Failed").wait_for()
    page.get_by_label("Kind of event").select_option("video")
    events.locator("tbody tr").first.get_by_role("cell", name="Video", exact=True).wait_for()
    kinds = {row.locator("td").nth(1).inner_text() for row in events.locator("tbody tr").all()}
    assert kinds == {"Video"}
    assert events.get_by_text("garbage.mp4").first.is_visible()


def test_each_parameter_says_where_it_comes_from(page: Any, dashboard: Any, world: Any) -> None:
    asked = {"sequence": "2", "projects": [key_of(world.good)], "force": True, "parameters": {"STEP2": {"crf": 22}}}
    run = dashboard.ask("/api/runs", asked)["id"]
    dashboard.ended(run)
    page.goto(f"/runs/{run}")
    page.get_by_text("Parameters and where they come from").first.click()
    crf = page.get_by_role("row", name="crf")
    crf.get_by_role("cell", name="22", exact=True).wait_for()
    assert "command line" in crf.inner_text()
    assert "step2_convert.json" in page.get_by_role("row", name="preset").inner_text()


def test_the_shown_commands_repeat_the_run_and_the_step(page: Any, world: Any) -> None:
    page.goto(f"/runs/{world.failed_run}")
    whole = page.locator("#run-command").inner_text()
    page.get_by_text("Repeat this step from a shell").click()
    step = page.locator("#step-command").inner_text()

    asked = bash(whole)
    assert asked.returncode == 1, asked.stderr
    assert "garbage.mp4" in asked.stdout
    done = bash(step)
    assert done.returncode == 1, done.stderr
    assert "TOTAL_VIDEOS_TO_PROCESS: 1" in done.stdout
