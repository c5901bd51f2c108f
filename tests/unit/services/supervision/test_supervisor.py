"""One step's process: how it is started, watched, taken over and stopped, and how its end is booked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from services.executors.local import LocalExecutor
from services.supervision.processes import ProcessIdentity, identity_of, is_alive, marked, send
from services.supervision.step_command import Command, step_environment
from services.supervision.step_events import StepEvent, StepProgress
from services.supervision.step_folder import STEP_RUN_VARIABLE, read_object, write_object
from services.supervision.step_handle import Alive, Handle, Limits
from services.supervision.step_logs import log_length, read_log
from services.supervision.step_outcomes import Ended
from services.supervision.supervisor import Supervisor
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills and counts processes through /proc")

LIMITS = Limits(patience_s=0.5)
#: A step that tells its progress and counts in a file, without end.
COUNTING = """
import os, sys, time
from pathlib import Path
Path("pid").write_text(str(os.getpid()))
for number in range(1_000_000):
    with open(os.environ["WORKFLOW_EVENTS"], "a") as stream:
        stream.write('{"event": "progress", "video": "a.mp4", "done": %d, "total": 9000000, "unit": "n"}' % number)
        stream.write("\\n")
    Path("count").write_text(str(number))
    time.sleep(0.02)
"""
#: Three children: one ignores TERM, one has a child in a session of its own; the step ignores TERM where told to.
FAMILY = """
import os, signal, sys, time
from pathlib import Path
for name in ("child", "deaf", "parent"):
    if os.fork() == 0:
        if name == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if name == "parent" and os.fork() == 0:
            os.setsid()
            name = "grandchild"
        Path(name).touch()
        time.sleep(60)
        os._exit(0)
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[1] == "ends":
    while len(os.listdir()) < 4: time.sleep(0.01)
    sys.exit(0)
time.sleep(60)
"""


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def ended(handle: Handle) -> Ended:
    """Poll until the end; all events of the step are among its own."""
    limit = time.monotonic() + 60
    events: list[StepEvent] = []
    while isinstance(said := handle.poll(), Alive):
        assert time.monotonic() < limit
        events += said.events
        time.sleep(0.02)
    return replace(said, events=(*events, *said.events))


def new_events(handle: Handle) -> bool:
    """Whether there are any since the last time, with the step at work."""
    said = handle.poll()
    return isinstance(said, Alive) and bool(said.events)


class Steps:
    """Starts toy steps, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.folder = folder / "step run"
        self.work.mkdir()

    def start(self, code: str, *words: str, limits: Limits = LIMITS, **given: str) -> Handle:
        """Start a program that runs in the folder `work`."""
        command = Command([sys.executable, "-c", code, *words], step_environment(given=given), self.work)
        return Supervisor(limits).start(command, self.folder)

    def adopt(self, limits: Limits = LIMITS, offset: int = 0) -> Handle:
        """Take the step over, knowing nothing but its folder."""
        return Supervisor(limits).adopt(self.folder, offset)

    def pid(self) -> int:
        """The pid that a counting step wrote down."""
        wait_for(lambda: (self.work / "pid").exists() and (self.work / "pid").read_text())
        return int((self.work / "pid").read_text())

    def count(self) -> int:
        """How far a counting step has come."""
        return int((self.work / "count").read_text() or 0)

    def begun(self) -> Steps:
        """Itself, once the whole family is there."""
        wait_for(lambda: len(list(self.work.iterdir())) == 4)
        return self

    def left(self) -> list[ProcessIdentity]:
        """All processes of the step that live."""
        return marked(STEP_RUN_VARIABLE, str(self.folder.resolve()))


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    """Nothing runs yet, and nothing after the test."""
    steps = Steps(tmp_path)
    yield steps
    for one in steps.left():
        send(one, signal.SIGKILL)


# how it ends


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(1)", 1, "Some items failed; the others are done."),
        ("import sys; print('x'); sys.exit('no')", 1, "Some items failed; the others are done."),
        ("import sys; print('--x is wrong.\\n'); sys.exit(2)", 2, "--x is wrong."),
        ("import sys; print('The model is \\x1bmissing.'); sys.exit(3)", 3, r"The model is \x1bmissing."),
        ("import sys; sys.exit(130)", 130, "It was cancelled; what was finished is kept."),
        ("import sys; print('oh'); sys.exit(7)", 7, "The step ended with exit status 7: oh"),
    ],
)
def test_the_exit_status_is_booked_with_a_sentence(steps: Steps, code: str, exit_code: int, reason: str) -> None:
    end = ended(steps.start(code))
    assert (end.exit_code, end.signal, end.reason) == (exit_code, None, reason)
    assert end.stopped is None and not end.oom and not end.died
    assert end.finished.endswith("+00:00") and end.seconds > 0 and end.peak_memory > 1_000_000


def test_a_program_that_is_not_there_is_a_failed_step(steps: Steps) -> None:
    handle = Supervisor(LIMITS).start(Command(["/no/python", "x"], {}, steps.work), steps.folder)
    end = ended(handle)
    assert end.exit_code == 127 and "/no/python cannot be started" in end.reason


def test_a_killed_step_has_failed_within_two_seconds(steps: Steps) -> None:
    handle = steps.start(COUNTING)
    os.kill(steps.pid(), signal.SIGKILL)
    killed = time.monotonic()
    end = ended(handle)
    assert time.monotonic() - killed < 2
    assert (end.exit_code, end.signal, end.oom) == (None, 9, False)
    assert end.reason == "The step failed (signal 9): killed; what was finished is kept."


@pytest.mark.parametrize(("after", "oom"), [("oom_kill 4", True), ("oom_kill 3", False)])
def test_a_step_that_the_kernel_killed_for_lack_of_memory_says_so(steps: Steps, after: str, oom: bool) -> None:
    counter = steps.work.parent / "vmstat"
    counter.write_text("nr_free_pages 7\noom_kill 3\n")
    handle = steps.start(COUNTING, limits=replace(LIMITS, oom_counter=counter))
    pid = steps.pid()
    counter.write_text(f"nr_free_pages 1\n{after}\n")
    os.kill(pid, signal.SIGKILL)
    end = ended(handle)
    assert end.oom is oom and ("memory ran out" in end.reason) is oom


def test_the_end_is_told_again_when_asked_again(steps: Steps) -> None:
    handle = steps.start("import os; open(os.environ['WORKFLOW_EVENTS'], 'w').write('{\"event\": \"started\"}\\n')")
    end = ended(handle)
    assert [event.kind for event in end.events] == ["started"] and end.events_offset == 21
    assert handle.poll() == replace(end, events=())


def test_what_a_step_left_running_ends_with_it(steps: Steps) -> None:
    end = ended(steps.start(FAMILY, "ends"))
    assert end.exit_code == 0 and steps.left() == []
    status = read_object(steps.folder / "status.json")
    assert status is not None and status["left_over"] == 4


# how it runs


def test_the_step_sees_its_environment_and_nothing_else(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hidden")
    monkeypatch.setenv("HF_TOKEN", "hidden")
    handle = steps.start("import os; print(sorted(os.environ), os.getcwd(), os.getsid(0) == os.getppid())", A="b")
    assert ended(handle).exit_code == 0
    said = read_log(handle.files.log).text
    assert "hidden" not in said and "HF_TOKEN" not in said and "PASSWORD" not in said
    assert all(f"'{name}'" in said for name in ("A", "PATH", "WORKFLOW_EVENTS", "WORKFLOW_STEP_RUN"))
    assert said.endswith(f"{steps.work} True\n")  # in a session of its recorder's own


def test_events_and_progress_are_told_while_it_runs(steps: Steps) -> None:
    handle = steps.start(COUNTING)
    done: list[int] = []
    while len(done) < 20:
        said = handle.poll()
        assert isinstance(said, Alive)
        done += [event.data["done"] for event in said.events]
        if said.progress is not None:
            assert said.progress == StepProgress("a.mp4", done[-1], 9_000_000, "n")
    assert done == list(range(len(done)))
    assert isinstance(said, Alive) and said.seconds > 0
    assert not said.stalled and not said.paused and not said.stopping


def test_a_million_lines_and_an_endless_one_are_capped(steps: Steps) -> None:
    code = """
import os
for _ in range(1000):
    os.write(1, b'a line of a step\\n' * 1000)
os.write(1, b'x' * 10_000_000)
"""
    before = psutil.Process().memory_info().rss
    handle = steps.start(code, limits=replace(LIMITS, log_bytes=2_000_000))
    assert ended(handle).exit_code == 0
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert sum(one.stat().st_size for one in steps.folder.glob("output.log*")) < 2_001_000
    assert log_length(handle.files.log) > 27_000_000
    assert read_log(handle.files.log, 0, 34).text == "a line of a step\n" * 2


def test_a_step_that_says_nothing_is_stalled_but_goes_on(steps: Steps) -> None:
    handle = steps.start("import time; time.sleep(1); print('here', flush=True); time.sleep(60)")
    handle.limits = replace(LIMITS, stall_s=0.2)
    wait_for(lambda: (said := handle.poll()) and isinstance(said, Alive) and said.stalled)
    wait_for(lambda: (said := handle.poll()) and isinstance(said, Alive) and not said.stalled)
    handle.cancel()
    assert ended(handle).stopped == "cancelled"


def test_a_stalled_step_is_stopped_where_that_is_wanted(steps: Steps) -> None:
    limits = replace(LIMITS, stall_s=0.3, kill_stalled=True)
    end = ended(steps.start("import time; time.sleep(60)", limits=limits))
    assert end.stopped == "stalled" and "nothing was heard of it for 0.3 s" in end.reason


def test_a_step_that_takes_too_long_is_stopped(steps: Steps) -> None:
    end = ended(steps.start(COUNTING, limits=replace(LIMITS, timeout_s=0.5)))
    assert end.stopped == "timeout" and end.signal == signal.SIGTERM
    assert end.reason == "It was stopped: it ran longer than its limit of 0.5 s."


def test_a_paused_step_does_nothing_and_is_not_stalled(steps: Steps) -> None:
    handle = steps.start(COUNTING, limits=replace(LIMITS, stall_s=0.1, kill_stalled=True, timeout_s=30))
    steps.pid()
    wait_for(lambda: (steps.work / "count").exists())
    handle.pause()
    handle.poll()
    count = steps.count()
    time.sleep(0.3)
    said = handle.poll()
    assert isinstance(said, Alive) and said.paused and not said.stalled
    assert steps.count() == count
    taken_over = steps.adopt().poll()
    assert isinstance(taken_over, Alive) and taken_over.paused
    handle.resume()
    wait_for(lambda: steps.count() > count)
    said = handle.poll()
    assert isinstance(said, Alive) and not said.paused


# how it is stopped


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_cancelling_ends_everything_that_the_step_started(steps: Steps, how: str) -> None:
    handle = steps.start(FAMILY, how)
    steps.begun()
    assert len(handle.processes()) == 6  # its recorder, itself, three children and a grandchild
    handle.cancel()
    said = handle.poll()
    assert isinstance(said, Ended) or said.stopping
    end = ended(handle)
    assert end.signal == (signal.SIGTERM if how == "polite" else signal.SIGKILL)
    assert (end.stopped, end.reason) == ("cancelled", "It was cancelled; what was finished is kept.")
    assert steps.left() == []


def test_a_paused_step_can_be_cancelled(steps: Steps) -> None:
    handle = steps.start(COUNTING)
    steps.pid()
    handle.pause()
    handle.cancel()
    assert ended(handle).signal == signal.SIGTERM


def test_a_step_is_asked_once_and_has_time_to_tidy_up(steps: Steps) -> None:
    code = """
import signal, sys, time
def stop(*_):
    time.sleep(0.3)
    print("tidied up")
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
open("pid", "w").write("1")
time.sleep(60)
"""
    handle = steps.start(code, limits=Limits(patience_s=30))
    steps.pid()
    for _ in range(3):
        handle.cancel()
        time.sleep(0.05)
    end = ended(handle)
    assert (end.exit_code, end.stopped) == (130, "cancelled")
    assert read_log(handle.files.log).text == "tidied up\n"


def test_what_was_done_before_the_wish_to_stop_reached_it_is_done(steps: Steps) -> None:
    code = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("pid", "w").write("1")
time.sleep(0.3)
"""
    handle = steps.start(code, limits=Limits(patience_s=30))
    steps.pid()
    handle.cancel()
    end = ended(handle)
    assert (end.exit_code, end.stopped, end.reason) == (0, None, "")


def test_a_recorder_that_does_not_answer_is_ended_with_its_step(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.supervision.step_handle._STUCK_S", 0.2)
    handle = steps.start(COUNTING)
    steps.pid()
    assert handle.identity is not None
    handle.processes()
    handle.resume = lambda: None  # type: ignore[method-assign]  # nobody wakes it
    send(handle.identity, signal.SIGSTOP)
    handle.cancel()
    assert ended(handle).stopped == "cancelled" and steps.left() == []


# the worker goes, another one comes


def test_a_step_that_still_runs_is_taken_over(steps: Steps) -> None:
    steps.start(COUNTING)
    pid = steps.pid()
    handle, offset = steps.adopt(), 0
    for _ in range(3):
        handle = steps.adopt(offset=offset)
        wait_for(partial(new_events, handle))
        offset = handle.poll().events_offset
    assert handle.processes()[1].pid == pid
    handle.cancel()
    end = ended(handle)
    assert end.stopped == "cancelled" and steps.left() == []
    first = ended(steps.adopt()).events
    assert [event.data["done"] for event in first] == list(range(len(first)))  # all of them, from the beginning


def test_another_process_takes_a_step_over_and_books_its_end(steps: Steps) -> None:
    steps.start(COUNTING)
    pid = steps.pid()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom services.supervision.supervisor import Supervisor\n"
        "handle = Supervisor().adopt(Path(sys.argv[1]))\nprint(type(handle.poll()).__name__)\nhandle.cancel()\n"
        "while not hasattr(end := handle.poll(), 'exit_code'): time.sleep(0.02)\nprint(end.signal, end.stopped)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(steps.folder)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout.split() == ["Alive", "15", "cancelled"]
    assert identity_of(pid) is None


def test_a_step_outlives_the_process_that_started_it_and_its_end_is_booked_unwatched(steps: Steps) -> None:
    worker = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom services.supervision.supervisor import Supervisor\n"
        "from services.supervision.step_command import Command, step_environment\n"
        "code = 'import time; time.sleep(0.5); print(1); raise SystemExit(3)'\n"
        "Supervisor().start(Command([sys.executable, '-c', code], step_environment()), Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", worker, str(steps.folder)], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert isinstance(steps.adopt().poll(), Alive)
    wait_for(lambda: steps.left() == [])
    end = steps.adopt().poll()
    assert isinstance(end, Ended) and (end.exit_code, end.reason) == (3, "1")
    assert end.seconds >= 0.5


def test_a_step_does_not_outlive_its_recorder_and_is_found_to_have_died(steps: Steps) -> None:
    handle = steps.start(FAMILY, "polite")
    steps.begun()
    assert handle.identity is not None
    send(handle.identity, signal.SIGKILL)
    wait_for(lambda: not is_alive(handle.identity))  # type: ignore[arg-type]
    end = steps.adopt().poll()  # a worker that has never seen the grandchild
    assert isinstance(end, Ended) and end.died
    assert end.reason.startswith("It was killed or never began")
    assert steps.left() == []
    assert ended(handle).died


def test_a_worker_that_dies_before_it_noted_the_start_leaves_nothing_behind(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.supervision.supervisor.write_object", full)
    with pytest.raises(WorkflowError, match=r"cannot be started \(No space left on device\)") as raised:
        steps.start("open('begun', 'w')")
    assert raised.value.retry
    assert steps.left() == [] and not (steps.work / "begun").exists()
    end = steps.adopt().poll()
    assert isinstance(end, Ended) and end.died and end.reason == "It was never started."


def test_a_step_of_another_boot_is_gone_and_whoever_has_its_number_is_left_alone(steps: Steps) -> None:
    handle = steps.start(COUNTING)
    steps.pid()
    innocent = subprocess.Popen(["sleep", "60"])
    now = identity_of(innocent.pid)
    assert now is not None
    note = read_object(steps.folder / "process.json") or {}
    elsewhere = steps.folder.parent / "other"
    elsewhere.mkdir()
    write_object(elsewhere / "process.json", {**note, "recorder": replace(now, boot_id="another").to_json()})
    gone = Supervisor(LIMITS).adopt(elsewhere)
    gone.cancel()
    end = gone.poll()
    assert isinstance(end, Ended) and end.died
    assert innocent.poll() is None and isinstance(handle.poll(), Alive)
    innocent.kill()
    innocent.wait()
    handle.cancel()
    ended(handle)


def test_the_reason_for_stopping_it_outlives_the_worker(steps: Steps) -> None:
    handle = steps.start(COUNTING, limits=replace(LIMITS, timeout_s=0.3))
    steps.pid()
    wait_for(lambda: (said := handle.poll()) and (isinstance(said, Ended) or said.stopping))
    wait_for(lambda: steps.left() == [])
    end = steps.adopt().poll()
    assert isinstance(end, Ended) and end.stopped == "timeout" and "longer than its limit of 0.3 s" in end.reason


def test_a_wish_that_was_written_down_but_not_sent_is_sent_by_the_next_worker(steps: Steps) -> None:
    handle = steps.start(COUNTING)
    steps.pid()
    handle.pause()
    write_object(steps.folder / "stop.json", {"kind": "cancelled", "reason": "Cancelled."})
    end = ended(steps.adopt())
    assert (end.stopped, end.reason, end.signal) == ("cancelled", "Cancelled.", signal.SIGTERM)


def test_a_folder_serves_one_step(steps: Steps) -> None:
    assert ended(steps.start("")).exit_code == 0
    with pytest.raises(WorkflowError, match="started here before"):
        steps.start("")


def test_the_executor_of_this_machine_starts_and_takes_over(steps: Steps) -> None:
    executor = LocalExecutor(LIMITS)
    executor.start(Command([sys.executable, "-c", COUNTING], step_environment(), steps.work), steps.folder)
    steps.pid()
    handle = executor.adopt(steps.folder)
    handle.cancel()
    assert ended(handle).stopped == "cancelled"
