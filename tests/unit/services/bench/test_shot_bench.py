"""Comparing shot detectors, with commands that print what the test wants."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.bench import shot_detectors
from services.bench.shot_accuracy import Counts
from services.bench.shot_bench import Findings, as_json, find_cuts, longest_video, measure_speed
from services.bench.shot_detectors import Detection, Detector, chosen_detectors, detect
from services.bench.shot_truth import CutTruth
from services.environments import State, Status
from services.sample import SampleShot, SampleVideo, render
from workflow_scripts.common.errors import PreconditionError, ToolError, UsageError

Make = Callable[..., Detector]
TRUTHS = {"a.mp4": CutTruth(hard=(10, 20), frames=30), "b.mp4": CutTruth(gradual=((5, 9),), frames=30)}


def result(*boundaries: int, **fields: Any) -> dict[str, Any]:
    fixed = {"frames": 30, "transitions": None, "seconds": 2.0, "peak_memory": 1000}
    return {**fixed, "boundaries": boundaries, **fields}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(name, {"a.mp4": result})`: a detector that prints these, something before them, and fails elsewhere."""

    def detector(name: str, results: dict[str, Any]) -> Detector:
        script = tmp_path / f"{name}.py"
        script.write_text(
            "import json, pathlib, sys\n"
            f"results = json.loads({json.dumps(results)!r})\n"
            "print('Loading the network …')\n"
            "print(json.dumps(results[pathlib.Path(sys.argv[1]).name]))\n"
        )
        return Detector(name, (sys.executable, str(script)))

    return detector


def test_the_last_line_a_detector_prints_is_its_result(make: Make, tmp_path: Path) -> None:
    said = result(10, 20, transitions=[[8, 12, "gradual"]])
    found = detect(make("x", {"a.mp4": said}), tmp_path / "a.mp4")
    assert (found.frames, found.boundaries, found.transitions) == (30, (10, 20), ((8, 12, "gradual"),))
    assert (found.seconds, found.peak_memory) == (2.0, 1000)
    assert found.process_seconds > 0


@pytest.mark.parametrize("said", [[], "text", 7, {"frames": 1}, result(transitions=[1]), result(seconds=None)])
def test_a_detector_that_prints_something_else_is_told(make: Make, tmp_path: Path, said: Any) -> None:
    with pytest.raises(ToolError, match=r"x on a\.mp4: what it printed is no result"):
        detect(make("x", {"a.mp4": said}), tmp_path / "a.mp4")


def test_a_detector_that_says_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="what it printed is no result"):
        detect(Detector("x", (sys.executable, "-c", "")), tmp_path / "a.mp4")


def test_a_failing_detector_is_told_with_its_last_words(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^x failed on b\.mp4: KeyError: 'b\.mp4'$"):
        detect(make("x", {}), tmp_path / "b.mp4")


def test_accuracy_is_counted_over_all_videos(make: Make, tmp_path: Path) -> None:
    good = make("good", {"a.mp4": result(10, 21), "b.mp4": result(7)})
    (findings,) = find_cuts([good], tmp_path, TRUTHS, lambda line: None)
    assert findings.counts(TRUTHS, 0) == Counts(2, 1, 1, 1, false=1)
    assert findings.counts(TRUTHS, 2) == Counts(2, 2, 1, 1)
    assert findings.remarks(TRUTHS) == []


def test_where_a_detector_fails_it_has_found_nothing_and_a_remark_says_so(make: Make, tmp_path: Path) -> None:
    shown: list[str] = []
    (findings,) = find_cuts([make("poor", {"a.mp4": result(10)})], tmp_path, TRUTHS, shown.append)
    assert findings.counts(TRUTHS, 0) == Counts(2, 1, 1, 0)
    assert findings.remarks(TRUTHS) == ["poor failed on b.mp4: KeyError: 'b.mp4'"]
    assert shown == ["cuts 1/2: poor on a.mp4", "cuts 2/2: poor on b.mp4"]


def test_other_frames_than_there_are_make_a_remark(make: Make, tmp_path: Path) -> None:
    detector = make("x", {"a.mp4": result(frames=45), "b.mp4": result()})
    (findings,) = find_cuts([detector], tmp_path, TRUTHS, lambda line: None)
    assert findings.remarks(TRUTHS) == ["x saw 45 frames of a.mp4, which has 30."]


def test_who_finds_no_shots_is_not_judged(tmp_path: Path) -> None:
    assert find_cuts([Detector("decode", ("false",), judged=False)], tmp_path, TRUTHS, lambda line: None) == []


def test_speed_is_compared_within_the_rounds_and_memory_is_the_largest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The second round is the one in which the machine was busy.
    seconds = {"ours": [1.0, 9.0, 2.0], "package": [4.0, 27.0, 4.0], "decode": [0.5, 3.0, 0.5]}
    memory = {"ours": [10, 30, 20], "package": [90, 90, 90], "decode": [5, 5, 5]}
    order: list[str] = []

    def instead(detector: Detector, video: Path) -> Detection:
        number = order.count(detector.name)
        order.append(detector.name)
        taken = seconds[detector.name][number]
        return Detection(36, (), None, taken, taken + 1, memory[detector.name][number])

    monkeypatch.setattr("services.bench.shot_bench.detect", instead)
    speeds = measure_speed([Detector(name, ()) for name in seconds], tmp_path / "a.mp4", 3, lambda line: None)
    ours = speeds[0]
    assert ours.detector == "ours"
    assert ours.ratios == {"package": 3.0, "decode": pytest.approx(1 / 3)}
    assert ours.frames_per_second == 18.0
    assert (ours.peak_memory, ours.process_seconds) == (30, 3.0)
    assert order == ["ours", "package", "decode", "package", "decode", "ours", "decode", "ours", "package"]


def test_without_the_references_there_are_no_ratios(make: Make, tmp_path: Path) -> None:
    (speed,) = measure_speed([make("x", {"a.mp4": result()})], tmp_path / "a.mp4", 1, lambda line: None)
    assert speed.ratios == {}
    assert speed.frames_per_second == 15.0


def test_all_figures_are_told_as_json(make: Make, tmp_path: Path) -> None:
    detector = make("x", {"a.mp4": result(10, 20, 25), "b.mp4": result()})
    findings = find_cuts([detector], tmp_path, TRUTHS, lambda line: None)
    speeds = measure_speed([detector], tmp_path / "a.mp4", 1, lambda line: None)
    told = json.loads(json.dumps(as_json(findings, TRUTHS, tmp_path / "a.mp4", speeds)))
    hard = told["accuracy"]["x"]["0"]["hard"]
    assert hard == {"there": 2, "found": 2, "false": 1, "precision": pytest.approx(2 / 3), "recall": 1.0, "f1": 0.8}
    assert told["videos"]["a.mp4"]["x"]["boundaries"] == [10, 20, 25]
    assert told["videos"]["b.mp4"]["truth"]["gradual"] == [[5, 9]]
    assert told["speed"]["video"] == "a.mp4"
    assert told["speed"]["detectors"][0]["peak_memory"] == 1000


def test_detectors_come_in_the_order_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shot_detectors, "state", lambda name: State(name, Status.READY))
    assert [one.name for one in chosen_detectors(())] == list(shot_detectors.SCRIPTS)
    workflow, exact, decode = chosen_detectors(("decode", "workflow-float32", "workflow"))
    assert (workflow.judged, decode.judged) == (True, False)
    assert workflow.command[1:] == ("-m", "benchmarks.shots.workflow")
    assert exact.command[1:] == ("-m", "benchmarks.shots.workflow", "--backend", "float32")


def test_a_missing_environment_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_steps(name: str) -> State:
        return State(name, Status.MISSING if name == "bench_env" else Status.READY)

    monkeypatch.setattr(shot_detectors, "state", only_steps)
    with pytest.raises(PreconditionError, match="runs in bench_env, which is not made") as caught:
        chosen_detectors(())
    assert caught.value.hint == (
        "Run scripts/setup bench_env, or measure the others: --only workflow --only workflow-float32 "
        "--only workflow-first-look --only workflow-reference --only package --only decode."
    )
    assert len(chosen_detectors(("workflow", "package", "decode"))) == 3


def test_the_longest_video_is_the_one_that_lasts_longest(tmp_path: Path) -> None:
    for name, frames in (("large.mp4", 25), ("long.mkv", 75)):
        render(SampleVideo(name, Fraction(25), (SampleShot(frames, "hills"),), None), tmp_path / name)
    (tmp_path / "no video.mp4").write_bytes(b"text")
    assert longest_video(tmp_path) == tmp_path / "long.mkv"
    with pytest.raises(UsageError, match="no videos here"):
        longest_video(tmp_path / "elsewhere")


def test_findings_without_a_video_found_nothing_in_it() -> None:
    assert Findings("x", {}, {}).boundaries("a.mp4") == ()
