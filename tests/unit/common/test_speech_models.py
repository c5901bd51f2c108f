"""Where the speech models lie, and that a damaged one is not loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_scripts.common import speech_models
from workflow_scripts.common.errors import ArtifactError, PreconditionError, UsageError
from workflow_scripts.common.manifest import ModelRecord, file_sha256
from workflow_scripts.common.speech_models import (
    EMBEDDED,
    KNOWN,
    RECORD,
    ModelFile,
    embedded_folder,
    find_model,
    folder_of,
    missing_files,
    models_folder,
    name_of,
    records_of,
)

FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


def write_model(folder: Path, record: bool = True) -> Path:
    """Files in the place of a model's, with their record."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"the {name}")
    if record:
        listed = {name: {"size": len(f"the {name}"), "sha256": file_sha256(folder / name)} for name in FILES}
        (folder / RECORD).write_text(json.dumps({"name": folder.name, "source": "somewhere", "files": listed}))
    return folder


def test_models_lie_in_the_data_folder_or_where_the_variable_says(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder_of("base") == data_folder / "models" / "whisper" / "base"
    monkeypatch.setenv("WORKFLOW_MODELS_DIR", str(tmp_path / "shared"))
    assert models_folder() == tmp_path / "shared" / "whisper"


def test_a_model_is_found_by_name_and_by_folder_and_its_files_are_what_decides(tmp_path: Path) -> None:
    named = write_model(models_folder() / "base")
    elsewhere = write_model(tmp_path / "my models" / "été", record=False)
    assert find_model("base") == named and find_model(str(elsewhere)) == elsewhere
    assert name_of("base") == "base" and name_of(str(elsewhere)) == "été"
    found = records_of("base")
    assert [one.name for one in found] == [f"Whisper {name}" for name in FILES]
    assert found[1] == ModelRecord("Whisper model.bin", file_sha256(named / "model.bin"), "somewhere")
    # The same content is the same model, wherever it lies.
    assert [one.sha256 for one in records_of(str(elsewhere))] == [one.sha256 for one in found]


def test_a_model_that_is_not_here_says_in_one_sentence_what_to_run() -> None:
    with pytest.raises(PreconditionError) as error:
        find_model("base")
    assert str(error.value) == (
        "The speech model base is not here. Run `scripts/setup audio_env` or `scripts/workflow models fetch base`."
    )
    with pytest.raises(
        PreconditionError, match=r"small is not here\. Run `scripts/workflow models fetch small`\.$"
    ):
        find_model("small")


def test_a_name_that_is_none_is_told_from_one_that_is_not_here() -> None:
    with pytest.raises(UsageError, match=r"no speech model 'bas'\. Did you mean 'base'\?"):
        find_model("bas")
    with pytest.raises(UsageError, match="Known are tiny, base, small"):
        find_model("nonsense of mine")


def test_a_folder_that_is_not_there_or_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="no speech model in /nowhere/at/all"):
        find_model("/nowhere/at/all")
    (tmp_path / "x").mkdir()
    assert missing_files(tmp_path / "x") == ["config.json", "model.bin", "tokenizer.json", "vocabulary.json"]
    with pytest.raises(PreconditionError, match=r"lacks config\.json, model\.bin"):
        find_model(str(tmp_path / "x"))


def test_a_model_whose_content_changed_is_not_loaded() -> None:
    folder = write_model(models_folder() / "base")
    (folder / "model.bin").write_text("THE model.bin")
    assert find_model("base") == folder  # its size is as it was: that is all that is looked at here
    with pytest.raises(PreconditionError, match=r"base is damaged: model\.bin .* models fetch base` again"):
        records_of("base")
    (folder / "model.bin").write_text("cut")
    with pytest.raises(PreconditionError, match=r"damaged: model\.bin"):
        find_model("base")


def test_a_record_that_is_none_is_named() -> None:
    folder = write_model(models_folder() / "base")
    (folder / RECORD).write_text("[]")
    with pytest.raises(ArtifactError, match=r"model\.json: is no record of a model"):
        find_model("base")


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of a few bytes in the place of the one that comes with audio_env."""
    folder = write_model(embedded_folder() / "base", record=False)
    files = tuple(ModelFile(name, len(f"the {name}"), file_sha256(folder / name)) for name in FILES)
    monkeypatch.setattr(speech_models, "EMBEDDED", {"base": replace(EMBEDDED["base"], files=files)})
    return folder


def test_the_model_that_comes_with_audio_env_is_found_under_its_name(embedded: Path) -> None:
    assert find_model("base") == folder_of("base") == embedded and name_of("base") == "base"
    assert {one.source for one in records_of("base")} == {EMBEDDED["base"].source}
    with pytest.raises(PreconditionError, match="small is not here"):
        find_model("small")


def test_a_model_of_that_name_that_somebody_brought_takes_its_place(embedded: Path) -> None:
    brought = write_model(models_folder() / "base")
    assert find_model("base") == brought != embedded
    assert {one.source for one in records_of("base")} == {"somewhere"}
    (brought / "model.bin").unlink()
    with pytest.raises(
        PreconditionError, match=r"base lacks model\.bin\. Run `scripts/workflow models fetch base` again"
    ):
        find_model("base")


def test_of_the_embedded_model_too_a_file_that_is_not_what_was_published_is_not_loaded(embedded: Path) -> None:
    (embedded / "model.bin").write_text("THE model.bin")
    assert find_model("base") == embedded
    with pytest.raises(PreconditionError, match=r"base is damaged: model\.bin .* Run `scripts/setup audio_env`\."):
        records_of("base")
    (embedded / "vocabulary.txt").unlink()
    with pytest.raises(PreconditionError, match=r"base lacks vocabulary\.json\. Run `scripts/setup audio_env`\."):
        find_model("base")


def test_what_is_embedded_can_be_fetched_by_the_same_name_from_the_same_place() -> None:
    for name, model in EMBEDDED.items():
        assert model.source.startswith(f"{KNOWN[name].repository} at ")
        size = sum(file.size for file in model.files)
        assert size == pytest.approx(KNOWN[name].megabytes * 1e6, rel=0.01)
