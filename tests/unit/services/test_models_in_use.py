"""What steps tell of themselves, and the models they would use."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.models_in_use import models_in_use
from services.pipeline import Pipeline, load_pipeline
from services.step_facts import StepFacts
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.paths import ROOT

STEPS = load_pipeline()


def answer(**more: object) -> str:
    told = {"file": "x.json", "parameters": [], "values": {}, "problem": "", "models": [], "models_problem": ""}
    return f"a line that some library prints\n{json.dumps({**told, **more})}\n"


class Asked:
    """Answers for the steps, and counts."""

    def __init__(self, text: str) -> None:
        self.text, self.times = text, 0

    def __call__(self, words: list[str], environment: Mapping[str, str]) -> str:
        self.times += 1
        return self.text


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


def test_a_step_is_asked_again_only_when_something_changed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(answer())
    facts, step = StepFacts(asked), STEPS["STEP2"]
    assert not facts.is_known(step)
    facts.parameters(step)
    facts.parameters(step)
    assert asked.times == 1 and facts.is_known(step)
    os.utime(config / "step2_convert.json", (1, 1))
    assert not facts.is_known(step)
    facts.parameters(step)
    monkeypatch.setenv("WORKFLOW_FFMPEG", "/elsewhere/ffmpeg")
    facts.parameters(step)
    assert asked.times == 3


@pytest.mark.parametrize("text", ["", "nonsense\n", "[1]\n"])
def test_a_step_that_answers_nonsense_is_told_as_such(text: str) -> None:
    with pytest.raises(PreconditionError, match="does not tell"):
        StepFacts(Asked(text)).parameters(STEPS["STEP2"])


def test_models_have_version_and_licence_of_what_they_come_with() -> None:
    record = {"name": "M", "sha256": "0" * 64, "source": "a-package", "version": "1.2", "licence": "MIT"}
    in_words = {**record, "source": "inside the wheel (Apache-2.0)", "version": "", "licence": ""}
    nobody_says = {**record, "source": "somewhere", "version": "", "licence": ""}
    found = models_in_use(STEPS, StepFacts(Asked(answer(models=[record, in_words, nobody_says]))))
    assert [step.step for step in found] == [step.key for step in STEPS.steps]
    assert [(model.source, model.licence) for model in found[0].models] == [
        ("a-package 1.2", "MIT"),
        ("inside the wheel", "Apache-2.0"),
        ("somewhere", ""),
    ]


def test_a_step_whose_models_are_missing_says_so() -> None:
    found = models_in_use(STEPS, StepFacts(Asked(answer(models_problem="The model is missing."))))
    assert {step.problem for step in found} == {"The model is missing."}


def test_the_real_steps_name_files_that_setup_fetches() -> None:
    (audio,) = (step for step in models_in_use(STEPS, StepFacts()) if step.step == "STEP4")
    files = {model.file: model.licence for model in audio.models if model.file}
    assert files == {"audio_env/share/workflow-models/segmentation/pytorch_model.bin": "MIT"}


def test_the_speech_model_that_comes_with_audio_env_is_told_with_its_files_and_licence(
    embedded_model: Path,
) -> None:
    (words,) = models_in_use(Pipeline((STEPS["STEP4B"],)), StepFacts())
    assert {(model.source.partition(" at ")[0], model.licence) for model in words.models} == {
        ("Systran/faster-whisper-base", "MIT")
    }
    files = [Path(model.file) for model in words.models]
    assert [path.name for path in files] == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert {ROOT / path.parent for path in files} == {embedded_model}
