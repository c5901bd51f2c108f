"""The page of a project in a browser: the reason of a failure, the way out of it, and the files that steps left."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from services.names import key_of

GARBAGE = "cannot be read as a video"


@pytest.fixture(scope="module")
def dashboard(world: Any) -> Any:
    """The dashboard of the world that tests only look at, but for projects of their own."""
    return world.dashboard


def open_project(page: Any, name: str) -> None:
    """Show the page of a project."""
    page.goto(f"/projects/{key_of(name)}")
    page.locator("#connection").get_by_text("Live").wait_for()


def cell(page: Any, video: str, step: str) -> Any:
    """A cell of the matrix."""
    return page.locator(f"[id='at-{key_of(video)}/{step}']")


def test_one_click_on_what_failed_shows_the_reason_and_escape_returns_to_it(page: Any, world: Any) -> None:
    open_project(page, world.troubled)
    failed = cell(page, "garbage.mp4", "STEP2")
    assert "Failed" in failed.inner_text()
    failed.click()
    panel = page.get_by_role("dialog", name="Convert videos")
    panel.get_by_text(GARBAGE).first.wait_for()
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert failed.evaluate("(one) => one === document.activeElement")


def test_arrows_and_enter_lead_to_the_reason_and_the_address_leads_there_again(page: Any, world: Any) -> None:
    open_project(page, world.troubled)
    cell(page, "garbage.mp4", "STEP2").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    panel = page.get_by_role("dialog", name="Convert videos")
    panel.get_by_text(GARBAGE).first.wait_for()
    page.reload()
    panel.get_by_text(GARBAGE).first.wait_for()
    panel.get_by_role("link", name=f"Run {world.failed_run} and its log").click()
    page.locator("#log").get_by_text(GARBAGE).wait_for()


def test_what_failed_is_tried_again_from_its_reason_and_the_matrix_follows(
    page: Any, dashboard: Any, clips: Any
) -> None:
    dashboard.put("mended", {"x.mp4": clips.garbage, "y.mp4": clips.still})
    dashboard.run("2", "mended")
    open_project(page, "mended")
    page.evaluate("window.first = true")
    dashboard.put("mended", {"x.mp4": clips.moving})  # somebody exports it again
    cell(page, "x.mp4", "STEP2").click()
    panel = page.get_by_role("dialog", name="Convert videos")
    panel.get_by_role("button", name="What would it do?").click()
    panel.locator("#plan").get_by_text("x.mp4").wait_for()
    panel.get_by_role("button", name="Start").click()
    cell(page, "x.mp4", "STEP2").get_by_text("Done").wait_for()
    assert "nothing needs attention" in page.locator(".matrix-sum").inner_text()
    assert page.evaluate("window.first") is True


def test_only_what_needs_attention_can_be_shown_and_the_address_says_so(page: Any, world: Any) -> None:
    open_project(page, world.troubled)
    rows = page.locator("#matrix tbody tr")
    assert rows.count() == 3
    page.get_by_label("Only what needs attention").check()
    page.wait_for_url("**?attention=1")
    page.locator("#matrix table[data-rows='1']").wait_for()
    assert rows.locator("th").all_inner_texts() == ["garbage.mp4"]


def test_files_are_downloaded_singly_and_as_a_zip_that_holds_the_same(
    page: Any, world: Any, dashboard: Any, tmp_path: Path
) -> None:
    open_project(page, world.troubled)
    files = page.locator("#files")
    media = files.get_by_role("link", name='it\'s "it"/media.json')
    with page.expect_download() as single:
        media.click()
    single.value.save_as(tmp_path / "media.json")
    with page.expect_download() as whole:
        files.get_by_role("link", name="All of these as a zip").click()
    whole.value.save_as(tmp_path / "all.zip")

    project = dashboard.data / "projets_extraits" / world.troubled
    stored = (project / ".workflow" / 'it\'s "it"' / "media.json").read_bytes()
    assert json.loads(stored)["frames"] == 25
    assert (tmp_path / "media.json").read_bytes() == stored
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert stored in inside.values()
    assert len(inside) == files.locator("tbody tr").count()
