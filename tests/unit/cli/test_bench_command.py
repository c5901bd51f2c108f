"""`scripts/bench shots`, `parity` and `transitions`: their tables, files and sentences, with what the test wants to
be found."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import bench
from services.bench.made_up_shots import MadeUpResult
from services.bench.shot_accuracy import Counts
from services.bench.shot_detectors import Detector
from services.bench.shot_parity import Parity
from services.sample import SampleShot, SampleVideo, render

HARD = {"hard": [10, 20], "gradual": [], "optional": [20], "sure": "20 is a title"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one video with its truth."""
    folder = tmp_path / "videos"
    folder.mkdir()
    render(SampleVideo("a", Fraction(25), (SampleShot(10, "hills"),), None), folder / "a.mp4")
    (folder / "truth.json").write_text(json.dumps({"cuts": {"a.mp4": HARD}}))
    return folder


@pytest.fixture(autouse=True)
def _detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """`workflow` finds frame 10 and something at 15, `package` finds frame 11; `package` takes twice as long."""

    def detector(name: str, boundaries: list[int], seconds: float) -> Detector:
        said = {"frames": 30, "boundaries": boundaries, "transitions": None, "seconds": seconds, "peak_memory": 5e6}
        return Detector(name, (sys.executable, "-c", f"print({json.dumps(said)!r})"))

    known = {"workflow": detector("workflow", [10, 15], 1.5), "package": detector("package", [11], 3.0)}
    monkeypatch.setattr(
        bench, "chosen_detectors", lambda only: tuple(known[name] for name in known if name in only or not only)
    )


def call(*arguments: str | Path, command: str = "shots") -> Result:
    """Run it in this process."""
    return CliRunner().invoke(bench.main, [command, *map(str, arguments)])


def cells(result: Result) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in result.stdout.splitlines()]


def test_accuracy_and_speed_are_told_side_by_side(folder: Path) -> None:
    result = call(folder, "--rounds", "1")
    assert result.exit_code == 0, result.output
    told = cells(result)
    assert ["workflow", "0", "1/2", "0.50", "0.50", "0.50", "0/0", "0.00", "-", "0.00", "1"] in told
    assert ["package", "0", "0/2", "0.00", "0.00", "0.00", "0/0", "0.00", "-", "0.00", "1"] in told
    assert ["package", "2", "1/2", "1.00", "0.50", "0.67", "0/0", "-", "-", "-", "0"] in told
    assert ["package,", "certain", "cuts", "2", "1/1", "1.00", "1.00", "1.00", "0/0", "-", "-", "-", "0"] in told
    assert "a.mp4, says truth.json: 20 is a title" in result.stdout.splitlines()
    assert "On a.mp4:" in result.stdout.splitlines()
    assert next(line for line in told if line[:2] == ["workflow", "20"])[2:5] == ["2.00", "-", "5"]
    assert "speed 1/1: package on a.mp4" in result.stderr


def test_one_detector_alone_and_its_figures_in_a_file(folder: Path, tmp_path: Path) -> None:
    result = call(folder, "--only", "package", "--rounds", "2", "--json", tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    assert "workflow" not in result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["accuracy"]["package"]["2"]["hard"]["found"] == 1
    assert [one["detector"] for one in figures["speed"]["detectors"]] == ["package"]


def test_speed_can_be_measured_on_another_video(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.touch()
    result = call(folder, "--rounds", "1", "--speed-video", other)
    assert "On other.mp4:" in result.stdout.splitlines()


def test_a_folder_without_truth_is_told_in_a_sentence(folder: Path) -> None:
    (folder / "truth.json").unlink()
    result = call(folder)
    assert result.exit_code == 2
    assert "truth.json: cannot be read: No such file or directory." in result.stderr


def test_an_unknown_detector_and_no_rounds_are_refused(folder: Path) -> None:
    assert call(folder, "--only", "magic").exit_code == 2
    assert call(folder, "--rounds", "0").exit_code == 2


def test_parity_is_told_for_each_number_of_frames_and_way_to_compute(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def measure(folder: Path | None, lengths: tuple[int, ...], show: object) -> list[Parity]:
        asked.append((folder, lengths))
        return [Parity(50, "float32", 1.24e-6, 0, 3, True, True), Parity(50, "raw", 0.01, 0.02, 3, False, None)]

    monkeypatch.setattr("cli.bench.shot_parity.measure_parity", measure)
    result = call(folder, "--frames", "50", "--frames", "1", command="parity")
    assert result.exit_code == 0, result.output
    assert ["50", "float32", "1.2e-06", "0.0e+00", "3", "yes", "yes"] in cells(result)
    assert ["50", "raw", "1.0e-02", "2.0e-02", "3", "NO", "-"] in cells(result)
    assert call(command="parity").exit_code == 0
    assert asked == [(folder, (50, 1)), (None, ())]
    assert call("--frames", "0", command="parity").exit_code == 2


def test_made_up_transitions_are_told_with_what_is_found_and_what_is_false(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [
        MadeUpResult("fades", 700, Counts(gradual=9, gradual_found=8, false=1), Counts(gradual=9, false=2)),
        MadeUpResult("motion", 50, Counts(), Counts(false=4)),
    ]
    monkeypatch.setattr("cli.bench.made_up_shots.measure_made_up", lambda folder, show: results)
    result = call(folder, command="transitions")
    assert result.exit_code == 0, result.output
    assert cells(result)[2:] == [
        ["fades", "700", "9", "8", "1", "0", "2"],
        ["motion", "50", "-", "-", "0", "-", "4"],
    ]
