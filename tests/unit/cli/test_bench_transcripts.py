"""`scripts/bench transcripts`: its table, file and sentences, with what the test wants to be measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import bench, bench_transcripts
from services.bench.transcript_bench import Answer
from services.bench.word_truth import WordTruth

ANSWER = Answer("", "talk.wav", "Good bye", "en", 8, 1, 1, 0, (0.1, -0.3), (), 30.0, 10.0, 15.0, 400_000_000)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every way answers the same; what was asked for."""
    asked: list[object] = []

    def measure(
        ways: Sequence[str], truths: Sequence[WordTruth], model: str, threads: int, show: object
    ) -> list[Answer]:
        asked.append((tuple(ways), [truth.path.name for truth in truths], model, threads))
        return [Answer(way, *list(vars(ANSWER).values())[1:]) for way in ways]

    monkeypatch.setattr(bench_transcripts, "measure", measure)
    monkeypatch.setattr(bench_transcripts, "check_environments", lambda: None)
    return asked


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").touch()
    (tmp_path / "talk.txt").write_text("Good day")
    return tmp_path


def call(*arguments: str | Path) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(bench.main, ["transcripts", *map(str, arguments)])


def test_errors_times_speed_and_memory_are_told_for_each_recording_and_over_all(
    folder: Path, asked: list[object]
) -> None:
    result = call(folder)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    cells = ["1", "1", "0", "en", "0.20", "s", "-", "3.0", "15.0", "400"]
    assert ["talk.wav", "workflow", "2", "of", "8", *cells] in rows
    assert ["all", "plain", "25.0", "%", "1", "1", "0", "0.20", "s", "-", "3.0", "15.0", "400"] in rows
    assert asked == [(("workflow", "workflow-8", "plain", "plain-vad"), ["talk.wav"], "base", 0)]


def test_one_way_with_another_model_its_texts_and_its_figures_in_a_file(folder: Path, asked: list[object]) -> None:
    target = folder / "figures.json"
    result = call(folder, "--only", "plain", "--model", "small", "--threads", "1", "--texts", "--json", target)
    assert result.exit_code == 0, result.output
    assert asked == [(("plain",), ["talk.wav"], "small", 1)]
    assert "talk.wav, plain: Good bye" in result.stdout
    assert json.loads(target.read_text())["totals"][0]["word_error_rate"] == pytest.approx(0.25)


def test_a_folder_without_words_and_an_unknown_way_are_told_in_a_sentence(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 2 and "no recording here has its words beside it" in result.stderr
    assert call(tmp_path, "--only", "magic").exit_code == 2
