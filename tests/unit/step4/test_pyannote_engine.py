"""The pyannote engine, through the real loading code on a tiny pipeline with random weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyannote.core import SlidingWindow

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4 import pyannote_engine
from workflow_scripts.step4.engine import REFERENCE, Mode, SpeakerCount
from workflow_scripts.step4.pyannote_engine import PyannoteEngine
from workflow_scripts.step4.pyannote_folder import folder_records


@pytest.fixture(scope="module")
def engine(tiny_pipeline: Path) -> PyannoteEngine:
    return PyannoteEngine(tiny_pipeline)


def test_a_local_folder_loads_and_answers_in_the_common_form(engine: PyannoteEngine, sample: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    found = engine.diarize(sample, SpeakerCount(), lambda done, total: told.append((done, total)))
    assert found.duration == 30.0 and found.turns
    assert found.turns[0].speaker == "SPEAKER_00"
    assert found.speech[0].start == found.turns[0].start
    assert all(turn.end <= 30.0 for turn in found.turns)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1000, 1000) and len(told) > 3


def test_every_batch_is_told_with_its_size(engine: PyannoteEngine, sample: np.ndarray) -> None:
    told: list[tuple[str, int, float]] = []
    engine.diarize(sample[: 16000 * 8], SpeakerCount(), lambda *_: None, lambda *batch: told.append(batch))
    chunks = 31  # of 2 s, 0.2 s apart, in 8 s
    assert sum(items for kind, items, _ in told if kind == "segmentation") == chunks
    assert sum(items for kind, items, _ in told if kind == "embeddings") == 3 * chunks
    assert all(seconds > 0 for *_, seconds in told)


def test_how_surely_speech_is_heard_is_the_share_of_chunks_that_hear_anybody(
    engine: PyannoteEngine, sample: np.ndarray
) -> None:
    found = engine.diarize(sample, SpeakerCount(), lambda *_: None)
    assert found.heard.shape == (300,) and 0 < found.heard.mean() <= 1
    assert all(turn.score is not None and 0 <= turn.score <= 1 for turn in found.turns)


def test_chunks_are_laid_on_the_time_at_which_they_were_heard() -> None:
    class Heard:
        data = np.zeros((3, 4, 2))  # chunks of 2 s, 1 s apart, four decisions each
        sliding_window = SlidingWindow(duration=2.0, step=1.0)

    Heard.data[0, 3, 1] = Heard.data[1, 1, 0] = 1  # both say: the last half of the second second
    Heard.data[2, 3, 0] = 1  # the last half of the fourth second
    score = pyannote_engine._score(Heard, 16000 * 4)
    assert len(score) == 401
    assert score[:150].max() == 0 and (score[150:200] == 1).all()
    assert score[200:350].max() == 0 and (score[350:400] == 1).all()


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value encountered")
@pytest.mark.parametrize("half", ["bfloat16", "float16"])  # in float16 the embeddings' spectrum overflows
def test_half_precision_is_computed_where_it_is_asked_for(
    engine: PyannoteEngine, tiny_pipeline: Path, sample: np.ndarray, half: str
) -> None:
    other = PyannoteEngine(tiny_pipeline, Mode("cpu", half))
    assert engine.mode == REFERENCE and str(other.mode) == f"CPU {half}"
    piece = sample[: 16000 * 12]
    found, reference = (one.diarize(piece, SpeakerCount(), lambda *_: None) for one in (other, engine))
    assert found.turns and found != reference  # the made-up network has many a close decision


def test_parameters_reach_the_pipeline(tiny_pipeline: Path, sample: np.ndarray) -> None:
    given = (None, {"clustering": {"threshold": 0.1}}, {"segmentation": {"min_duration_off": 1.0}})
    own, strict, patient = (
        PyannoteEngine(tiny_pipeline, parameters=one).diarize(sample, SpeakerCount(), lambda *_: None)
        for one in given
    )
    assert len(strict.speakers) > len(own.speakers)
    assert len(patient.turns) < len(own.turns)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"clustering": {"min_cluster_size": 12}},
            r"no parameter clustering\.min_cluster_size\. It has clustering\.F",
        ),
        ({"segmentations": {"threshold": 0.5}}, r"no parameter segmentations\.threshold"),
        ({"clustering": 0.7}, "no parameter clustering"),
        ({"clustering": {"threshold": "0.7"}}, r"clustering\.threshold .* is '0\.7', which is no number"),
        ({"clustering": {"Fa": True}}, r"clustering\.Fa .* is True, which is no number"),
        ({"clustering": {"Fb": float("nan")}}, r"clustering\.Fb .* is nan, which is no number"),
    ],
)
def test_a_parameter_that_is_none_is_refused_with_what_there_is(
    tiny_pipeline: Path, given: dict[str, object], reason: str
) -> None:
    with pytest.raises(PreconditionError, match=reason):
        PyannoteEngine(tiny_pipeline, parameters=given)


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
        PyannoteEngine(tmp_path / "pyannote" / "speaker-diarization-3.1")


def test_a_damaged_checkpoint_is_a_sentence(tiny_pipeline: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(tiny_pipeline, tmp_path / "damaged"))
    (damaged / "segmentation" / "pytorch_model.bin").write_bytes(b"no weights")
    with pytest.raises(PreconditionError, match="does not load"):
        PyannoteEngine(damaged)
