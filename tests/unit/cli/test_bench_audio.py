"""`scripts/bench audio`: its table, file and sentences, with what the test wants to be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import bench, bench_audio
from services.bench.audio_bench import Answer, Errors
from services.bench.audio_bench import Result as Measured
from services.bench.sound_truth import SoundTruth

ERRORS = Errors(spoken=20, missed=1, false_alarm=0.5, confused=1.5, speech=10, speech_missed=0.2, speech_false=0.4)
ANSWER = Answer(ERRORS, speakers=2, audio_seconds=30, seconds=1.5, cpu_seconds=2.25, peak_memory=500_000_000)
GIVEN = Answer(Errors(spoken=20, confused=1), 1, 30, 1, 1, 1)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """`embedded` answers, any other engine fails; which engines and device were asked for."""
    asked: list[object] = []

    def measure(engines: Sequence[str], truths: Sequence[SoundTruth], device: str, show: object) -> list[Measured]:
        asked.append((tuple(engines), device))
        return [
            Measured(engine, truth, ANSWER, GIVEN)
            if engine == "embedded"
            else Measured(engine, truth, failure=f"{engine} failed on {truth.path.name}: no")
            for truth in truths
            for engine in engines
        ]

    monkeypatch.setattr(bench_audio, "measure", measure)
    monkeypatch.setattr(bench_audio, "chosen_engines", lambda only: only or ("embedded", "pyannote"))
    return asked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").touch()
    (tmp_path / "talk.rttm").write_text("SPEAKER talk 1 0 1 <NA> <NA> a <NA> <NA>\n")
    return tmp_path


def call(*arguments: str | Path) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(bench.main, ["audio", *map(str, arguments)])


def test_errors_speed_and_memory_are_told_for_each_recording_and_over_all(
    folder: Path, asked: list[object]
) -> None:
    result = call(folder)
    assert result.exit_code == 0, result.output
    rows = [line.replace(" %", "").split() for line in result.stdout.splitlines()]
    figures = ["15.0", "5.0", "2.5", "7.5", "5.0", "2.0", "4.0"]
    assert ["talk.wav", "embedded", *figures, "2/1", "20.0", "2.25", "500"] in rows
    assert ["all", "1", "embedded", *figures, "20.0", "2.25", "500"] in rows
    assert ["talk.wav", "pyannote", "FAILED"] in rows
    assert "pyannote failed on talk.wav: no" in result.stdout.splitlines()
    assert asked == [(("embedded", "pyannote"), "cpu")]


def test_one_engine_alone_on_another_device_and_its_figures_in_a_file(folder: Path, asked: list[object]) -> None:
    target = folder / "figures.json"
    result = call(folder, "--only", "embedded", "--device", "cuda", "--json", target)
    assert result.exit_code == 0, result.output
    assert asked == [(("embedded",), "cuda")]
    assert json.loads(target.read_text())["totals"][0]["error_rate"] == pytest.approx(0.15)


def test_a_folder_without_turns_and_an_unknown_engine_are_told_in_a_sentence(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "no recording here has its turns beside it" in result.stderr
    assert call(tmp_path, "--only", "magic").exit_code == 2
