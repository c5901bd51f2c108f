"""The scheduler: whose turn it is, on which slot, what failures mean, and what people ask for."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.pipeline import Pipeline, StepDefinition
from services.scheduler import attempt_folder
from services.slots import Slot, Slots
from services.supervision.processes import boot_id
from services.supervision.step_logs import read_log

House = Any


# slots


def step(slot: str) -> StepDefinition:
    """A step of a graph."""
    return StepDefinition("STEP9", "9", "title", "x.py", "env", (), slot)


@pytest.mark.parametrize(
    ("slots", "taken", "slot", "free"),
    [
        (Slots(2), ["cpu"], "gpu", "cpu"),  # without a GPU its steps take CPU slots
        (Slots(1), ["cpu"], "gpu", None),
        (Slots(1), ["cpu"], "cpu", None),
        (Slots(2, ("A",)), ["A"], "gpu", None),  # one step per GPU
        (Slots(2, ("A", "B")), ["A"], "gpu", "B"),
        (Slots(1, ("A",)), ["A"], "cpu", "cpu"),
        (Slots(1, ("A",)), ["cpu"], "gpu", "A"),
        (Slots(1, ("A",)), ["cpu"], "cpu", None),
        (Slots(2, ("A",)), ["cpu", "A"], "cpu", "cpu"),
    ],
)
def test_slots(slots: Slots, taken: list[str], slot: str, free: str | None) -> None:
    assert slots.free_for(step(slot), None, taken) == (Slot(free) if free else None)


def test_what_was_asked_to_compute_on_the_cpu_takes_no_gpu() -> None:
    assert Slots(1, ("A",)).free_for(step("gpu"), "cpu", []) == Slot("cpu")


# order


def test_steps_of_a_project_run_in_the_order_of_the_graph(house: House) -> None:
    run = house.create("2-5", house.project("A")).run
    house.work(house.scheduler(1), run.id)
    assert [mark.key for mark in house.trace() if mark.what == "begin"] == ["STEP2", "STEP3", "STEP4", "STEP5"]
    assert house.runs.show(run.id).run.state == "succeeded"
    assert set(house.states(run.id).values()) == {"succeeded"}


def test_a_custom_sequence_runs_in_the_order_asked_for(house: House) -> None:
    run = house.create("5,3,2", house.project("A")).run
    house.work(house.scheduler(2), run.id)
    assert [mark.key for mark in house.trace() if mark.what == "begin"] == ["STEP5", "STEP3", "STEP2"]


def test_steps_that_do_not_need_each_other_and_projects_run_side_by_side(house: House) -> None:
    for name in ("A", "B"):
        house.project(name, STEP3="wait", STEP4="wait")
    run = house.create("3-4").run
    scheduler = house.scheduler(4)
    house.work(scheduler, until=lambda: len(house.trace()) == 4)
    assert {(mark.what, mark.key, mark.project) for mark in house.trace()} == {
        ("begin", key, name) for key in ("STEP3", "STEP4") for name in ("A", "B")
    }
    for name in ("A", "B"):
        (house.folder(name) / "go").touch()
    house.work(scheduler, run.id)


def test_never_more_run_than_there_are_slots_and_none_shares_a_gpu(house: House) -> None:
    for number in range(25):
        house.project(f"P{number}")
    run = house.create("3-4").run  # 50 step runs
    house.work(house.scheduler(1, "GPU-a", "GPU-b"), run.id)
    trace = house.trace()
    assert len(trace) == 100 and {mark.gpu for mark in trace} == {"GPU-a", "GPU-b"}
    for gpu in ("GPU-a", "GPU-b"):
        mine = [mark.what for mark in trace if mark.gpu == gpu]
        assert mine == ["begin", "end"] * (len(mine) // 2)  # no overlap
    steps = house.runs.show(run.id).steps
    assert {(one.slot, one.device) for one in steps} == {("GPU-a", "cuda"), ("GPU-b", "cuda")}


def test_two_runs_never_have_steps_at_work_that_touch_the_same_files(house: House) -> None:
    name = house.project("A", STEP5="wait")
    first = house.create("5", name).run
    scheduler = house.scheduler(4)
    house.work(scheduler, until=lambda: house.began("STEP5"))
    second = house.create("3", name).run
    house.work(scheduler, until=lambda: scheduler.running == 1)
    for _ in range(20):
        scheduler.tick()
    assert house.states(second.id) == {"STEP3": "queued"}
    (house.folder(name) / "go").touch()
    house.work(scheduler, first.id, second.id)
    assert [m.key for m in house.trace()] == ["STEP5", "STEP5", "STEP3", "STEP3"]


def test_the_larger_priority_comes_first_and_no_project_starves_another(house: House) -> None:
    for name in ("A", "B"):
        house.project(name)
    house.create("2-5", "A")
    house.create("2-5", "B")
    urgent = house.create("2", house.project("C"), priority=5).run
    scheduler = house.scheduler(1)
    house.work(scheduler, 1, 2, urgent.id)
    order = [mark.project for mark in house.trace() if mark.what == "begin"]
    assert order == ["C", "A", "B", "A", "B", "A", "B", "A", "B"]


def test_only_one_run_is_begun_where_that_is_asked_for(house: House) -> None:
    other = house.create("2", house.project("A")).run
    mine = house.create("2", house.project("B")).run
    house.work(house.scheduler(only=mine.id), mine.id)
    assert house.runs.show(other.id).run.state == "queued" and house.began("STEP2", "A") == 0


# what the steps are told


def test_parameters_force_and_device_reach_the_steps_they_are_meant_for(house: House) -> None:
    parameters = {"STEP3": {"threshold": 0.4, "fast": True, "loud": False, "nothing": None}}
    run = house.create("2-3", house.project("A"), force=True, device="cpu", parameters=parameters).run
    house.work(house.scheduler(), run.id)
    printed = {one.step: read_log(Path(one.log_path or "")).text for one in house.runs.show(run.id).steps}
    assert printed["STEP2"] == "working on A --force\n"
    assert printed["STEP3"] == "working on A --device cpu --force --threshold=0.4 --fast --no-loud\n"


# projects that STEP1 makes


def test_the_projects_that_step1_makes_join_the_run(house: House) -> None:
    house.drop("new one.mp4")
    house.project("old")
    run = house.create("1-3").run
    house.work(house.scheduler(), run.id)
    detail = house.runs.show(run.id)
    assert detail.run.state == "succeeded" and set(detail.run.request.projects) == {"old", "new one"}
    assert {(one.step, one.project) for one in detail.steps} == {
        ("STEP1", None),
        *((key, name) for key in ("STEP2", "STEP3") for name in ("old", "new one")),
    }


def test_from_the_inbox_only_what_it_brings_is_worked_on(house: House) -> None:
    house.drop("new.mp4")
    house.project("old")
    run = house.create("1-2", origin="inbox").run
    house.work(house.scheduler(), run.id)
    assert [(one.step, one.project) for one in house.runs.show(run.id).steps] == [("STEP1", None), ("STEP2", "new")]


def test_a_project_that_another_run_works_on_is_left_to_it(house: House) -> None:
    house.drop("new.mp4")
    run = house.create("1-2").run
    other = house.create("2", house.project("busy", STEP2="wait")).run
    scheduler = house.scheduler()
    house.work(scheduler, run.id)
    assert {one.project for one in house.runs.show(run.id).steps} == {None, "new"}
    warnings = [event.data for event in house.runs.events.after(0, run_id=run.id) if event.kind == "warning"]
    assert warnings == [{"text": f"“busy” is left to run {other.id}, which works on it."}]
    (house.folder("busy") / "go").touch()
    house.work(scheduler, other.id)


# failures


def test_a_step_that_failed_for_some_videos_stops_nothing(house: House) -> None:
    run = house.create("2-5", house.project("A", 2, STEP2="some")).run
    house.work(house.scheduler(), run.id)
    assert house.states(run.id) == {
        "STEP2": "failed",
        "STEP3": "succeeded",
        "STEP4": "succeeded",
        "STEP5": "succeeded",
    }
    assert house.runs.show(run.id).steps[0].reason == "Some items failed; the others are done."


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("fail", "STEP3 failed and left nothing to go on with."),
        ("exit 7", "STEP3 failed and left nothing to go on with."),
        ("exit 2", "STEP3 could not start."),
        ("exit 3", "STEP3 could not start."),
    ],
)
def test_what_needs_a_step_that_left_nothing_is_skipped_with_the_reason(
    house: House, words: str, reason: str
) -> None:
    house.project("A", STEP3=words)
    house.project("B")
    run = house.create("2-5").run
    house.work(house.scheduler(), run.id)
    states = house.states(run.id)
    assert (states["STEP3 A"], states["STEP4 A"], states["STEP5 A"]) == ("failed", "succeeded", "skipped")
    assert {state for name, state in states.items() if name.endswith("B")} == {"succeeded"}
    skipped = next(one for one in house.runs.show(run.id).steps if one.state == "skipped")
    assert skipped.reason == reason and house.began("STEP5", "A") == 0


def test_what_needs_something_skipped_is_skipped_too(house: House) -> None:
    run = house.create("2-5", house.project("A", STEP2="exit 3")).run
    house.work(house.scheduler(), run.id)
    assert house.states(run.id) == {"STEP2": "failed", "STEP3": "skipped", "STEP4": "skipped", "STEP5": "skipped"}
    assert {one.reason for one in house.runs.show(run.id).steps[1:]} == {"STEP2 could not start."}


def test_a_killed_step_has_failed_with_its_signal(house: House) -> None:
    run = house.create("2", house.project("A", STEP2="kill")).run
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.exit_code) == ("failed", None) and "failed (signal 9)" in one.reason


def test_a_failed_step_is_tried_again_by_rule_and_then_no_more(house: House) -> None:
    house.set_graph(retries="[0.05, 0.05, 0.05]")
    run = house.create("2", house.project("A", STEP2="exit 7")).run
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.attempt, house.began("STEP2")) == ("failed", 4, 4)


def test_between_tries_the_rule_s_times_pass(house: House) -> None:
    house.set_graph(retries="[5, 25, 125]")
    run = house.create("2", house.project("A", STEP2="exit 7")).run
    before = datetime.now(UTC)
    house.work(house.scheduler(), until=lambda: house.runs.show(run.id).steps[0].attempt == 2)
    (one,) = house.runs.show(run.id).steps
    assert one.state == "queued" and one.not_before is not None
    assert timedelta(seconds=5) <= one.not_before - before
    assert "tried again in 5 s (attempt 2)" in one.reason and "exit status 7" in one.reason


def test_a_second_try_may_succeed(house: House) -> None:
    house.set_graph(retries="[0.05]")
    run = house.create("2-3", house.project("A", STEP2="once 1")).run
    house.work(house.scheduler(), run.id)
    assert set(house.states(run.id).values()) == {"succeeded"}


@pytest.mark.parametrize(("words", "times"), [("exit 2", 1), ("exit 3", 1), ("some", 1), ("retriable", 2)])
def test_what_another_try_cannot_help_is_not_tried_again(house: House, words: str, times: int) -> None:
    house.set_graph(retries="[0.05]")
    run = house.create("2", house.project("A", 2, STEP2=words)).run
    house.work(house.scheduler(), run.id)
    assert (house.began("STEP2"), house.states(run.id)) == (times, {"STEP2": "failed"})


def test_a_project_that_is_gone_is_a_sentence(house: House) -> None:
    run = house.create("2-3", house.project("A")).run
    (house.folder("A") / "docs" / "0.mp4").unlink()
    (house.folder("A") / "docs").rmdir()
    house.folder("A").rmdir()
    house.work(house.scheduler(), run.id)
    assert house.runs.show(run.id).steps[0].reason.startswith("A: there is no such project.")
    assert house.states(run.id) == {"STEP2": "failed", "STEP3": "skipped"}


def test_a_step_that_runs_too_long_is_stopped_and_not_tried_again(house: House) -> None:
    house.set_graph(retries="[0.05]", more="timeout_s = 0.3\n")
    run = house.create("2", house.project("A", STEP2="wait")).run
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.attempt) == ("failed", 1) and "ran longer than its limit" in one.reason


def test_a_step_of_which_nothing_is_heard_is_shown_as_stalled(house: House) -> None:
    house.set_graph(more="stall_s = 0.2\n")
    run = house.create("2", house.project("A", STEP2="wait")).run
    scheduler = house.scheduler()
    house.work(scheduler, until=lambda: house.runs.show(run.id).steps[0].stalled)
    (house.folder("A") / "go").touch()
    house.work(scheduler, run.id)
    assert house.states(run.id) == {"STEP2": "succeeded"}


# what people ask for


def test_cancelling_ends_what_runs_and_begins_nothing_more(house: House) -> None:
    run = house.create("2-5", house.project("A", STEP2="wait")).run
    scheduler = house.scheduler()
    house.work(scheduler, until=lambda: house.began("STEP2"))
    house.runs.cancel(run.id)
    house.work(scheduler, run.id)
    assert set(house.states(run.id).values()) == {"cancelled"} and house.processes() == []


def test_pausing_stops_what_runs_and_resuming_lets_it_go_on(house: House) -> None:
    run = house.create("2-3", house.project("A", STEP2="wait")).run
    scheduler = house.scheduler()
    house.work(scheduler, until=lambda: house.began("STEP2"))
    house.runs.pause(run.id)
    house.work(scheduler, until=lambda: house.runs.show(run.id).steps[0].paused)
    (house.folder("A") / "go").touch()
    time.sleep(0.3)
    assert [mark.what for mark in house.trace()] == ["begin"]
    house.runs.resume(run.id)
    house.work(scheduler, run.id)
    assert set(house.states(run.id).values()) == {"succeeded"}


# what an earlier scheduler left


def test_a_running_step_is_adopted_and_its_run_goes_on(house: House) -> None:
    run = house.create("2-3", house.project("A", STEP2="wait")).run
    house.work(house.scheduler(), until=lambda: house.began("STEP2"))
    (house.folder("A") / "go").touch()
    house.work(house.scheduler(), run.id)  # another one
    assert set(house.states(run.id).values()) == {"succeeded"} and house.began("STEP2") == 1


def test_a_step_that_ended_meanwhile_is_booked_with_its_events(house: House) -> None:
    run = house.create("2", house.project("A", 3, STEP2="wait")).run
    house.work(house.scheduler(), until=lambda: house.began("STEP2"))
    (house.folder("A") / "go").touch()
    status = attempt_folder(house.runs.show(run.id).steps[0]) / "status.json"
    _wait(status)
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.exit_code) == ("succeeded", 0)
    assert [video.state for video in house.runs.steps.videos(one.id)] == ["succeeded"] * 3


def test_one_that_was_claimed_and_never_begun_is_begun(house: House) -> None:
    run = house.create("2", house.project("A")).run
    (one,) = house.runs.show(run.id).steps
    house.runs.steps.claim(one.id, owner="dead", boot_id=boot_id(), slot="cpu", device="cpu")
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.attempt) == ("succeeded", 1)


def test_what_went_down_with_the_machine_is_interrupted_and_begun_anew(house: House) -> None:
    run = house.create("2", house.project("A")).run
    (one,) = house.runs.show(run.id).steps
    house.runs.steps.claim(one.id, owner="dead", boot_id="another boot", slot="cpu", device="cpu")
    house.work(house.scheduler(), run.id)
    (one,) = house.runs.show(run.id).steps
    assert (one.state, one.attempt) == ("succeeded", 2)
    events = house.runs.events.after(0, step_run_id=one.id)
    states = [event.data["state"] for event in events if event.kind == "step"]
    assert states[:4] == ["queued", "running", "interrupted", "queued"]


def test_a_step_that_is_no_longer_in_the_graph_is_left_alone(house: House) -> None:
    run = house.create("2-3", house.project("A")).run
    scheduler = house.scheduler()
    scheduler.pipeline = Pipeline(tuple(one for one in house.pipeline.steps if one.key != "STEP3"))
    house.work(scheduler, until=lambda: house.states(run.id)["STEP2"] == "succeeded")
    assert house.states(run.id)["STEP3"] == "queued"


def _wait(path: Path) -> None:
    limit = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_folders_of_a_store_that_was_put_away_are_in_nobody_s_way(house: House) -> None:
    run = house.create("2", house.project("A")).run
    folder = attempt_folder(house.runs.show(run.id).steps[0])
    folder.mkdir(parents=True)
    recorder = '{"pid": 1, "create_time": -1, "boot_id": "x"}'
    (folder / "process.json").write_text(f'{{"recorder": {recorder}}}')
    (folder / "status.json").write_text("{}")
    house.work(house.scheduler(), run.id)
    assert house.states(run.id) == {"STEP2": "succeeded"}
