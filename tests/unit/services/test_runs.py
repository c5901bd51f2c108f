"""Runs as they are asked for, taken, followed, ended and forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.database import Database
from services.runs import (
    Clock,
    Conflict,
    NewEvent,
    PlannedStep,
    Progress,
    RunDetail,
    RunFilter,
    RunOptions,
    RunRequest,
    Runs,
    StepRun,
    UnknownRun,
)
from services.states import ACTIVE, TransitionError
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import ROOT

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BOOT, NEXT_BOOT = "boot-1", "boot-2"
SHOTS, SPEECH = PlannedStep("STEP3", "Été"), PlannedStep("STEP4", "Été")


class Times:
    """A clock that a test moves: `pass_by` as time does, `set_ahead` as somebody does."""

    def __init__(self) -> None:
        self.wall, self.since_boot = NOON, 1000.0
        self.clock = Clock(lambda: self.wall, lambda: self.since_boot)

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.since_boot += seconds

    def set_ahead(self, hours: float) -> None:
        self.wall += timedelta(hours=hours)


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def database() -> Iterator[Database]:
    with closing(Database()) as opened:
        yield opened


@pytest.fixture
def runs(database: Database, times: Times) -> Runs:
    return Runs(database, times.clock)


def ask(runs: Runs, *planned: PlannedStep, priority: int = 0, origin: str = "dashboard") -> RunDetail:
    """A run of these steps."""
    steps = tuple(dict.fromkeys(p.step for p in planned))
    projects = tuple(dict.fromkeys(p.project for p in planned if p.project is not None))
    return runs.create(RunRequest(steps, projects, priority=priority, origin=origin), planned)


def claim(runs: Runs, step: StepRun, boot: str = BOOT) -> StepRun:
    """The step run, taken."""
    taken = runs.steps.claim(step.id, owner="worker", boot_id=boot, slot="cpu", device="cpu")
    assert taken is not None
    return taken


def end(runs: Runs, step: StepRun) -> StepRun:
    """The step run, taken and done."""
    return runs.steps.finish(claim(runs, step).id, "succeeded", seconds=1.0, exit_code=0)


def test_a_run_is_read_as_it_was_asked_for(runs: Runs) -> None:
    first = ask(runs, PlannedStep("STEP1"))
    request = RunRequest(
        sequence=("STEP3", "STEP4"),
        projects=("Été",),
        options=RunOptions(force=True, device="cuda", parameters={"STEP3": {"threshold": 0.4}}),
        priority=5,
        origin="shell",
        retry_of=first.run.id,
    )
    made = runs.create(request, [SHOTS, SPEECH])
    assert runs.show(made.run.id) == made
    assert (made.run.request, made.run.created, made.run.state) == (request, NOON, "queued")
    assert [(s.planned, s.position, s.state, s.attempt) for s in made.steps] == [
        (SHOTS, 0, "queued", 1),
        (SPEECH, 1, "queued", 1),
    ]


def test_names_and_paths_that_are_no_utf_8_come_back_byte_for_byte(runs: Runs) -> None:
    name = os.fsdecode(b"caf\xe9")
    step = claim(runs, ask(runs, PlannedStep("STEP3", name)).steps[0])
    runs.steps.started(step.id, pid=1, create_time=0.0, boot_id=BOOT, log_path=f"/{name}/log", events_path=name)
    runs.steps.book(step.id, 1, [("video", {"video": name, "state": "failed", "message": f"{name}: bad"})])
    found = runs.steps.get(step.id)
    assert (found.project, found.log_path, found.events_path) == (name, f"/{name}/log", name)
    assert [video.video for video in runs.steps.videos(step.id)] == [name]
    assert runs.page(RunFilter(project=name)).total == 1
    with pytest.raises(Conflict):
        ask(runs, PlannedStep("STEP3", name))


def test_of_twenty_processes_and_threads_that_ask_for_the_same_at_once_one_gets_it(runs: Runs) -> None:
    code = (
        "import sys\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from services.database import Database\nfrom services.runs import *\n"
        "runs = Runs(Database())\nsys.stdin.readline()\n"
        "def ask(_):\n"
        "    try: return str(runs.create(RunRequest(('STEP3',), ('P',)), [PlannedStep('STEP3', 'P')]).run.id)\n"
        "    except Conflict as error: return f'409 {error.run_id}'\n"
        "with ThreadPoolExecutor(10) as pool: print(*pool.map(ask, range(10)), sep='\\n')"
    )
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(line for process in asking for line in process.communicate()[0].splitlines())
    assert answers == ["1"] + ["409 1"] * 19
    assert runs.page().total == 1


def test_a_conflict_names_the_work_and_the_run_that_has_it(runs: Runs) -> None:
    held = ask(runs, SHOTS, SPEECH)
    with pytest.raises(Conflict, match=r"^STEP4 of “Été” is already part of run 1, which is not over\.") as raised:
        ask(runs, PlannedStep("STEP5", "Été"), SPEECH)
    assert raised.value.run_id == held.run.id
    assert runs.page().total == 1
    for planned in (PlannedStep("STEP4", "Other"), PlannedStep("STEP5", "Été")):
        ask(runs, planned)


def test_work_for_all_projects_conflicts_with_that_for_each(runs: Runs) -> None:
    everything = ask(runs, PlannedStep("STEP3"))
    with pytest.raises(Conflict):
        ask(runs, SHOTS)
    runs.cancel(everything.run.id)
    ask(runs, SHOTS)
    with pytest.raises(Conflict):
        ask(runs, PlannedStep("STEP3"))


def test_what_has_ended_may_be_asked_for_again(runs: Runs) -> None:
    first = ask(runs, SHOTS, SPEECH)
    end(runs, first.steps[0])
    assert ask(runs, SHOTS).run.id == 2


@pytest.mark.parametrize("planned", [[], [SHOTS, SHOTS]], ids=["none", "twice"])
def test_a_run_of_nothing_or_of_the_same_twice_is_refused(runs: Runs, planned: list[PlannedStep]) -> None:
    with pytest.raises(UsageError, match="at least one step, and each only once"):
        runs.create(RunRequest(("STEP3",)), planned)


def test_numbers_of_nothing_are_named(runs: Runs) -> None:
    with pytest.raises(UnknownRun, match=r"^There is no run 7\."):
        runs.show(7)
    with pytest.raises(UnknownRun, match=r"^There is no step run 8\."):
        runs.steps.finish(8, "failed", seconds=0)


def test_of_many_that_claim_a_step_run_one_gets_it(runs: Runs) -> None:
    step = ask(runs, SHOTS).steps[0]

    def take(number: int) -> StepRun | None:
        return runs.steps.claim(step.id, owner=f"worker {number}", boot_id=BOOT, slot="cpu", device="cpu")

    with ThreadPoolExecutor(8) as pool:
        taken = [found for found in pool.map(take, range(8)) if found is not None]
    assert len(taken) == 1
    assert runs.steps.get(step.id) == taken[0]
    assert (taken[0].state, taken[0].boot_id, taken[0].slot, taken[0].started) == ("running", BOOT, "cpu", NOON)


def test_a_step_run_goes_from_the_queue_to_its_end_and_its_run_with_it(runs: Runs, times: Times) -> None:
    made = ask(runs, SHOTS, SPEECH)
    first, second = made.steps
    claim(runs, first)
    runs.steps.started(first.id, pid=12, create_time=3.5, boot_id=BOOT, log_path="log", events_path="events")
    times.pass_by(60)
    runs.steps.finish(first.id, "degraded", seconds=59.5, exit_code=0, reason="Two videos\nare degraded.")
    assert runs.show(made.run.id).run.state == "running"
    times.pass_by(1)
    end(runs, second)
    run = runs.show(made.run.id).run
    assert (run.state, run.started, run.finished) == ("degraded", NOON, NOON + timedelta(seconds=61))
    assert (run.seconds, run.active) == (61.0, False)
    ended = runs.steps.get(first.id)
    assert (ended.pid, ended.create_time, ended.log_path, ended.events_path) == (12, 3.5, "log", "events")
    assert (ended.seconds, ended.exit_code, ended.reason) == (59.5, 0, "Two videos\\nare degraded.")


@pytest.mark.parametrize("hours", [-1, 1])
def test_durations_stay_right_when_somebody_moves_the_clock(runs: Runs, times: Times, hours: float) -> None:
    made = ask(runs, SHOTS)
    claim(runs, made.steps[0])
    times.pass_by(30)
    times.set_ahead(hours)
    assert runs.steps.silent(31) == []
    times.pass_by(30)
    runs.steps.finish(made.steps[0].id, "succeeded", seconds=60)
    assert runs.show(made.run.id).run.seconds == 60


def test_an_end_is_booked_once(runs: Runs) -> None:
    step = end(runs, ask(runs, SHOTS).steps[0])
    with pytest.raises(TransitionError, match=r"STEP3 of “Été” in run 1 is succeeded and cannot be failed"):
        runs.steps.finish(step.id, "failed", seconds=1.0)
    with pytest.raises(TransitionError, match="is succeeded and cannot be paused"):
        runs.steps.mark_paused(step.id, True)
    assert runs.steps.get(step.id) == step


def test_the_queue_is_in_turn_by_priority_then_age_then_position(runs: Runs) -> None:
    for project, priority in (("a", 0), ("b", 5), ("c", 0)):
        ask(runs, PlannedStep("STEP3", project), PlannedStep("STEP4", project), priority=priority)
    in_turn = ["STEP3b", "STEP4b", "STEP3a", "STEP4a", "STEP3c", "STEP4c"]
    assert [f"{step.step}{step.project}" for step in runs.steps.ready()] == in_turn
    first = end(runs, runs.steps.ready()[0])
    assert first not in runs.steps.ready()
    assert [f"{step.step}{step.project}" for step in runs.steps.active()] == in_turn


def test_a_degraded_video_stays_degraded_where_a_later_attempt_finds_its_work_done(runs: Runs) -> None:
    step = claim(runs, ask(runs, SHOTS).steps[0])
    told = {"video": "a.mp4", "state": "degraded", "message": "no sound", "seconds": 3.0, "length": 9.0}
    runs.steps.book(step.id, 1, [("video", told), ("video", {"video": "b.mp4", "state": "failed"})])
    done = [
        ("video", {"video": name, "state": "up to date", "message": ""}) for name in ("a.mp4", "b.mp4", "c.mp4")
    ]
    runs.steps.book(step.id, 2, done)
    found = [(video.state, video.message) for video in runs.steps.videos(step.id)]
    assert found == [("degraded", "no sound"), ("up to date", ""), ("up to date", "")]


def test_a_retry_waits_for_its_time_and_forgets_the_attempt_before(runs: Runs, times: Times) -> None:
    made = ask(runs, SHOTS)
    step = claim(runs, made.steps[0])
    runs.steps.started(step.id, pid=12, create_time=3.5, boot_id=BOOT, log_path="log", events_path="events")
    runs.steps.book(step.id, 99, [("progress", {"done": 1, "total": 2})])
    later = NOON + timedelta(seconds=5)
    again = runs.steps.requeue(step.id, attempt=2, not_before=later, reason="It was killed.")
    assert (again.state, again.attempt, again.not_before, again.reason) == ("queued", 2, later, "It was killed.")
    assert (again.pid, again.log_path, again.progress, again.events_offset) == (None, None, None, 0)
    assert runs.show(made.run.id).run.state == "queued"
    assert runs.steps.ready() == []
    times.pass_by(5)
    assert runs.steps.ready() == [again]


def test_a_retry_does_not_wait_for_a_clock_that_was_put_back(runs: Runs, times: Times) -> None:
    step = claim(runs, ask(runs, SHOTS).steps[0])
    runs.steps.requeue(step.id, attempt=2, not_before=NOON + timedelta(seconds=5))
    times.set_ahead(-1)
    assert [found.id for found in runs.steps.ready()] == [step.id]


def test_a_step_run_without_heartbeat_is_found_even_if_there_never_was_one(runs: Runs, times: Times) -> None:
    silent, beating = (claim(runs, step) for step in ask(runs, SHOTS, SPEECH).steps)
    times.pass_by(20)
    runs.steps.beat([beating.id])
    times.pass_by(11)
    assert [step.id for step in runs.steps.silent(30)] == [silent.id]
    assert runs.steps.get(beating.id).heartbeat == NOON + timedelta(seconds=20)


def test_what_ran_under_another_boot_is_interrupted_and_can_be_taken_up_again(runs: Runs, times: Times) -> None:
    made = ask(runs, SHOTS, SPEECH)
    claim(runs, made.steps[0])
    waiting = ask(runs, PlannedStep("STEP3", "Other"))
    claim(runs, waiting.steps[0], NEXT_BOOT)
    times.pass_by(100)
    runs.steps.finish(claim(runs, made.steps[1]).id, "succeeded", seconds=1.0)
    times.since_boot = 5000.0
    interrupted = runs.steps.interrupt_other_boots(NEXT_BOOT)
    assert [(step.id, step.state) for step in interrupted] == [(made.steps[0].id, "interrupted")]
    assert interrupted[0].reason == "The machine was restarted while this step ran."
    run = runs.show(made.run.id).run
    assert (run.state, run.seconds) == ("interrupted", 0.0)
    assert [step.run_id for step in runs.steps.running()] == [waiting.run.id]
    assert runs.steps.interrupt_other_boots(NEXT_BOOT) == []
    runs.steps.requeue(interrupted[0].id, attempt=1)
    claim(runs, interrupted[0], NEXT_BOOT)
    times.pass_by(7)
    runs.steps.finish(interrupted[0].id, "succeeded", seconds=7.0)
    run = runs.show(made.run.id).run
    assert (run.state, run.seconds) == ("succeeded", 7.0)


def test_what_was_interrupted_is_not_taken_up_when_another_run_does_it_by_now(runs: Runs) -> None:
    step = claim(runs, ask(runs, SHOTS).steps[0])
    runs.steps.interrupt_other_boots(NEXT_BOOT)
    ask(runs, SHOTS)
    with pytest.raises(Conflict, match="part of run 2"):
        runs.steps.requeue(step.id, attempt=1)


def test_cancelling_a_run_ends_what_waits_and_asks_what_runs(runs: Runs) -> None:
    made = ask(runs, PlannedStep("STEP2", "Été"), SHOTS, SPEECH)
    end(runs, made.steps[0])
    running = claim(runs, made.steps[1])
    detail = runs.cancel(made.run.id)
    assert [(s.state, s.cancel_requested) for s in detail.steps] == [
        ("succeeded", False),
        ("running", True),
        ("cancelled", False),
    ]
    assert detail.run.state == "running"
    assert runs.cancel(made.run.id) == detail
    runs.steps.finish(running.id, "cancelled", seconds=1.0, exit_code=130)
    assert runs.show(made.run.id).run.state == "cancelled"
    with pytest.raises(TransitionError, match="Run 1 is cancelled and cannot be cancelled"):
        runs.cancel(made.run.id)


def test_a_retry_of_what_was_to_be_cancelled_is_cancelled(runs: Runs) -> None:
    step = claim(runs, ask(runs, SHOTS).steps[0])
    runs.steps.request_cancel(step.id)
    assert runs.steps.requeue(step.id, attempt=2).state == "cancelled"


def test_a_paused_run_begins_nothing_until_it_is_resumed(runs: Runs) -> None:
    made = ask(runs, SHOTS, SPEECH)
    running = claim(runs, made.steps[0])
    runs.pause(made.run.id)
    assert runs.steps.ready() == []
    assert runs.steps.claim(made.steps[1].id, owner="w", boot_id=BOOT, slot="cpu", device="cpu") is None
    assert runs.steps.get(running.id).pause_requested
    assert runs.steps.mark_paused(running.id, True).paused
    runs.resume(made.run.id)
    assert [step.id for step in runs.steps.ready()] == [made.steps[1].id]
    assert not runs.steps.get(running.id).pause_requested


def test_what_a_step_reports_is_booked_with_how_far_it_was_read(runs: Runs) -> None:
    step = claim(runs, ask(runs, SHOTS).steps[0])
    start = runs.events.last_id()
    reported: list[tuple[str, dict[str, Any]]] = [
        ("video", {"video": "a.mp4", "state": "running"}),
        ("progress", {"done": 1, "total": 9, "unit": "frames", "video": "a.mp4"}),
        ("warning", {"text": "slow"}),
        ("progress", {"done": 8, "total": 9, "unit": "frames", "video": "a.mp4"}),
        ("video", {"video": "a.mp4", "state": "degraded", "message": "no sound"}),
    ]
    assert runs.steps.book(step.id, 321, reported) == 4
    found = runs.steps.get(step.id)
    assert (found.events_offset, found.progress) == (321, Progress(8, 9, "frames", "a.mp4"))
    (video,) = runs.steps.videos(step.id)
    assert (video.video, video.state, video.message, video.updated) == ("a.mp4", "degraded", "no sound", NOON)
    events = runs.events.after(start, step_run_id=step.id)
    assert [event.kind for event in events] == ["video", "warning", "progress", "video"]
    assert dict(events[2].data) == reported[3][1]


def test_every_change_can_be_followed_by_event_id_alone(runs: Runs) -> None:
    made = ask(runs, SHOTS)
    step = claim(runs, made.steps[0])
    runs.steps.started(step.id, pid=1, create_time=1.0, boot_id=BOOT, log_path="", events_path="")
    runs.steps.mark_stalled(step.id, True)
    runs.steps.request_cancel(step.id)
    runs.steps.finish(step.id, "cancelled", seconds=1.0)
    seen, last = [], 0
    while batch := runs.events.after(last, 2):
        seen += batch
        last = batch[-1].id
    told = [(event.kind, event.data["state"]) for event in seen]
    assert told == [
        ("run", "queued"),
        ("step", "queued"),
        ("step", "running"),
        ("run", "running"),
        *[("step", "running")] * 3,
        ("step", "cancelled"),
        ("run", "cancelled"),
    ]
    assert [event.data.get("stalled") for event in seen][5:8] == [True, True, False]
    assert last == runs.events.last_id()


def test_a_change_that_is_refused_leaves_no_event(runs: Runs) -> None:
    step = ask(runs, SHOTS).steps[0]
    last = runs.events.last_id()
    with pytest.raises(TransitionError):
        runs.steps.finish(step.id, "succeeded", seconds=1.0)
    assert runs.events.last_id() == last


def test_events_are_filtered_by_run_and_some_belong_to_none(runs: Runs) -> None:
    first, second = ask(runs, SHOTS), ask(runs, SPEECH)
    last = runs.events.append([NewEvent("worker", {"pid": 1}), NewEvent("note", {"é": [1]}, second.run.id)])
    assert [(e.id, e.kind, e.data, e.time) for e in runs.events.after(last - 1)] == [
        (last, "note", {"é": [1]}, NOON)
    ]
    assert {event.run_id for event in runs.events.after(0, run_id=first.run.id)} == {first.run.id}
    assert [event.kind for event in runs.events.after(0) if event.run_id is None] == ["worker"]


def test_pages_list_every_run_once_newest_first_while_new_ones_come(runs: Runs) -> None:
    for number in range(7):
        ask(runs, PlannedStep("STEP3", f"p{number}"))
    first = runs.page(limit=3)
    ask(runs, PlannedStep("STEP3", "new"))
    second = runs.page(before=first.older, limit=3)
    third = runs.page(before=second.older, limit=3)
    assert [[run.id for run in page.runs] for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert (first.total, third.total, third.older) == (7, 8, None)


def test_runs_are_filtered_by_state_origin_project_and_step(runs: Runs) -> None:
    ask(runs, SHOTS)
    ask(runs, SPEECH, origin="shell")
    runs.cancel(ask(runs, PlannedStep("STEP3", "Other")).run.id)

    def found(wanted: RunFilter) -> list[int]:
        return [run.id for run in runs.page(wanted).runs]

    assert found(RunFilter(states=ACTIVE)) == [2, 1]
    assert found(RunFilter(states=("cancelled",))) == [3]
    assert found(RunFilter(origin="shell")) == [2]
    assert found(RunFilter(project="Été", step="STEP3")) == [1]
    assert found(RunFilter(step="STEP3")) == [3, 1]
    assert found(RunFilter(project="nobody's")) == []


def test_a_run_grows_when_the_projects_are_known_and_only_once(runs: Runs) -> None:
    made = ask(runs, PlannedStep("STEP1"))
    claim(runs, made.steps[0])
    grown = runs.extend(made.run.id, ["Été"], [SHOTS, SPEECH])
    assert runs.extend(made.run.id, ["Été"], [SHOTS, SPEECH]) == grown
    assert [step.planned for step in grown.steps] == [PlannedStep("STEP1"), SHOTS, SPEECH]
    assert grown.run.request.projects == ("Été",)
    runs.steps.finish(made.steps[0].id, "succeeded", seconds=1.0)
    assert runs.show(made.run.id).run.state == "running"
    runs.cancel(made.run.id)
    with pytest.raises(TransitionError, match="Run 1 is cancelled and cannot be extended"):
        runs.extend(made.run.id, ["Été"], [SHOTS])


def test_what_failed_and_what_needed_it_is_what_a_retry_does(runs: Runs) -> None:
    made = ask(runs, PlannedStep("STEP2", "Été"), SHOTS, SPEECH)
    end(runs, made.steps[0])
    runs.steps.finish(claim(runs, made.steps[1]).id, "failed", seconds=1.0, exit_code=1)
    runs.steps.skip(made.steps[2].id, "STEP3 failed.")
    detail = runs.show(made.run.id)
    assert (detail.run.state, detail.to_retry) == ("failed", (SHOTS, SPEECH))


def test_clearing_history_forgets_old_runs_wholly_and_keeps_what_is_not_over(
    runs: Runs, database: Database, times: Times
) -> None:
    active, old = ask(runs, SHOTS), ask(runs, SPEECH)
    runs.steps.book(claim(runs, old.steps[0]).id, 1, [("video", {"video": "a", "state": "failed"})])
    runs.steps.finish(old.steps[0].id, "failed", seconds=1.0)
    retry = runs.create(RunRequest(("STEP4",), ("Été",), retry_of=old.run.id), [SPEECH])
    runs.events.append([NewEvent("worker")])
    times.pass_by(86400 * 31)
    end(runs, retry.steps[0])
    last = runs.events.last_id()
    assert runs.prune(timedelta(days=30)) == 1
    assert [run.id for run in runs.page().runs] == [retry.run.id, active.run.id]
    assert runs.show(retry.run.id).run.request.retry_of is None
    assert {event.run_id for event in runs.events.after(0)} == {active.run.id, retry.run.id}
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM video_states").fetchone()[0] == 0
    times.pass_by(86400 * 31)
    assert runs.prune(timedelta(days=30)) == 1
    assert runs.events.append([NewEvent("worker")]) == last + 1
    assert database.faults() == []
