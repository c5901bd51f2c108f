"""Ways to recognise speech compared: with commands that print what the test wants, and for real."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.bench import transcript_bench
from services.bench.transcript_bench import DEFAULT_WAYS, WAYS, Answer, as_json, check_environments, measure, totals
from services.bench.word_truth import TrueWord, WordTruth, load_word_truths
from services.environments import ROOT, State, Status, state
from workflow_scripts.common.errors import PreconditionError, ToolError

SAMPLE = next(iter(sorted(ROOT.glob("audio_env/lib/python*/site-packages/pyannote/audio/sample/sample.wav"))), None)
TRUTH = WordTruth(Path("talk.wav"), (TrueWord("good", 1.0), TrueWord("day"), TrueWord("two", None, 3.0)))
ANSWER = Answer("x", "talk.wav", "Good day", "en", 10, 1, 2, 0, (0.1, -0.3), (), 30.0, 10.0, 15.0, 400)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every way prints, and how the scorer judges it: the second word is wrong."""
    words = [[" Good", 1.25, 1.5], [" bye", 1.5, 2.0], [" 2.", 2.0, 2.5]]
    told = [
        {
            "words": words,
            "language": "en",
            "audio_seconds": 30.0,
            "seconds": 10.0,
            "cpu_seconds": 15.0,
            "peak_memory": 5,
        }
    ]
    score = {"substituted": 1, "deleted": 0, "inserted": 0, "same": [[0, 0], [2, 2]]}

    def prints(*objects: Any) -> tuple[str, ...]:
        return sys.executable, "-c", f"print({chr(10).join(map(json.dumps, objects))!r})"

    monkeypatch.setattr(transcript_bench, "recognise_command", lambda *_: prints(*told))
    monkeypatch.setattr(transcript_bench, "score_command", lambda: prints(score))
    return told


def test_errors_times_and_speed_are_those_of_each_recording(said: list[dict[str, Any]]) -> None:
    shown: list[str] = []
    (answer,) = measure(["plain"], [TRUTH], "base", 2, shown.append)
    assert (answer.way, answer.sound, answer.text, answer.true, answer.errors) == (
        "plain",
        "talk.wav",
        "Good bye 2.",
        3,
        1,
    )
    assert (answer.starts, answer.ends) == ((0.25,), (-0.5,))
    assert shown == ["plain on 1 recordings"]


def test_a_way_that_says_less_than_it_was_given_is_told(said: list[dict[str, Any]]) -> None:
    with pytest.raises(ToolError, match="2 recordings were given, 1 came back"):
        measure(["plain"], [TRUTH, TRUTH], "base", 2, lambda _: None)


def test_over_all_recordings_errors_are_added_before_they_are_divided() -> None:
    other = replace(
        ANSWER, true=90, substituted=0, deleted=0, inserted=6, starts=(), audio_seconds=90.0, peak_memory=900
    )
    (total,) = totals([ANSWER, other])
    assert total.rate == pytest.approx(0.09)
    assert total.starts == pytest.approx(0.2) and total.ends is None
    assert (total.times_real_time, total.cpu_seconds, total.peak_memory) == (6.0, 30.0, 900)
    assert as_json([ANSWER, other])["totals"][0]["word_error_rate"] == pytest.approx(0.09)


def test_the_usual_ways_are_among_those_there_are() -> None:
    assert set(DEFAULT_WAYS) <= set(WAYS)


def test_a_missing_environment_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_bench, "state", lambda name: State(name, Status.MISSING))
    with pytest.raises(PreconditionError, match=r"audio_env, which is not made\. Run scripts/setup audio_env"):
        check_environments()


@pytest.mark.skipif(SAMPLE is None, reason="audio_env is not there")
def test_a_real_model_is_measured_on_real_speech(tmp_path: Path, embedded_model: Path) -> None:
    if not state("bench_env").ready:
        pytest.skip("bench_env is not made")
    assert SAMPLE is not None
    shutil.copyfile(SAMPLE, tmp_path / "sample.wav")
    (tmp_path / "sample.stm").write_text(
        "sample 1 Diane 12.542 14.184 This is Diane in New Jersey.\n"
        "sample 1 Sheila 14.444 17.769 And I'm Sheila in Texas, originally from Chicago.\n"
    )
    (answer,) = measure(["workflow"], load_word_truths(tmp_path), "base", 2, lambda _: None)
    assert answer.true == 14 and answer.substituted + answer.deleted <= 3 and answer.language == "en"
    assert len(answer.starts) >= 1 and all(abs(value) < 0.5 for value in answer.starts)
    assert answer.peak_memory > 100e6
