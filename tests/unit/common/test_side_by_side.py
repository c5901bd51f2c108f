"""Several items at once on the CPU, each in a process of its own, with a toy step as real processes."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.devices import cores
from workflow_scripts.common.side_by_side import side_by_side

THREE = ("--device", "cpu", "--workers", "3")


def log_of(toy: Any) -> list[str]:
    """The messages in the one log of a run."""
    (path,) = (toy.folder / "logs" / "step9").iterdir()
    return [line.partition("] ")[2] for line in path.read_text().splitlines()]


def alive(pid: int) -> bool:
    """Whether a process is there and is no zombie (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def begun(toy: Any, *names: str) -> list[int]:
    """The processes that work on items, once all are begun."""
    for name in names:
        toy.wait_for(name)
    return [one.pid for one in toy.attempts()]


def test_the_next_item_goes_to_the_next_free_process(toy: Any) -> None:
    toy.put(a="wait", b="ok", c="ok", d="ok", e="wait", f="wait", g="ok")
    process = toy.start(*THREE)
    for name in "abcdef":  # a waits, and still all others are begun, until three wait
        toy.wait_for(name)
    assert "g.txt" not in (toy.folder / "processed").read_text()
    (toy.folder / "go").touch()
    ended = toy.ended(process)
    assert ended.code == 0 and set(ended.states().values()) == {"succeeded"}
    attempts = toy.attempts()
    assert len({one.pid for one in attempts} | {process.pid}) == 8
    assert {one.threads for one in attempts} == {max(1, cores() // 3)}


def test_one_that_fails_leaves_six_of_seven_done_and_everything_is_said_once(toy: Any) -> None:
    names = [f"{name}.txt" for name in "abcdefg"]
    toy.put(a="ok", b="ok", c="ok", d="refuse", e="ok", f="ok", g="ok")
    ended = toy.run(*THREE)
    assert ended.code == 1
    assert ended.states() == {name: "failed" if name == "d.txt" else "succeeded" for name in names}
    failure = toy.failure("d")
    assert failure is not None and failure["kind"] == "RefusedError"
    lines = [line.partition("] ")[2] for line in ended.out.splitlines()]
    assert lines[0] == "TOTAL_VIDEOS_TO_PROCESS: 7" and lines[-1] == "STEP9: 1 failed, 6 succeeded"
    assert sorted(line for line in lines if "PROCESSING" in line) == [f"PROCESSING_VIDEO: {name}" for name in names]
    assert lines.count("d.txt: there is no text in it. Look at it.") == 1
    assert f"3 videos at once, with {max(1, cores() // 3)} CPU threads each" in lines
    assert sorted(log_of(toy)) == sorted(lines)
    kinds = [event["event"] for event in ended.events]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert [kinds.count(kind) for kind in ("started", "video", "artifact", "finished")] == [1, 14, 6, 1]
    assert ended.events[-1]["states"] == {"succeeded": 6, "failed": 1}


def test_lines_of_several_videos_stay_whole_and_each_names_its_video(toy: Any) -> None:
    toy.put(a="chat", b="chat", c="chat")
    ended = toy.run(*THREE)
    assert ended.code == 0
    for lines in ([line.partition("] ")[2] for line in ended.out.splitlines()], log_of(toy)):
        talk = [line for line in lines if "long talk" in line]
        assert all(re.fullmatch(r"[abc]\.txt: line \d+ of a long talk x{100}", line) for line in talk)
        for name in "abc":
            own = [line for line in talk if line.startswith(name)]
            assert own == [f"{name}.txt: line {number} of a long talk {'x' * 100}" for number in range(200)]


def test_the_result_is_that_of_one_at_a_time(toy: Any) -> None:
    texts = {"a": "ok", "b": "degraded", "c": "refuse", "d": "ok again"}
    toy.put(**texts)
    found = []
    for workers in ("1", "3"):
        ended = toy.run("--workers", workers, "--loud", "--force")
        manifests = {name: vars(toy.manifest(name)) for name in "abd"}
        for manifest in manifests.values():
            for name in ("started", "finished", "seconds", "peak_memory", "outputs", "parameters"):
                del manifest[name]
        outputs = {name: (toy.folder / f"{name}.out").read_bytes() for name in "abd"}
        failure = {**toy.failure("c"), "when": ""}
        found.append((ended.code, ended.states(), manifests, outputs, failure))
    assert found[0] == found[1]


def test_one_item_needs_no_other_process(toy: Any) -> None:
    toy.put(a="ok", b="ok", c="ok")
    toy.run(*THREE)
    toy.processed()
    toy.put(b="ok changed")
    process = toy.start(*THREE)
    ended = toy.ended(process)
    assert [(one.name, one.pid, one.threads) for one in toy.attempts()] == [("b", process.pid, 0)]
    assert ended.states() == {"a.txt": "up to date", "b.txt": "succeeded", "c.txt": "up to date"}
    assert "at once" not in ended.out


def test_on_cuda_there_is_one_at_a_time_and_that_is_said(toy: Any) -> None:
    toy.put(a="ok", b="ok", c="ok", d="ok")
    process = toy.start("--workers", "3", TOY_CUDA="1")
    ended = toy.ended(process)
    assert ended.code == 0
    assert [(one.name, one.device, one.pid) for one in toy.attempts()] == [
        (name, "cuda", process.pid) for name in "abcd"
    ]
    sentence = "On CUDA one video is processed at a time, not 3: several processes on one GPU break its context."
    assert ended.out.count(f"[WARNING] {sentence}") == 1


def test_what_is_killed_is_one_failed_video_and_leaves_nothing(toy: Any) -> None:
    toy.put(a="ok", b="kill", c="ok", d="crash")
    ended = toy.run(*THREE)
    assert ended.code == 1
    assert ended.states() == {"a.txt": "succeeded", "b.txt": "failed", "c.txt": "succeeded", "d.txt": "failed"}
    killed, crashed = toy.failure("b"), toy.failure("d")
    assert killed is not None and crashed is not None and killed["retry"]
    assert killed["message"] == "b.txt: a fresh process for it was killed by signal 9."
    assert killed["hint"] == "The system does that when memory runs out."
    assert crashed["message"] == "d.txt: a fresh process for it ended with exit status 7."
    assert toy.temporary() == [] and not (toy.folder / "b.out").exists()


def test_what_is_missing_for_one_ends_them_all(toy: Any) -> None:
    toy.put(a="wait", b="precondition", c="wait", d="ok")
    ended = toy.run(*THREE)
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "The licence has ended.",
        "b.txt: a fresh process for it lacks what it needs, as it said above.",
    ]
    assert {toy.failure(name) for name in "abcd"} == {None}
    assert ended.events[-1]["event"] == "finished" and ended.events[-1]["exit_code"] == 3


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("wait", [signal.SIGTERM]),
        ("wait", [signal.SIGINT]),
        ("stubborn", [signal.SIGINT, signal.SIGTERM]),  # as when Ctrl-C ends what started the step too
    ],
)
def test_a_signal_ends_all_processes_and_keeps_what_is_finished(
    toy: Any, text: str, sent: list[signal.Signals]
) -> None:
    toy.put(a="ok", b="wait", c=text, d="wait", e="wait")
    process = toy.start(*THREE)
    pids = begun(toy, "a", "b", "c", "d")
    for number in sent:
        process.send_signal(number)
        time.sleep(0.2)
    ended = toy.ended(process)
    assert ended.code == 130
    assert ended.err == "Cancelled; what was finished is kept.\n"
    assert len(pids) == 4 and not any(alive(pid) for pid in pids)
    assert toy.names() == [] and toy.temporary() == []
    assert {toy.failure(name) for name in "abcde"} == {None}
    assert toy.manifest("a").state == "succeeded"
    assert ended.events[-1]["event"] == "finished" and ended.events[-1]["states"] == {"succeeded": 1}
    (toy.folder / "go").touch()
    assert set(toy.run(*THREE).states().values()) == {"up to date", "succeeded"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot tie a child to its parent")
def test_processes_die_with_a_parent_that_is_killed(toy: Any) -> None:
    toy.put(a="wait", b="wait", c="wait")
    process = toy.start(*THREE)
    pids = begun(toy, "a", "b", "c")
    process.kill()
    toy.ended(process)
    limit = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < limit:
        time.sleep(0.02)
    assert len(pids) == 3 and not any(alive(pid) for pid in pids)
    (toy.folder / "go").touch()
    assert set(toy.run().states().values()) == {"succeeded"}


def doing(limit: threading.Event) -> Callable[[int], None]:
    """Work that waits to be ended, but for thing 1, which fails."""

    def work(thing: int) -> None:
        if thing == 1:
            raise ValueError("of thing 1")
        assert limit.wait(30)

    return work


def test_an_error_ends_what_runs_and_begins_nothing_more() -> None:
    ended = threading.Event()
    with pytest.raises(ValueError, match="of thing 1"):
        side_by_side(doing(ended), range(20), 2, ended.set)
    assert ended.is_set()


def test_never_more_than_the_slots_are_busy() -> None:
    lock, busy, most, done = threading.Lock(), 0, 0, []

    def work(thing: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.001)
        with lock:
            busy -= 1
            done.append(thing)

    side_by_side(work, range(50), 4, lambda: None)
    assert most <= 4 and sorted(done) == list(range(50))
