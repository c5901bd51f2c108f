"""Comparing diarization engines: with commands that print what the test wants, and for real on half a minute."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from services.bench import audio_bench
from services.bench.audio_bench import ENGINES, Answer, Errors, Result, as_json, chosen_engines, measure, totals
from services.bench.sound_truth import SoundTruth, load_sound_truths
from services.environments import ROOT, State, Status, state
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.timeline import Turn

TRUTH = SoundTruth(Path("talk.wav"), (Turn(0, 1, "a"), Turn(1, 2, "b")), None)
SAMPLE = next(iter(sorted(ROOT.glob("audio_env/lib/python*/site-packages/pyannote/audio/sample/sample.wav"))), None)


def answer(errors: Errors, seconds: float = 2.0, memory: int = 1000) -> Answer:
    return Answer(errors, 2, audio_seconds=30.0, seconds=seconds, cpu_seconds=3.0, peak_memory=memory)


def said(**fields: Any) -> dict[str, Any]:
    """What an engine prints."""
    errors = {"spoken": 10.0, "missed": 1.0, "false_alarm": 0.5, "confused": 0.5}
    detection = {"speech": 8.0, "speech_missed": 0.4, "speech_false": 0.2}
    measured = {"audio_seconds": 30.0, "seconds": 1.5, "cpu_seconds": 2.5, "peak_memory": 5, "speakers": 2}
    return {"engine": "x", **measured, "errors": errors | detection, **fields}


@pytest.fixture
def prints(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each engine prints by its name and options; it fails where there is nothing."""
    printed: dict[str, Any] = {}

    def command(engine: str, device: str, *options: str) -> tuple[str, ...]:
        key = " ".join([engine, device, *options])
        code = f"print('loading'); print({json.dumps(printed[key])!r})" if key in printed else "exit('no network')"
        return sys.executable, "-c", code

    monkeypatch.setattr(audio_bench, "diarize_command", command)
    return printed


def test_shares_are_of_what_is_spoken_and_of_the_time_anybody_speaks() -> None:
    errors = Errors(20, 1, 2, 3, speech=10, speech_missed=1, speech_false=2)
    assert errors.rate == pytest.approx(0.3)
    assert (errors.of_spoken(errors.missed), errors.of_speech(errors.speech_false)) == (0.05, 0.2)
    assert (Errors(false_alarm=1).rate, Errors().of_speech(1)) == (None, None)


def test_every_engine_works_twice_on_every_recording(prints: dict[str, Any]) -> None:
    prints["embedded cpu"] = said()
    prints["embedded cpu --given"] = said(speakers=1)
    shown: list[str] = []
    (result,) = measure(["embedded"], [TRUTH], "cpu", shown.append)
    assert result.unknown and result.given and not result.failure
    assert (result.unknown.speakers, result.given.speakers, result.truth.speakers) == (2, 1, 2)
    assert result.unknown.errors.rate == 0.2
    assert result.unknown.times_real_time == 20.0
    assert (result.unknown.cpu_seconds, result.unknown.peak_memory) == (2.5, 5)
    assert shown == ["1/1: embedded on talk.wav"]


def test_one_that_fails_is_told_with_its_last_words_and_the_others_go_on(prints: dict[str, Any]) -> None:
    prints.update({f"embedded-plain cuda{option}": said() for option in ("", " --given")})
    failed, fine = measure(["embedded", "embedded-plain"], [TRUTH], "cuda", lambda line: None)
    assert (failed.unknown, failed.failure) == (None, "embedded failed on talk.wav: no network")
    assert fine.unknown is not None


@pytest.mark.parametrize("garbage", [{}, said(errors={"wrong": 1}), said(seconds=None)])
def test_one_that_prints_something_else_is_told(prints: dict[str, Any], garbage: Mapping[str, Any]) -> None:
    prints["embedded cpu"] = garbage
    (result,) = measure(["embedded"], [TRUTH], "cpu", lambda line: None)
    assert result.failure.startswith("embedded on talk.wav: what it printed is no result")


def test_over_all_recordings_errors_are_added_before_they_are_divided() -> None:
    long, short = Errors(spoken=90, missed=9), Errors(spoken=10, confused=10)
    results = [
        Result("x", TRUTH, answer(long, 2.0, 10), answer(long)),
        Result("x", TRUTH, answer(short, 4.0, 30), answer(Errors(spoken=10))),
        Result("x", TRUTH, failure="x failed on talk.wav"),
    ]
    (total,) = totals(results)
    assert (total.recordings, total.unknown.rate, total.given.rate) == (2, 0.19, 0.09)
    assert (total.audio_seconds, total.seconds, total.cpu_seconds, total.peak_memory) == (60, 6, 6, 30)


def test_all_figures_are_told_as_json() -> None:
    results = [
        Result("x", TRUTH, answer(Errors(spoken=10, missed=1)), answer(Errors(spoken=10))),
        Result("y", TRUTH, failure="why"),
    ]
    told = json.loads(json.dumps(as_json(results)))
    first, second = told["recordings"]
    assert (first["recording"], first["true_speakers"], first["unknown"]["error_rate"]) == ("talk.wav", 2, 0.1)
    assert first["given"]["errors"]["spoken"] == 10
    assert (second["unknown"], second["failure"]) == (None, "why")
    assert [(one["engine"], one["error_rate"]) for one in told["totals"]] == [("x", 0.1)]


def test_pyannote_is_measured_where_it_is_configured_or_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_bench, "state", lambda name: State(name, Status.READY))
    for name in ("PYANNOTE_TOKEN", "HF_TOKEN", "AUDIO_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    assert chosen_engines(()) == ("embedded", "embedded-plain")
    assert chosen_engines(("pyannote", "embedded")) == ("embedded", "pyannote")
    monkeypatch.setenv("PYANNOTE_TOKEN", "hf_x")
    assert chosen_engines(()) == ENGINES


def test_a_missing_environment_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_bench, "state", lambda name: State(name, Status.MISSING))
    with pytest.raises(PreconditionError, match=r"audio_env, which is not made\. Run scripts/setup audio_env"):
        chosen_engines(())


@pytest.mark.skipif(SAMPLE is None or not state("audio_env").ready, reason="audio_env is not made")
def test_the_embedded_engine_without_segmentation_is_measured_for_real(tmp_path: Path) -> None:
    assert SAMPLE is not None
    shutil.copyfile(SAMPLE, tmp_path / "l’été 1.wav")
    shutil.copyfile(SAMPLE.with_suffix(".rttm"), tmp_path / "l’été 1.rttm")
    (result,) = measure(["embedded-plain"], load_sound_truths(tmp_path), "cpu", lambda line: None)
    assert result.unknown and result.given, result.failure
    assert (result.truth.speakers, result.given.speakers) == (2, 2)
    assert result.unknown.errors.spoken == pytest.approx(24.35)
    assert (result.unknown.errors.rate or 1) < 0.6 and (result.given.errors.rate or 1) < 0.25
    assert result.given.errors.speech_missed / result.given.errors.speech < 0.05
    assert result.unknown.audio_seconds == 30.0
    assert result.unknown.seconds > 0 and result.unknown.peak_memory > 100e6
