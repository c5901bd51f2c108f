"""What a run needs is found out before anything starts."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from services import preflight
from services.pipeline import Pipeline, load_pipeline
from services.planning import chosen
from services.preflight import check, expected_bytes, require
from services.runs import RunOptions, RunRequest
from workflow_scripts.common.errors import PreconditionError, UsageError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


def problems(pipeline: Pipeline, request: RunRequest) -> dict[str, str]:
    """What is missing, by its name."""
    return {found.what: found.text for found in check(pipeline, request) if found.verdict == "problem"}


def test_a_run_that_lacks_nothing_passes(pipeline: Pipeline, data_folder: Path) -> None:
    findings = check(pipeline, RunRequest(("STEP1", "STEP2")))
    assert [(found.what, found.verdict) for found in findings] == [
        (what, "ok") for what in ("ffmpeg", "disk", "STEP1", "STEP2")
    ]
    require(findings)
    assert not data_folder.exists()


def test_what_a_run_of_everything_goes_without_is_a_note_and_stops_nothing(pipeline: Pipeline) -> None:
    findings = check(pipeline, RunRequest(chosen(pipeline, "2-")))
    (note,) = [found for found in findings if found.what == "STEP4B"]
    assert note.verdict == "note" and note.text == (
        "It is left out. The speech model base is not here. "
        "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`."
    )
    require(findings)


def test_a_step_asked_for_by_name_without_its_model_is_a_problem(pipeline: Pipeline) -> None:
    with pytest.raises(PreconditionError) as error:
        require(check(pipeline, RunRequest(("STEP4B",))))
    assert str(error.value) == (
        "STEP4B: The speech model base is not here. "
        "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`. Nothing was started."
    )


def test_a_part_of_the_steps_says_nothing_of_the_others(pipeline: Pipeline) -> None:
    assert "STEP4B" not in {found.what for found in check(pipeline, RunRequest(("STEP4",)))}


def test_a_missing_environment_is_named(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight, "python_of", lambda name: tmp_path / name / "bin" / "python")
    findings = check(pipeline, RunRequest(("STEP3", "STEP5")))
    with pytest.raises(PreconditionError) as error:
        require(findings)
    assert str(error.value) == (
        "transnet_env: The environment is missing. Run scripts/setup transnet_env."
        " env: The environment is missing. Run scripts/setup env. Nothing was started."
    )


def test_a_parameter_that_a_step_refuses_is_found(pipeline: Pipeline) -> None:
    options = RunOptions(parameters={"STEP2": {"crf": 99}})
    assert problems(pipeline, RunRequest(("STEP2",), options=options))["STEP2"].startswith("crf = '99'")
    options = RunOptions(parameters={"STEP2": {"nonsense": 1}})
    assert "--nonsense" in problems(pipeline, RunRequest(("STEP2",), options=options))["STEP2"]


def test_too_little_space_is_found(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, data_folder: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**12, 0, 10**8))
    found = problems(pipeline, RunRequest(("STEP2",)))
    assert found["disk"].startswith("0.1 GB free in ") and found["disk"].endswith("about 0.2 GB needed.")


def test_what_will_be_written_follows_from_videos_and_archives(data_folder: Path, make_converted: Any) -> None:
    make_converted("A", "done.mp4")
    (data_folder / "projets_extraits" / "A" / "docs" / "new.mkv").write_bytes(bytes(1000))
    (data_folder / "inbox" / "processed").mkdir(parents=True)
    (data_folder / "inbox" / "a.zip").write_bytes(bytes(500))
    (data_folder / "inbox" / "processed" / "old.zip").write_bytes(bytes(9000))
    assert expected_bytes(RunRequest(("STEP2",))) == 1000
    assert expected_bytes(RunRequest(("STEP1",))) == 500
    assert expected_bytes(RunRequest(("STEP1", "STEP2"))) == 500 + 500 + 1000
    assert expected_bytes(RunRequest(("STEP3", "STEP4"))) == 100


def test_a_step_that_is_not_there_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(UsageError, match="There is no step STEP9"):
        check(pipeline, RunRequest(("STEP9",)))


def test_an_ffmpeg_that_is_not_there_is_found(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise PreconditionError("There is no ffmpeg.", hint="Install it.")

    monkeypatch.setattr(preflight, "find_ffmpeg", missing)
    assert problems(pipeline, RunRequest(("STEP6",))) == {"ffmpeg": "There is no ffmpeg."}
