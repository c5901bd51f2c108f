"""The operator's day on the pipeline page: runs are asked for, followed, held, ended and tried again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.environments import python_of
from services.names import key_of

pytestmark = pytest.mark.timeout(300)

LASTING = "Nuit d'été"
#: Projects whose only video is converted already: runs on them are over at once.
QUICK = ("first", 'second "2"', "third")


@pytest.fixture(scope="module", autouse=True)
def projects(dashboard: Any, clips: Any) -> None:
    """Projects to work on."""
    for name in QUICK:
        dashboard.put(name, {"a.mp4": clips.still})
    dashboard.put(LASTING, {"long.mp4": clips.lasting(150)})
    dashboard.put("whole", {"face.mkv": clips.moving})


@pytest.fixture
def home(page: Any) -> Iterator[Any]:
    """The pipeline page; it must not have been loaded anew when the test is over."""
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/")
    page.locator("#connection").get_by_text("Live").wait_for()
    page.evaluate("window.first = true")
    yield page
    assert page.evaluate("window.first") is True


def project(page: Any, name: str) -> Any:
    """The box of a project."""
    return page.locator(f"#project-list input[value='{key_of(name)}']")


def newest(page: Any) -> int:
    """The run that was started just now."""
    said = page.locator("#notices .notice").last.get_by_text(re.compile(r"Run \d+ was started"))
    said.wait_for()
    number = int(re.findall(r"\d+", said.inner_text())[0])
    page.locator("#notices .notice").last.get_by_label("Close").click()
    return number


def line(page: Any, run: int) -> Any:
    """A run in the list of runs."""
    return page.locator("#runs li").filter(has=page.locator(f"a[href='/runs/{run}']"))


def word(page: Any, run: int, state: str) -> None:
    """Wait until a run is said to be in a state."""
    line(page, run).locator(".badge").get_by_text(state, exact=True).wait_for()


def tab_to(page: Any, target: Any) -> None:
    """Press the tab key until something has the focus."""
    for _ in range(80):
        if target.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail("The tab key does not lead there.")


def test_a_run_is_started_from_page_load_with_the_keyboard_alone(home: Any, dashboard: Any) -> None:
    tab_to(home, project(home, "first"))
    home.keyboard.press("Space")
    tab_to(home, home.locator("#tick-STEP2"))
    home.keyboard.press("Space")
    tab_to(home, home.locator("#start-button"))
    assert home.locator("#start-button").inner_text() == "Start: 2 · 1 project"
    home.keyboard.press("Enter")
    run = newest(home)
    word(home, run, "Done")
    found = dashboard.ask(f"/api/runs/{run}")
    assert (found["sequence"], [one["name"] for one in found["projects"]]) == (["STEP2"], ["first"])


def test_ticking_cards_makes_a_sequence_in_that_order_for_several_projects(home: Any, dashboard: Any) -> None:
    for name in QUICK[:2]:
        tab_to(home, project(home, name))
        home.keyboard.press("Space")
    for key in "762":
        home.keyboard.press(key)
    home.keyboard.press("6")
    assert home.get_by_label("Sequence").input_value() == "7,2"
    assert [home.locator(f"#tick-STEP{key}").is_checked() for key in "267"] == [True, False, True]
    assert [home.locator(f"[data-step=STEP{key}] .place").inner_text() for key in "72"] == ["1", "2"]
    home.keyboard.press("Control+Enter")
    run = newest(home)
    found = dashboard.ended(run)
    assert found["sequence"] == ["STEP7", "STEP2"]
    assert sorted(one["name"] for one in found["projects"]) == sorted(QUICK[:2])


def test_a_range_can_be_typed_or_ticked_with_shift(home: Any) -> None:
    home.get_by_label("Sequence").fill("2-4")
    ticked = home.locator(".tick:checked")
    assert [one.get_attribute("data-number") for one in ticked.all()] == ["2", "3", "4"]
    home.get_by_role("heading", name="Pipeline").click()
    home.keyboard.press("x")
    assert ticked.count() == 0
    home.locator("#tick-STEP5").click()
    home.locator("#tick-STEP7").click(modifiers=["Shift"])
    assert home.get_by_label("Sequence").input_value() == "5,6,7"


def test_one_step_is_started_by_its_own_button_after_showing_what_would_happen(home: Any, dashboard: Any) -> None:
    project(home, "third").check()
    home.get_by_label("Sequence").fill("2")
    home.get_by_role("heading", name="Pipeline").click()
    home.keyboard.press("p")
    plan = home.get_by_role("dialog", name="What would happen")
    plan.get_by_role("row", name="Convert videos").get_by_role("cell", name="1", exact=True).wait_for()
    home.keyboard.press("Escape")
    home.get_by_role("button", name="Start “Convert videos” alone").click()
    run = newest(home)
    word(home, run, "Done")
    assert dashboard.ask(f"/api/runs/{run}")["sequence"] == ["STEP2"]
    row = home.locator("#project-list li").filter(has=home.locator(f"input[value='{key_of('third')}']"))
    row.get_by_text("1 video").wait_for()


def test_a_run_is_held_goes_on_is_cancelled_and_tried_again(home: Any) -> None:
    project(home, LASTING).check()
    home.get_by_role("button", name="Start “Convert videos” alone").click()
    run = newest(home)
    word(home, run, "Running")
    work = home.locator("#live-STEP2 .work")
    work.get_by_role("link", name=LASTING).wait_for()
    work.locator(".progress-text", has_text=re.compile(r"^[1-9]\d? %$")).wait_for()

    line(home, run).get_by_role("button", name=f"Pause run {run}").click()
    word(home, run, "Paused")
    work.locator(".badge").get_by_text("Paused").wait_for()
    held = work.locator(".progress-text").inner_text()
    line(home, run).get_by_role("button", name=f"Go on with run {run}").click()
    word(home, run, "Running")
    work.locator(".progress-text").filter(has_not_text=held).wait_for()

    line(home, run).get_by_role("button", name=f"Cancel run {run}").click()
    word(home, run, "Cancelled")
    work.wait_for(state="detached")
    assert home.evaluate("window.first") is True
    line(home, run).get_by_role("button", name=f"Try again what run {run} left undone").click()
    home.wait_for_url(f"/runs/{run + 1}")
    head = home.locator("#head")
    head.locator(".badge").get_by_text("Running").wait_for()
    assert head.get_by_role("link", name=f"run {run}").is_visible()
    head.get_by_role("button", name="Cancel").click()
    head.locator(".badge").get_by_text("Cancelled").wait_for()
    home.evaluate("window.first = true")


def test_a_connection_lost_in_mid_run_is_said_and_the_end_is_shown_when_it_is_back(
    home: Any, dashboard: Any, clips: Any
) -> None:
    dashboard.put("lost", {"short.mp4": clips.lasting(30)})
    run = dashboard.run("2", "lost", ended=False)
    work = home.locator("#live-STEP2 .work")
    work.get_by_role("link", name="lost").wait_for()
    line(home, run).get_by_text("Running").wait_for()
    dashboard.stop()
    home.locator("#connection").get_by_text("Connection lost").wait_for()
    assert line(home, run).get_by_text("Running").is_visible()
    dashboard.start()
    dashboard.ended(run)
    word(home, run, "Done")
    work.wait_for(state="detached")
    home.locator("#connection").get_by_text("Live").wait_for()
    dashboard.complaints.clear()  # the browser says that a connection was refused


def test_the_whole_sequence_ends_in_delivered_files_seen_without_a_reload(home: Any, dashboard: Any) -> None:
    missing = [name for name in ("transnet_env", "audio_env") if not python_of(name).exists()]
    if missing:
        pytest.skip(f"without {', '.join(missing)} the sequence cannot run")
    project(home, "whole").check()
    home.get_by_label("Sequence").fill("2-7")
    home.locator("#start-button").click()
    run = newest(home)
    line(home, run).get_by_text(re.compile("^Done$|^Degraded$|^Failed$")).wait_for(timeout=200_000)
    word(home, run, "Done")
    assert {one["state"] for one in dashboard.ask(f"/api/runs/{run}")["steps"]} == {"succeeded"}
    home.locator("#live-STEP7").get_by_text("1 Done").wait_for()
    assert (dashboard.data / "output" / "whole" / "docs" / "face_tracking.json").is_file()


def test_what_cannot_be_started_is_refused_with_a_reason(home: Any, dashboard: Any) -> None:
    home.get_by_label("Sequence").fill("9")
    home.locator("#start-button").click()
    home.locator("#notices").get_by_text("9").first.wait_for()
    assert home.locator("#runs li").get_by_text("Waiting").count() == 0
    dashboard.complaints.clear()  # the browser says that the answer was a refusal
