"""The page of the machine in a browser: figures over time, what is missing, and the worker."""

from __future__ import annotations

from typing import Any


def test_charts_and_their_tables_are_filled_after_some_seconds(page: Any) -> None:
    page.goto("/system")
    for key in ("cpu", "memory", "disk"):
        chart = page.locator(f"[data-chart={key}]")
        chart.get_by_text("As a table").click()
        chart.locator("[data-rows] tr").first.wait_for()
        assert chart.locator("canvas").is_visible()
        assert "now" in chart.locator("[data-plot]").get_attribute("aria-label")


def test_the_doctor_says_what_is_in_order_and_looks_again_when_asked(page: Any) -> None:
    page.goto("/system")
    doctor = page.locator("#doctor")
    order = doctor.locator("#in-order summary")
    order.wait_for(timeout=60_000)
    assert "in order" in order.inner_text()
    doctor.get_by_role("button", name="Look again").click()
    order.wait_for()
    order.click()
    assert doctor.get_by_role("row", name="ffmpeg").first.is_visible()


def test_the_worker_is_stopped_and_started_and_the_pipeline_page_says_that_nothing_begins(
    page: Any, dashboard: Any
) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/system")
    worker = page.locator("#worker")
    worker.locator("#worker-stop").click()
    worker.get_by_text("Nothing that is asked for begins.").wait_for()
    assert dashboard.ask("/health")["worker"] is False
    other = page.context.new_page()
    other.goto("/")
    other.get_by_text("No worker is there: nothing begins.").wait_for()
    other.close()
    worker.locator("#worker-start").click()
    worker.locator(".badge[data-state=ok]").wait_for()
    assert dashboard.ask("/health")["worker"] is True
