"""Everybody can use the pages when work is on them: with a screen reader, in both appearances, on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from services.names import key_of

PHONE = {"width": 390, "height": 844}
#: Both languages and both appearances; words do not depend on colours.
CHOICES = [("en", "light"), ("fr", "dark")]


@pytest.fixture(scope="module")
def dashboard(world: Any) -> Any:
    """The dashboard of the world that tests only look at."""
    return world.dashboard


def choose(page: Any, dashboard: Any, language: str, theme: str) -> None:
    """Show pages in a language and appearance."""
    chosen = {"language": language, "theme": theme}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": dashboard.address} for name, value in chosen.items()]
    )


@pytest.mark.parametrize(("language", "theme"), CHOICES)
def test_pages_with_work_on_them_and_their_dialogs_have_no_barrier(
    page: Any, dashboard: Any, world: Any, violations: Any, language: str, theme: str
) -> None:
    choose(page, dashboard, language, theme)
    page.goto("/")
    for key, dialog in (("?", "keys"), ("p", "plan")):
        page.locator("body").press(key)
        page.locator(f"#{dialog}[open]").wait_for()
        assert violations(page) == [], dialog
        page.keyboard.press("Escape")
    page.goto(f"/projects/{key_of(world.troubled)}")
    page.locator("#files tbody tr").first.wait_for()
    assert violations(page) == []
    page.locator("[id='at-garbage.mp4/STEP2']").click()
    page.locator("#panel[open] #facts").wait_for()
    assert violations(page) == []
    page.goto(f"/runs/{world.failed_run}")
    page.locator("#log .line").first.wait_for()
    page.locator("#events tbody tr").first.wait_for()
    for details in page.locator("#step details").all():
        details.evaluate("(one) => { one.open = true; }")
    page.locator("#step-parameters-body table").wait_for()
    assert violations(page) == []
    page.goto("/history")
    page.locator("#found tbody tr").first.wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_page_is_wider_than_a_phone(page: Any, dashboard: Any, world: Any, language: str) -> None:
    choose(page, dashboard, language, "light")
    page.set_viewport_size(PHONE)
    project = f"/projects/{key_of(world.troubled)}"
    video = f"{project}/videos/{key_of('été 100%  .mp4')}"
    addresses = (
        "/",
        "/transcribe",
        "/history",
        "/system",
        "/settings",
        "/docs",
        project,
        f"/runs/{world.failed_run}",
        video,
    )
    for address in addresses:
        page.goto(address)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
    page.goto(project)
    page.locator("[id='at-garbage.mp4/STEP2']").click()
    page.locator("#panel[open] #facts").wait_for()
    assert page.evaluate("document.getElementById('panel').scrollWidth") <= PHONE["width"]
