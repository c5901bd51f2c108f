"""STEP3 as a process: what it makes of wrong parameters, of devices that are missing, and of those that fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.command_line import main
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Parameter
from workflow_scripts.step3.parameters import PARAMETERS
from workflow_scripts.step3.run_transnet import RunTransNet

FAULTY = Path(__file__).parent / "step3" / "faulty_transnet.py"
REAL = ROOT / "workflow_scripts" / "step3" / "run_transnet.py"
CUDA_ERROR = "CUDA driver error: invalid argument"
MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Shell:
    """Runs the step as people do."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def __call__(
        self, *arguments: str, script: Path = FAULTY, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One run, to its end."""
        return subprocess.run(
            [sys.executable, str(script), *arguments],
            env={**os.environ, "WORKFLOW_DATA_DIR": str(self.data), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def on_cuda(self, faults: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One run with a GPU that fails as it is told."""
        return self(*arguments, TRANSNET_CUDA="1", TRANSNET_FAULTS=faults)

    def calls(self) -> list[str]:
        """The calls of the network since the last time: `device windows`."""
        path = self.data / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def shell(data_folder: Path) -> Shell:
    """A shell in the test's data folder."""
    data_folder.mkdir(exist_ok=True)
    return Shell(data_folder)


def manifest(video: Video) -> Manifest:
    found = read_manifest(video.workflow / "STEP3.json")
    assert found is not None
    return found


def ways_down(video: Video) -> list[tuple[str, str, str]]:
    """The rungs of the ladder that failed for a video: from where, to where, why."""
    return [(one.from_rung, one.to_rung, one.reason) for one in manifest(video).fallbacks]


def rows(video: Video) -> bytes:
    return video.delivered(".csv").read_bytes()


def said(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The messages of the log."""
    return [line.partition("] ")[2] for line in run.stdout.splitlines()]


# ---------------------------------------------------------------------------------------------- parameters
def wrong_values(parameter: Parameter) -> list[Any]:
    """What the parameter does not take."""
    if parameter.type is bool:
        return ["maybe", 2]
    if parameter.choices:
        return ["int8", 16]
    assert parameter.minimum is not None and parameter.maximum is not None
    wrong = ["many", parameter.minimum - 1, parameter.maximum + 1, True]
    return [*wrong, parameter.minimum + 0.5] if parameter.type is int else [*wrong, "nan"]


@pytest.fixture
def in_this_process() -> Iterator[None]:
    """What a command line in this process changes is undone."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_a_wrong_value_is_one_sentence_that_names_parameter_and_range(
    parameter: Parameter,
    in_this_process: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    config = tmp_path / "wrong.json"
    monkeypatch.setattr(sys, "argv", ["run_transnet.py", "--config", str(config)])
    for value in wrong_values(parameter):
        config.write_text(json.dumps({parameter.name: value}))
        assert main(RunTransNet(), "") == 2
        out, err = capsys.readouterr()
        (sentence,) = err.splitlines()
        assert sentence.startswith(f"{parameter.name} = {value!r} ({tmp_path.name}/wrong.json) is not allowed: ")
        assert sentence.endswith(f"it must be {parameter.allowed}.")
        assert out == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stride", "60"], "window, stride and padding do not fit together: a window (100) is its stride (60) "),
        (["--window", "1001"], "window = '1001' (command line --window) is not allowed: "),
        (["--threshold", "1"], "threshold = '1' (command line --threshold) is not allowed: "),
        (["--device", "mps"], "run_transnet.py: error: argument --device: invalid choice: 'mps'"),
        (["--no-such-thing"], "run_transnet.py: error: unrecognized arguments: --no-such-thing"),
    ],
)
def test_wrong_options_are_exit_2_and_nothing_is_begun(shell: Shell, arguments: list[str], sentence: str) -> None:
    run = shell(*arguments)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in run.stderr and run.stdout == ""
    assert not (shell.data / "logs").exists()


# ---------------------------------------------------------------------------------------------- devices
def test_cuda_that_is_not_there_is_the_cpu_and_that_is_said(shell: Shell, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 20, 20)
    run = shell("--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert run.returncode == 0, run.stderr
    assert said(run).count("CUDA was asked for but is not available here: using the CPU.") == 1
    assert "Device sélectionné: CPU" in said(run)
    done = manifest(video)
    assert (done.device_asked, done.device_used) == ("cuda", "cpu")
    assert [(one.from_rung, one.to_rung) for one in done.fallbacks] == [("cuda", "cpu")]


def test_of_twelve_videos_twelve_are_done_when_the_gpu_fails_at_the_twelfth(shell: Shell, make_film: Any) -> None:
    videos = [make_film("A", f"v{number:02}.mp4", 20, 20, bright=number == 12) for number in range(1, 13)]
    run = shell.on_cuda("bright")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "TOTAL_VIDEOS_TO_PROCESS: 12" in said(run) and said(run)[-1] == "STEP3: 12 succeeded"
    assert [f"Succès: {video.stem}.csv créé" in said(run) for video in videos] == [True] * 12
    assert {rows(video) for video in videos} == {rows(videos[0])}
    assert [manifest(video).device_used for video in videos] == ["cuda"] * 11 + ["cpu"]
    assert [ways_down(video) for video in videos[:11]] == [[]] * 11
    assert ways_down(videos[11]) == [("cuda (batch 1)", "cpu (batch 1, fresh process)", CUDA_ERROR)]
    assert f"v12.mp4: {CUDA_ERROR}; going on with cpu (batch 1, fresh process)" in said(run)
    assert "Traceback" not in run.stdout + run.stderr


def test_when_the_gpu_fails_early_the_others_go_on_and_the_log_says_where(shell: Shell, make_film: Any) -> None:
    videos = [make_film("A", name, 20, 20, bright=name == "a.mp4") for name in ("a.mp4", "b.mp4", "c.mp4")]
    run = shell.on_cuda("bright", "--batch-size", "8")
    assert run.returncode == 0, run.stdout + run.stderr
    assert ways_down(videos[0]) == [("cuda (batch 8)", "cpu (batch 8, fresh process)", CUDA_ERROR)]
    assert said(run)[-1] == "STEP3: 3 succeeded"
    assert len({rows(video) for video in videos}) == 1


def test_without_room_the_batch_is_halved_down_to_the_cpu_and_the_cuts_stay(shell: Shell, make_film: Any) -> None:
    video = make_film("A", "x.mp4", *[55] * 8)  # nine windows
    assert shell("--device", "cpu", "--batch-size", "8").returncode == 0
    expected, told = rows(video), (video.workflow / "shots.json").read_bytes()
    shell.calls()
    run = shell.on_cuda("memory-0", "--batch-size", "8", "--force")
    assert run.returncode == 0, run.stdout + run.stderr
    rungs = ["cuda (batch 8)", "cuda (batch 4)", "cuda (batch 2)", "cuda (batch 1)", "cpu (batch 8, fresh process)"]
    assert ways_down(video) == [(above, below, MEMORY) for above, below in pairwise(rungs)]
    for below in rungs[1:]:
        assert f"x.mp4: {MEMORY}; going on with {below}" in said(run)
    assert shell.calls() == ["cuda 8", "cuda 4", "cuda 2", "cuda 1", "cpu 8", "cpu 1"]
    assert (rows(video), (video.workflow / "shots.json").read_bytes()) == (expected, told)
    assert manifest(video).device_used == "cpu"


def test_a_batch_that_has_room_is_where_it_stops(shell: Shell, make_film: Any) -> None:
    video, other = make_film("A", "x.mp4", *[55] * 8), make_film("A", "y.mp4", *[55] * 8)
    assert shell.on_cuda("memory-2", "--batch-size", "8").returncode == 0
    assert [way[1] for way in ways_down(video)] == ["cuda (batch 4)", "cuda (batch 2)"]
    assert manifest(video).device_used == manifest(other).device_used == "cuda"
    assert rows(video) == rows(other)


def test_where_torchscript_fails_videos_go_on_without_it(shell: Shell, make_film: Any) -> None:
    videos = [make_film("A", name, 20, 20) for name in ("a.mp4", "b.mp4")]
    run = shell("--torchscript", "--device", "cpu", TRANSNET_FAULTS="scripted")
    assert run.returncode == 0, run.stdout + run.stderr
    (way,) = ways_down(videos[0])
    assert way[:2] == ("cpu (batch 1, TorchScript)", "cpu (batch 1)") and "no such operator" in way[2]
    assert len(ways_down(videos[1])) == 1
    assert said(run)[-1] == "STEP3: 2 succeeded"


def test_where_going_on_without_it_is_not_wished_that_is_the_failure(shell: Shell, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 20, 20)
    run = shell("--torchscript", "--no-torchscript-auto-fallback", "--device", "cpu", TRANSNET_FAULTS="scripted")
    assert run.returncode == 1
    assert "Allow falling back from TorchScript, or switch it off." in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert not video.delivered(".csv").exists()


def test_without_torchscript_it_is_not_tried(shell: Shell, make_film: Any) -> None:
    video = make_film("A", "x.mp4", 20, 20)
    assert shell("--device", "cpu", TRANSNET_FAULTS="scripted").returncode == 0
    assert ways_down(video) == []


def test_on_cuda_there_is_one_video_at_a_time_whatever_is_wished(shell: Shell, make_film: Any) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_film("A", name, 20, 20)
    run = shell.on_cuda("", "--num-workers", "2")
    assert run.returncode == 0
    assert any("one video is processed at a time, not 2" in line for line in said(run))
    assert set(shell.calls()) == {"cuda 1"}


# ---------------------------------------------------------------------------------------------- the real network
def test_two_videos_at_once_give_what_one_at_a_time_gives_byte_for_byte(shell: Shell, make_film: Any) -> None:
    videos = [make_film("A", "a.mp4", 25, 20), make_film("A", "b .mp4", 20, 28, bright=True)]
    found = []
    for workers in ("1", "2"):
        run = shell("--device", "cpu", "--num-workers", workers, "--no-warmup", script=REAL)
        assert run.returncode == 0, run.stdout + run.stderr
        assert said(run)[-1] == "STEP3: 2 succeeded"
        found.append([rows(video) for video in videos])
        for video in videos:
            (video.workflow / "STEP3.json").unlink()
    assert found[0] == found[1]
    assert [row.split(b",")[3:] for row in found[0][1].splitlines()[1:]] == [[b"1", b"20"], [b"21", b"48"]]
