"""What every page does in a browser: it follows what happens, says when it cannot, and everybody can use it."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import Any

import pytest

from services.database import Database
from services.runs import NewEvent, PlannedStep, RunRequest, Runs

PAGES = ("/", "/transcribe", "/history", "/system", "/settings", "/docs")
FOLLOW = """() => {
    document.body.dataset.seen = "";
    document.addEventListener("workflow:event", ({ detail }) => {
        document.body.dataset.seen += detail.data.number;
    });
}"""


def report(dashboard: Any, *numbers: int) -> None:
    """Write events, as the worker does."""
    with closing(Database(dashboard.data / "workflow.db")) as database:
        Runs(database).events.append([NewEvent("warning", {"number": number}) for number in numbers])


@pytest.mark.parametrize("address", PAGES)
def test_everybody_can_use_every_page_in_both_languages_and_appearances(
    page: Any, dashboard: Any, violations: Any, address: str
) -> None:
    for language, theme in itertools.product(("en", "fr"), ("light", "dark")):
        chosen = {"language": language, "theme": theme}
        cookies = [{"name": name, "value": value, "url": dashboard.address} for name, value in chosen.items()]
        page.context.add_cookies(cookies)
        page.goto(address)
        assert page.evaluate("document.documentElement.lang") == language
        assert violations(page) == []


def test_the_language_is_switched_and_remembered(page: Any) -> None:
    page.goto("/docs")
    page.get_by_label("Language").select_option("fr")
    page.get_by_role("link", name="Réglages").wait_for()
    page.goto("/docs")
    assert page.evaluate("document.documentElement.lang") == "fr"


def test_a_lost_connection_is_said_and_what_happened_meanwhile_comes_once_when_it_is_back(
    page: Any, dashboard: Any
) -> None:
    page.goto("/docs")
    page.evaluate(FOLLOW)
    connection = page.locator("#connection")
    connection.get_by_text("Live").wait_for()
    report(dashboard, 1)
    page.locator("body[data-seen='1']").wait_for()
    dashboard.stop()
    connection.get_by_text("Connection lost").wait_for()
    report(dashboard, 2, 3)
    dashboard.start()
    page.locator("body[data-seen='123']").wait_for()
    assert connection.inner_text() == "Live"
    report(dashboard, 4)
    page.locator("body[data-seen='1234']").wait_for()
    dashboard.complaints.clear()  # the browser says that a connection was refused


def test_a_page_that_is_not_looked_at_holds_no_stream_and_still_hears_everything(page: Any, dashboard: Any) -> None:
    page.goto("/docs")
    page.evaluate(FOLLOW)
    page.locator("#connection").get_by_text("Live").wait_for()
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    with page.expect_response("**/api/events/poll*") as answer:
        report(dashboard, 5)
    assert answer.value.ok
    page.locator("body[data-seen='5']").wait_for()


def test_the_browser_is_asked_about_notifications_only_by_the_button_and_an_ended_run_is_told(
    page: Any, dashboard: Any
) -> None:
    page.add_init_script(
        """window.Notification = class {
            static permission = "default";
            static async requestPermission() {
                document.body.dataset.asked = "yes";
                return (Notification.permission = "granted");
            }
            constructor(text) { document.body.dataset.told = text; }
        }"""
    )
    page.goto("/docs")
    page.locator("#connection").get_by_text("Live").wait_for()
    assert page.locator("body[data-asked]").count() == 0
    page.get_by_role("button", name="Notifications when a run ends").click()
    page.locator("body[data-asked] #notifications[aria-pressed=true]").wait_for()
    with closing(Database(dashboard.data / "workflow.db")) as database:
        run = Runs(database).create(RunRequest(("STEP1",)), [PlannedStep("STEP1")]).run.id
    page.locator(f"body[data-told='Run {run}: Done']").wait_for()
