"""Steps run in the foreground: in order, side by side where slots allow, ended together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from services.foreground import Slots, StepReport, exit_code, run_steps
from services.pipeline import Pipeline, StepDefinition

#: A step that writes down when it begins and ends, and may wait for another to begin.
STEP = """
import sys, time
from pathlib import Path
folder, key, code, other = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
with (folder / "trace").open("a") as trace:
    print("begin", key, file=trace)
(folder / f"{key} began").touch()
print("working on", key)
limit = time.monotonic() + 30
while other and not (folder / f"{other} began").exists() and time.monotonic() < limit:
    time.sleep(0.02)
with (folder / "trace").open("a") as trace:
    print("end", key, file=trace)
sys.exit(code)
"""


def step(key: str, *needs: str, slot: str = "cpu") -> StepDefinition:
    """A step of a graph."""
    return StepDefinition(key, key.removeprefix("STEP"), f"title of {key}", "x.py", "env", needs, slot)


#: 1 -> 2 -> {3, 4} -> 5
GRAPH = Pipeline(
    (
        step("STEP1"),
        step("STEP2", "STEP1"),
        step("STEP3", "STEP2", slot="gpu"),
        step("STEP4", "STEP2", slot="gpu"),
        step("STEP5", "STEP3", "STEP4"),
    )
)


class Work:
    """Runs the graph with steps whose exit codes and meetings are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: list[str] = []

    def run(
        self,
        codes: dict[str, int] | None = None,
        meet: dict[str, str] | None = None,
        chosen: str | None = None,
        slots: Slots = Slots(2, 0),  # noqa: B008 - a value
        without_work: Sequence[str] = (),
    ) -> list[StepReport]:
        """Run the chosen steps; `meet` makes a step wait until another has begun."""

        def command(key: str) -> Callable[[], list[str] | None]:
            words = [str(self.folder), key, str((codes or {}).get(key, 0)), (meet or {}).get(key, "")]
            return lambda: None if key in without_work else [sys.executable, "-c", STEP, *words]

        commands = {one.key: command(one.key) for one in GRAPH.steps}
        return run_steps(GRAPH, GRAPH.select(chosen), commands, slots, self.shown.append)

    def trace(self) -> list[str]:
        """What began and ended, in order."""
        path = self.folder / "trace"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """Nothing has run yet."""
    return Work(tmp_path)


def test_steps_run_in_the_order_of_the_graph(work: Work) -> None:
    reports = work.run(slots=Slots(1, 0))
    keys = ["STEP1", "STEP2", "STEP3", "STEP4", "STEP5"]
    assert [report.step.key for report in reports] == keys
    assert work.trace() == [f"{what} {key}" for key in keys for what in ("begin", "end")]
    assert all(report.exit_code == 0 and report.seconds > 0 for report in reports)


def test_steps_that_do_not_need_each_other_run_side_by_side(work: Work) -> None:
    reports = work.run(meet={"STEP3": "STEP4", "STEP4": "STEP3"})  # each waits until the other has begun
    assert exit_code(reports) == 0
    trace = work.trace()
    assert max(trace.index("begin STEP3"), trace.index("begin STEP4")) < trace.index("begin STEP5")
    assert max(trace.index("end STEP3"), trace.index("end STEP4")) < trace.index("begin STEP5")


def test_the_output_of_each_step_is_shown_with_its_key(work: Work) -> None:
    work.run(chosen="1-2")
    assert work.shown == [
        "STEP1 title of STEP1",
        "STEP1 | working on STEP1",
        "STEP2 title of STEP2",
        "STEP2 | working on STEP2",
    ]


@pytest.mark.parametrize(
    ("slots", "running", "slot", "free"),
    [
        (Slots(2, 0), ["gpu"], "gpu", True),  # without a GPU its steps take CPU slots
        (Slots(1, 0), ["gpu"], "gpu", False),
        (Slots(1, 0), ["gpu"], "cpu", False),
        (Slots(2, 1), ["gpu"], "gpu", False),  # one step per GPU
        (Slots(2, 2), ["gpu"], "gpu", True),
        (Slots(1, 1), ["gpu"], "cpu", True),
        (Slots(1, 1), ["cpu"], "gpu", True),
        (Slots(1, 1), ["cpu"], "cpu", False),
        (Slots(2, 1), ["cpu", "gpu"], "cpu", True),
    ],
)
def test_slots(slots: Slots, running: list[str], slot: str, free: bool) -> None:
    assert (
        slots.free_for(step("STEP9", slot=slot), [step(f"STEP{i}", slot=s) for i, s in enumerate(running)]) is free
    )


@pytest.mark.parametrize("code", [2, 3])
def test_what_needs_a_step_that_could_not_start_is_not_started(work: Work, code: int) -> None:
    reports = work.run({"STEP3": code})
    assert [(r.step.key, r.exit_code) for r in reports if r.step.key in ("STEP3", "STEP5")] == [
        ("STEP3", code),
        ("STEP5", None),
    ]
    assert reports[-1].reason == "STEP3 could not start"
    assert "begin STEP4" in work.trace() and "begin STEP5" not in work.trace()
    assert exit_code(reports) == code


def test_far_needs_that_could_not_start_count_too(work: Work) -> None:
    reports = work.run({"STEP1": 3})
    assert [(r.step.key, r.exit_code, r.reason) for r in reports] == [
        ("STEP1", 3, ""),
        *((f"STEP{number}", None, "STEP1 could not start") for number in (2, 3, 4, 5)),
    ]


def test_a_failed_video_stops_no_step(work: Work) -> None:
    reports = work.run({"STEP2": 1})
    assert [report.exit_code for report in reports] == [0, 1, 0, 0, 0]
    assert exit_code(reports) == 1


def test_a_step_that_is_killed_is_reported_and_the_others_go_on(work: Work) -> None:
    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    reports = run_steps(
        GRAPH, GRAPH.select("1-2"), {"STEP1": lambda: killed, "STEP2": lambda: None}, Slots(1, 0), work.shown.append
    )
    assert [(r.exit_code, r.reason) for r in reports] == [(-9, "killed by signal 9"), (0, "nothing to work on")]
    assert exit_code(reports) == 1


def test_a_step_without_anything_to_work_on_is_not_started(work: Work) -> None:
    reports = work.run(without_work=["STEP2", "STEP3"])
    assert [report.reason for report in reports if report.step.key in ("STEP2", "STEP3")] == [
        "nothing to work on"
    ] * 2
    assert exit_code(reports) == 0 and "begin STEP5" in work.trace()


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, None], 0),
        ([0, 1, 0], 1),
        ([1, 3], 3),
        ([3, 2, 1], 2),
        ([2, 130, 3], 130),
        ([0, -9], 1),
        ([137, 0], 1),
    ],
)
def test_the_exit_status_is_the_gravest(codes: list[int | None], gravest: int) -> None:
    assert exit_code([StepReport(step("STEP1"), code, 0.0) for code in codes]) == gravest


ENDLESS = """
import os, signal, sys, time
from pathlib import Path
folder, how = Path(sys.argv[1]), sys.argv[2]
if how == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
(folder / "pid").write_text(str(os.getpid()))
time.sleep(60)
"""

DRIVER = """
import sys
import services.foreground as foreground
from services.foreground import Slots, exit_code, run_steps
from services.pipeline import Pipeline, StepDefinition
foreground._PATIENCE = 0.5
steps = tuple(StepDefinition(f"STEP{n}", str(n), "a", "x", "env", (), "cpu") for n in (1, 2))
def wrong():
    raise ValueError("no command")
commands = {"STEP1": lambda: sys.argv[1:], "STEP2": wrong if sys.argv[-1] == "wrong" else lambda: None}
reports = run_steps(Pipeline(steps), steps, commands, Slots(2, 0), print)
print(*[(report.step.key, report.exit_code, report.reason) for report in reports], sep="\\n")
sys.exit(exit_code(reports))
"""


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def begin(folder: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    """A driver whose step runs without end, and the step's pid."""
    command = [sys.executable, "-c", DRIVER, sys.executable, "-c", ENDLESS, str(folder), how]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if how != "wrong":
        wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
        return driver, int((folder / "pid").read_text())
    return driver, 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_a_signal_ends_the_steps_that_run(tmp_path: Path, how: str, sent: signal.Signals) -> None:
    driver, pid = begin(tmp_path, how)
    driver.send_signal(sent)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == 130, err
    assert "('STEP1', 130, 'cancelled')" in out and err == ""
    assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_error_of_ours_leaves_no_step_running(tmp_path: Path) -> None:
    driver, _ = begin(tmp_path, "wrong")
    _, err = driver.communicate(timeout=30)
    assert driver.returncode == 1 and "no command" in err
    if (tmp_path / "pid").exists():
        assert not alive(int((tmp_path / "pid").read_text()))


def test_the_handler_of_signals_is_as_before(work: Work) -> None:
    before = signal.getsignal(signal.SIGTERM)
    work.run(chosen="1")
    assert signal.getsignal(signal.SIGTERM) is before
