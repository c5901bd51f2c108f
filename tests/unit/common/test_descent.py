"""What the items of one process find out about the ladder, alone and with a toy step as a real process."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_scripts.common.descent import Descent
from workflow_scripts.common.devices import ladder
from workflow_scripts.common.errors import DeviceFault, TorchScriptFault

MEMORY = DeviceFault("CUDA out of memory", out_of_memory=True)
BROKEN = DeviceFault("CUDA error", out_of_memory=False)
SCRIPTED = TorchScriptFault("TorchScript failed.")


@pytest.mark.parametrize(
    ("fault", "left", "lost"),
    [
        (SCRIPTED, ["cuda (batch 2)", "cuda (batch 1)", "cpu (batch 2, fresh process)"], False),
        (MEMORY, ["cuda (batch 2)", "cuda (batch 1)", "cpu (batch 2, fresh process)"], False),
        (BROKEN, ["cpu (batch 2, fresh process)"], True),
    ],
)
def test_a_fault_leaves_the_rungs_that_can_help(
    fault: DeviceFault | TorchScriptFault, left: list[str], lost: bool
) -> None:
    first, *below = ladder("cuda", 2, torchscript=True)
    descent = Descent()
    rungs, fallback = descent.down(first, fault, below)
    assert [str(rung) for rung in rungs] == left
    assert (fallback.from_rung, fallback.to_rung) == ("cuda (batch 2, TorchScript)", left[0])
    assert fallback.reason == fault.message
    assert descent.context_lost == lost


def test_a_fault_with_nothing_left_to_try_is_the_video_s() -> None:
    (only,) = ladder("cpu", 2, torchscript=True, torchscript_fallback=False)
    for fault in (SCRIPTED, MEMORY, BROKEN):
        descent = Descent()
        with pytest.raises(type(fault)):
            descent.down(only, fault, [])
        assert not descent.context_lost
    first, *below = ladder("cuda", 2, torchscript=True, torchscript_fallback=False)
    with pytest.raises(TorchScriptFault):
        Descent().down(first, SCRIPTED, below)


def test_on_the_cpu_no_context_is_lost() -> None:
    first, *below = ladder("cpu", 2, torchscript=True)
    descent = Descent()
    assert descent.down(first, BROKEN, below)[0] == below
    assert not descent.context_lost


def test_what_failed_is_not_left_to_the_next_but_the_last_rung_of_the_gpu_is() -> None:
    descent, rungs = Descent(), list(ladder("cuda", 4))
    assert descent.left(rungs) == (rungs, ())
    below = rungs
    for _ in range(3):
        below, _ = descent.down(below[0], MEMORY, below[1:])
    assert [str(rung) for rung in below] == ["cpu (batch 4, fresh process)"]
    left, met = descent.left(rungs)
    assert [str(rung) for rung in left] == ["cuda (batch 1)", "cpu (batch 4, fresh process)"]
    assert [(one.from_rung, one.to_rung, one.reason) for one in met] == [
        ("cuda (batch 4)", "cuda (batch 2)", "CUDA out of memory (met by an earlier video)"),
        ("cuda (batch 2)", "cuda (batch 1)", "CUDA out of memory (met by an earlier video)"),
    ]


def ways(toy: Any, name: str) -> list[tuple[str, str]]:
    """The way down an item's manifest tells of."""
    return [(one.from_rung, one.to_rung) for one in toy.manifest(name).fallbacks]


def test_a_fault_of_torchscript_costs_no_video_and_is_met_once(toy: Any) -> None:
    toy.put(a="ok", b="scripted", c="ok", d="scripted")
    ended = toy.run("--torchscript")
    assert ended.code == 0 and set(ended.states().values()) == {"succeeded"}
    assert toy.processed() == [
        "a cpu+torchscript 32 process 0",
        "b cpu+torchscript 32 process 0",
        "b cpu 32 process 0",
        "c cpu 32 process 0",
        "d cpu 32 process 0",
    ]
    assert toy.prepared() == ["release", "prepare cpu+torchscript", "release", "prepare cpu", "release"]
    way = [("cpu (batch 32, TorchScript)", "cpu (batch 32)")]
    assert [ways(toy, name) for name in "abcd"] == [[], way, way, way]
    reason = "TorchScript failed (RuntimeError: no such operator)."
    assert toy.manifest("b").fallbacks[0].reason == reason
    assert toy.manifest("d").fallbacks[0].reason == f"{reason} (met by an earlier video)"
    assert [event["text"] for event in ended.events if event["event"] == "warning"] == [
        f"b.txt: {reason}; going on with cpu (batch 32)",
        "From c.txt on, videos start with cpu (batch 32): what comes before it failed.",
    ]
    assert toy.run("--torchscript").states() == {f"{name}.txt": "up to date" for name in "abcd"}


def test_where_torchscript_may_not_be_left_its_fault_is_one_failed_video(toy: Any) -> None:
    toy.put(a="ok", b="scripted", c="ok")
    ended = toy.run("--torchscript", "--no-torchscript-fallback")
    assert ended.code == 1
    assert ended.states() == {"a.txt": "succeeded", "b.txt": "failed", "c.txt": "succeeded"}
    assert {one.device for one in toy.attempts()} == {"cpu+torchscript"}
    failure = toy.failure("b")
    assert failure is not None and failure["kind"] == "TorchScriptFault"
    sentence = "no such operator). Allow falling back from TorchScript, or switch it off."
    assert any("b.txt: TorchScript failed" in line and sentence in line for line in ended.out.splitlines())


def test_lack_of_memory_takes_torchscript_before_it_takes_the_batch(toy: Any) -> None:
    toy.put(a="scripted memory")
    assert toy.run("--torchscript", TOY_CUDA="1").code == 0
    assert toy.processed() == ["a cuda+torchscript 32 process 0", "a cuda 32 process 0"]
    assert "CUDA out of memory" in toy.manifest("a").fallbacks[0].reason


@pytest.mark.parametrize(("text", "last"), [("memory 16", "cuda"), ("poison", "cpu")])
def test_where_torchscript_may_not_be_left_the_device_may(toy: Any, text: str, last: str) -> None:
    toy.put(a=text)
    assert toy.run("--torchscript", "--no-torchscript-fallback", TOY_CUDA="1").code == 0
    attempts = toy.attempts()
    assert [one.device for one in attempts] == ["cuda+torchscript", f"{last}+torchscript"]
    assert toy.manifest("a").device_used == last


def test_the_next_video_starts_with_the_batch_that_was_small_enough(toy: Any) -> None:
    toy.put(a="memory 8", b="ok", c="memory 4", d="memory 0", e="ok")
    ended = toy.run(TOY_CUDA="1")
    assert ended.code == 0
    began = [(one.name, one.device, one.batch) for one in toy.attempts()]
    assert began == [
        *(("a", "cuda", "32"), ("a", "cuda", "16"), ("a", "cuda", "8")),
        ("b", "cuda", "8"),
        *(("c", "cuda", "8"), ("c", "cuda", "4")),
        *(("d", "cuda", "4"), ("d", "cuda", "2"), ("d", "cuda", "1"), ("d", "cpu", "32")),
        ("e", "cuda", "1"),
    ]
    assert ways(toy, "b") == ways(toy, "a")
    assert len(ways(toy, "e")) == 5 and ways(toy, "e")[-1] == ("cuda (batch 2)", "cuda (batch 1)")
    assert ways(toy, "d") == [*ways(toy, "e"), ("cuda (batch 1)", "cpu (batch 32, fresh process)")]
    starts = [line.partition("] ")[2] for line in ended.out.splitlines() if "videos start with" in line]
    assert [line.partition(": what")[0] for line in starts] == [
        "From b.txt on, videos start with cuda (batch 8)",
        "From d.txt on, videos start with cuda (batch 4)",
        "From e.txt on, videos start with cuda (batch 1)",
    ]
