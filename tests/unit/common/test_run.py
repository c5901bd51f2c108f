"""A run of a step, with a toy step as a real process: skip or redo, failures, kills, the device ladder."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from typing import Any

import pytest


def test_a_run_does_everything_once_and_the_next_does_nothing(toy: Any) -> None:
    toy.put(a="ok one", b="degraded")
    first = toy.run()
    assert first.code == 0
    assert first.states() == {"a.txt": "succeeded", "b.txt": "degraded"}
    assert (toy.folder / "a.out").read_text() == "OK ONE!"
    assert toy.names() == ["a", "b"]
    before = {path: path.stat().st_mtime_ns for path in toy.folder.rglob("*.json")}
    second = toy.run()
    assert second.code == 0 and toy.names() == []
    assert second.states() == {"a.txt": "up to date", "b.txt": "up to date"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_manifest_says_everything_about_how_it_came_out(toy: Any) -> None:
    toy.put(a="degraded")
    toy.run("--suffix", "?", "--loud", "--device", "cuda")
    manifest = toy.manifest("a")
    assert (manifest.step, manifest.version, manifest.state) == ("STEP9", "1", "degraded")
    assert manifest.inputs["text"].path == "a.txt" and manifest.outputs["out"].path == "a.out"
    assert manifest.parameters["suffix"] == {"value": "?", "origin": "command line --suffix"}
    assert manifest.parameters["batch_size"] == {"value": 32, "origin": "default"}
    assert manifest.fingerprint == {"suffix": "?", "loud": True}
    assert [(model.name, model.sha256) for model in manifest.models] == [("capitals", "m1")]
    assert (manifest.device_asked, manifest.device_used) == ("cuda", "cpu")
    assert [(one.from_rung, one.to_rung) for one in manifest.fallbacks] == [("cuda", "cpu")]
    assert manifest.counts == {"characters": 8}
    assert [(gate.name, gate.passed) for gate in manifest.gates] == [("share", False)]
    assert manifest.warnings == ("a.txt: loud.",)
    assert manifest.started <= manifest.finished
    assert set(manifest.seconds) == {"prepare", "write", "total"}
    assert 1_000_000 < manifest.peak_memory < 4_000_000_000


def test_exactly_what_changed_is_done_again(toy: Any) -> None:
    toy.put(a="ok a", b="ok b", c="ok c")
    toy.run()
    toy.processed()
    toy.put(b="ok changed")
    assert toy.run().code == 0 and toy.names() == ["b"]
    (toy.folder / "c.out").write_text("edited")
    assert toy.run().code == 0 and toy.names() == ["c"]
    assert (toy.folder / "c.out").read_text() == "OK C!"
    os.utime(toy.folder / "a.txt", (1, 1))
    assert toy.run("--batch-size", "8").code == 0 and toy.names() == []  # changes nothing of the result
    assert toy.run("--suffix", "?").code == 0 and toy.names() == ["a", "b", "c"]
    assert toy.run("--suffix", "?", "--model", "m2").code == 0 and toy.names() == ["a", "b", "c"]
    (toy.folder / ".workflow" / "a" / "STEP9.json").write_text("{")
    assert toy.run("--suffix", "?", "--model", "m2").code == 0 and toy.names() == ["a"]
    toy.run("--suffix", "?", "--model", "m2", "--force")
    assert toy.names() == ["a", "b", "c"]


FAILURES = {
    "refuse": ("RefusedError", "b.txt: there is no text in it. Look at it."),
    "bug": ("VideoError", "b.txt: unexpected ZeroDivisionError: division by zero. The log holds the details."),
    "disk": ("VideoError", "b.txt: No space left on device ("),
    "poison always": ("DeviceFault", "CUDA error: an illegal memory access was encountered"),
}


@pytest.mark.parametrize("text", FAILURES)
def test_a_video_that_fails_leaves_the_others_done_and_a_record_that_goes_with_success(toy: Any, text: str) -> None:
    kind, sentence = FAILURES[text]
    toy.put(a="ok", b=text, c="ok")
    ended = toy.run()
    assert ended.code == 1
    assert ended.states() == {"a.txt": "succeeded", "b.txt": "failed", "c.txt": "succeeded"}
    failure = toy.failure("b")
    assert failure is not None and failure["kind"] == kind
    assert sentence in f"{failure['message']} {failure['hint']}"
    assert sentence in ended.out and "Traceback" not in ended.out + ended.err
    logs = "".join(path.read_text() for path in (toy.folder / "logs" / "step9").iterdir())
    assert ("Traceback" in logs) == (text == "bug")
    assert not (toy.folder / ".workflow" / "b" / "STEP9.json").exists()
    assert toy.failure("a") is None
    toy.put(b="ok at last")
    toy.processed()
    assert toy.run().code == 0
    assert toy.names() == ["b"] and toy.failure("b") is None


def test_a_failure_is_forgotten_when_what_succeeded_before_is_there_again(toy: Any) -> None:
    toy.put(a="ok")
    toy.run()
    toy.put(a="refuse")
    assert toy.run().code == 1 and toy.failure("a") is not None
    toy.put(a="ok")
    assert toy.run().states() == {"a.txt": "up to date"}
    assert toy.failure("a") is None


def test_a_video_whose_earlier_step_is_not_done_is_blocked_and_no_failure(toy: Any) -> None:
    toy.put(a="blocked", b="ok")
    ended = toy.run()
    assert ended.code == 1
    assert ended.states() == {"a.txt": "blocked", "b.txt": "succeeded"}
    assert "STEP8 has not finished for this video. Run STEP8 first." in ended.out
    assert toy.failure("a") is None


def test_a_precondition_that_fails_ends_the_run(toy: Any) -> None:
    toy.put(a="ok", b="precondition", c="ok")
    ended = toy.run()
    assert ended.code == 3
    assert ended.err == "The licence has ended.\n"
    assert toy.names() == ["a", "b"] and toy.failure("b") is None
    assert ended.events[-1]["event"] == "finished" and ended.events[-1]["exit_code"] == 3


def test_an_output_folder_that_cannot_be_written_is_a_sentence(toy: Any) -> None:
    toy.put(a="ok")
    (toy.folder / ".workflow").write_text("in the way")
    ended = toy.run()
    assert ended.code == 1
    assert "a.txt: " in ended.out and "Traceback" not in ended.out + ended.err


def test_killed_in_mid_work_only_that_video_is_done_again_and_nothing_is_left(toy: Any) -> None:
    toy.put(a="ok", b="kill once", c="ok")
    (toy.folder / "b.out").write_text("of an older run")
    assert toy.run().code == -signal.SIGKILL
    assert toy.names() == ["a", "b"]
    assert (toy.folder / "b.out").read_text() == "of an older run"
    assert len(toy.temporary()) == 1
    again = toy.run()
    assert again.code == 0
    assert toy.names() == ["b", "c"]
    assert again.states() == {"a.txt": "up to date", "b.txt": "succeeded", "c.txt": "succeeded"}
    assert (toy.folder / "b.out").read_text() == "KILL ONCE!"
    assert toy.temporary() == []


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_run_and_keeps_what_is_finished(toy: Any, sent: signal.Signals) -> None:
    toy.put(a="ok", b="wait", c="ok")
    process = toy.start()
    toy.wait_for("b")
    process.send_signal(sent)
    ended = toy.ended(process)
    assert ended.code == 130
    assert ended.err == "Cancelled; what was finished is kept.\n"
    assert toy.names() == ["a", "b"] and toy.temporary() == []
    assert toy.failure("b") is None and not (toy.folder / "b.out").exists()
    assert ended.events[-1] == {
        **ended.events[-1],
        "event": "finished",
        "states": {"succeeded": 1},
        "exit_code": 130,
    }


def test_being_cancelled_while_inputs_are_read_starts_nothing_more(toy: Any) -> None:
    toy.put(a="ok", b="cancel", c="ok")
    assert toy.run().code == 130
    assert toy.names() == []


def test_of_two_runs_at_once_the_second_is_told(toy: Any) -> None:
    toy.put(a="wait")
    first = toy.start()
    toy.wait_for("a")
    second = toy.run()
    assert second.code == 1
    assert second.states() == {"a.txt": "blocked"}
    assert "a.txt: another run of STEP9 is working on it." in second.out
    (toy.folder / "go").touch()
    assert toy.ended(first).code == 0
    assert toy.names() == ["a"] and toy.failure("a") is None


def rungs(*names: str) -> list[tuple[str, str]]:
    """The steps down a ladder from one rung to the next."""
    return list(pairwise(names))


HALVES = [f"cuda (batch {batch})" for batch in (32, 16, 8, 4, 2, 1)]


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("memory 4", HALVES[:4]),
        ("memory 1", HALVES),
        ("memory 0", [*HALVES, "cpu (batch 32, fresh process)"]),
        ("poison", [HALVES[0], "cpu (batch 32, fresh process)"]),
    ],
)
def test_the_ladder_is_gone_down_and_every_rung_is_on_record(toy: Any, text: str, way: list[str]) -> None:
    toy.put(a=text)
    ended = toy.run(TOY_CUDA="1")
    assert ended.code == 0 and ended.states() == {"a.txt": "succeeded"}
    assert (toy.folder / "a.out").read_text() == text.upper() + "!"
    manifest = toy.manifest("a")
    assert [(one.from_rung, one.to_rung) for one in manifest.fallbacks] == rungs(*way)
    assert all(one.reason.startswith("CUDA") for one in manifest.fallbacks)
    assert (manifest.device_asked, manifest.device_used) == ("auto", "cpu" if "cpu" in way[-1] else "cuda")
    warnings = [event["text"] for event in ended.events if event["event"] == "warning"]
    assert len(warnings) == len(way) - 1
    for warning, rung in zip(warnings, way[1:], strict=True):
        assert warning.startswith("a.txt: CUDA") and warning.endswith(f"going on with {rung}")
    assert [line for line in ended.out.splitlines() if "going on with" in line] == [
        f"[WARNING] {w}" for w in warnings
    ]
    fresh = "process 1" if "fresh" in way[-1] else "process 0"
    assert toy.processed()[-1].endswith(fresh)
    assert toy.run(TOY_CUDA="1").states() == {"a.txt": "up to date"}


def test_after_a_broken_cuda_context_every_video_gets_a_process_and_a_ladder_of_its_own(toy: Any) -> None:
    toy.put(a="ok", b="poison", c="ok", d="memory 16", e="poison", f="refuse")
    ended = toy.run(TOY_CUDA="1")
    assert ended.code == 1
    assert ended.states() == {
        "a.txt": "succeeded",
        "b.txt": "succeeded",
        "c.txt": "succeeded",
        "d.txt": "succeeded",
        "e.txt": "succeeded",
        "f.txt": "failed",
    }
    assert toy.processed() == [
        "a cuda 32 process 0",
        "b cuda 32 process 0",
        "b cpu 32 process 1",
        "c cuda 32 process 2",
        "d cuda 32 process 3",
        "d cuda 16 process 3",
        "e cuda 32 process 4",
        "e cpu 32 process 5",
        "f cuda 32 process 6",
    ]
    assert ended.out.count("PROCESSING_VIDEO: c.txt") == 1
    assert ended.out.count("f.txt: there is no text in it. Look at it.") == 1
    assert [event["event"] for event in ended.events].count("started") == 1
    assert [event["event"] for event in ended.events].count("finished") == 1


def test_twelve_of_twelve_are_done_though_the_gpu_fails_on_the_twelfth(toy: Any) -> None:
    toy.put(**{f"v{number:02d}": "ok" for number in range(1, 12)}, v12="poison")
    ended = toy.run(TOY_CUDA="1")
    assert ended.code == 0
    assert list(ended.states().values()) == ["succeeded"] * 12
    assert toy.manifest("v11").device_used == "cuda" and toy.manifest("v12").device_used == "cpu"
    (fallback,) = toy.manifest("v12").fallbacks
    assert (fallback.from_rung, fallback.to_rung) == ("cuda (batch 32)", "cpu (batch 32, fresh process)")
    assert toy.manifest("v11").fallbacks == ()


def test_a_fresh_process_has_the_same_parameters(toy: Any) -> None:
    toy.put(a="poison")
    assert toy.run("--suffix=-?", "--loud", TOY_CUDA="1").code == 0
    assert (toy.folder / "a.out").read_text() == "POISON-?"
    assert toy.manifest("a").fingerprint == {"suffix": "-?", "loud": True}
    assert toy.run("--suffix=-?", "--loud", TOY_CUDA="1").states() == {"a.txt": "up to date"}


def test_a_fresh_process_that_dies_is_one_failed_video(toy: Any) -> None:
    toy.put(a="poison", b="crash", c="kill once", d="ok")
    ended = toy.run(TOY_CUDA="1")
    assert ended.code == 1
    assert ended.states() == {"a.txt": "succeeded", "b.txt": "failed", "c.txt": "failed", "d.txt": "succeeded"}
    failures = [toy.failure("b"), toy.failure("c")]
    assert [failure and failure["message"] for failure in failures] == [
        "b.txt: a fresh process for it ended with exit status 7.",
        "c.txt: a fresh process for it was killed by signal 9.",
    ]


def test_a_cpu_run_never_asks_for_another_process(toy: Any) -> None:
    toy.put(a="poison")
    assert toy.run("--device", "cpu", TOY_CUDA="1").code == 0
    assert toy.processed() == ["a cpu 32 process 0"]
