"""The pyannote engine, through the real loading code on a tiny pipeline with random weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.engine import SpeakerCount
from workflow_scripts.step4.pyannote_engine import (
    PyannoteEngine,
    checked_folder,
    folder_records,
    hub_folder,
    hub_token,
)


@pytest.fixture(scope="module")
def engine(tiny_pipeline: Path) -> PyannoteEngine:
    return PyannoteEngine(tiny_pipeline, "cpu")


def test_a_local_folder_loads_and_answers_in_the_common_form(engine: PyannoteEngine, sample: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    found = engine.diarize(sample, SpeakerCount(), lambda done, total: told.append((done, total)))
    assert found.duration == 30.0 and found.turns
    assert found.turns[0].speaker == "SPEAKER_00"
    assert found.speech[0].start == found.turns[0].start
    assert all(turn.end <= 30.0 for turn in found.turns)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1000, 1000) and len(told) > 3


def test_a_number_of_speakers_reaches_the_pipeline(engine: PyannoteEngine, sample: np.ndarray) -> None:
    assert len(engine.diarize(sample, SpeakerCount(exact=1), lambda *_: None).speakers) == 1
    assert len(engine.diarize(sample, SpeakerCount(maximum=2), lambda *_: None).speakers) <= 2


def test_the_batch_size_does_not_change_the_answer(engine: PyannoteEngine, sample: np.ndarray) -> None:
    answers = []
    for size in (32, 1):
        engine.batch_size = size
        answers.append(engine.diarize(sample[: 16000 * 8], SpeakerCount(), lambda *_: None))
    assert answers[0] == answers[1]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("samples", [0, 160, 16000])
def test_silence_of_any_length_is_no_error(engine: PyannoteEngine, samples: int) -> None:
    found = engine.diarize(np.zeros(samples, np.float32), SpeakerCount(), lambda *_: None)
    assert found.duration == samples / 16000
    assert all(turn.end <= found.duration for turn in found.turns)


def test_nothing_is_reported_to_anybody_and_the_hub_is_not_asked(engine: PyannoteEngine) -> None:
    assert engine.name == "pyannote (tiny)"
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "0"
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_the_files_of_the_pipeline_are_recorded(engine: PyannoteEngine, tiny_pipeline: Path) -> None:
    names = [model.name for model in engine.models]
    assert "pyannote config.yaml" in names and "pyannote segmentation/pytorch_model.bin" in names
    assert all(len(model.sha256) == 64 for model in engine.models)
    assert engine.models == folder_records(tiny_pipeline)


def test_a_missing_folder_is_not_taken_for_a_name_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="does not exist"):
        PyannoteEngine(tmp_path / "pyannote" / "speaker-diarization-3.1", "cpu")


def test_a_folder_without_a_pipeline_or_without_its_parts_is_refused(tiny_pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match=r"config\.yaml is missing"):
        checked_folder(tmp_path)
    half = Path(shutil.copytree(tiny_pipeline, tmp_path / "half"))
    shutil.rmtree(half / "plda")
    with pytest.raises(PreconditionError, match="plda is missing"):
        checked_folder(half)


def test_a_damaged_checkpoint_is_a_sentence(tiny_pipeline: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(tiny_pipeline, tmp_path / "damaged"))
    (damaged / "segmentation" / "pytorch_model.bin").write_bytes(b"no weights")
    with pytest.raises(PreconditionError, match="does not load"):
        PyannoteEngine(damaged, "cpu")


def test_the_token_comes_from_the_environment() -> None:
    assert hub_token({}) is None
    assert hub_token({"HF_TOKEN": "one"}) == "one"
    assert hub_token({"HF_TOKEN": "one", "PYANNOTE_TOKEN": "two"}) == "two"
    assert hub_token({"HF_TOKEN": ""}) is None


def test_a_hub_that_is_out_of_reach_is_said_with_what_to_do_and_without_the_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PreconditionError, match="cannot be reached") as caught:
        hub_folder("hf_secret")
    assert "embedded" in str(caught.value) and "hf_secret" not in str(caught.value)
