"""The page of what was done, in a browser: every run is there, and the address says what is shown."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module")
def dashboard(world: Any) -> Any:
    """The dashboard of the world that tests only look at."""
    return world.dashboard


def test_runs_are_listed_with_what_went_wrong_and_lead_to_their_page(page: Any, world: Any) -> None:
    page.goto("/history")
    failed = page.locator("#found tr").filter(has=page.locator(f"#run-{world.failed_run}"))
    assert "1 video failed" in failed.inner_text()
    assert world.troubled.strip() in failed.inner_text()
    failed.get_by_role("link", name=str(world.failed_run), exact=True).click()
    page.get_by_role("heading", name=f"Run {world.failed_run}", exact=True).wait_for()


def test_filters_are_in_the_address_and_outlive_a_reload_and_a_new_run(
    page: Any, dashboard: Any, world: Any
) -> None:
    page.goto("/history")
    page.get_by_role("group", name="State").get_by_label("Done").check()
    page.wait_for_url("**state=succeeded**")
    page.get_by_label("Project", exact=True).select_option(world.good)
    page.wait_for_url("**project=plain**")
    numbers = page.locator("#found tbody th")
    page.locator("#count").get_by_text("found").wait_for()
    before = numbers.all_inner_texts()
    assert str(world.good_run) in before
    assert str(world.failed_run) not in before
    page.reload()
    assert numbers.all_inner_texts() == before
    run = dashboard.run("2", world.good)
    page.locator(f"#found #run-{run}").wait_for()
    assert str(world.failed_run) not in numbers.all_inner_texts()
