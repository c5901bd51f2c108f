"""`scripts/workflow models`: what people see and type."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.workflow import main
from services import speech_models
from workflow_scripts.common.speech_models import models_folder

FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """A model in a folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(b"x" * 1_000_000)
    return folder


def ask(*words: str) -> tuple[int, str]:
    """Exit status and output."""
    result = CliRunner().invoke(main, ["models", *words])
    return result.exit_code, result.output


def test_the_list_says_what_there_is_to_fetch_and_what_is_here(brought: Path) -> None:
    code, output = ask("list")
    assert code == 0 and "No " not in output
    base = next(line for line in output.splitlines() if line.startswith("base "))
    assert base.split() == ["base", "148", "MB", "not", "here", "Systran/faster-whisper-base"]
    assert ask("import", str(brought))[0] == 0
    mine = next(line for line in ask("list")[1].splitlines() if line.startswith("mine "))
    assert mine.split()[:4] == ["mine", "4", "MB", "here"]


def test_importing_and_verifying(brought: Path) -> None:
    assert ask("verify") == (0, "No speech model is here.\n")
    code, output = ask("import", str(brought), "--name", "base")
    assert code == 0 and str(models_folder() / "base") in output
    assert ask("verify") == (0, f"base: 4 files are what they were (imported from {brought}).\n")
    (models_folder() / "base" / "model.bin").write_bytes(b"y" * 1_000_000)
    code, output = ask("verify", "base")
    assert code == 3 and "base is damaged: model.bin" in output


def test_fetching_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, progress: speech_models.Progress) -> Path:
        progress(50, 100)
        progress(100, 100)
        return models_folder() / name

    monkeypatch.setattr(speech_models, "fetch", fetch)
    code, output = ask("fetch", "base")
    assert code == 0 and f"base is in {models_folder() / 'base'}" in output


def test_what_cannot_be_fetched_is_a_sentence() -> None:
    code, output = ask("fetch", "bse")
    assert code == 2 and "There is no speech model 'bse' to fetch." in output and "Traceback" not in output
    assert ask("import", "/nowhere")[0] == 2


def test_the_model_that_comes_with_audio_env_is_listed_verified_and_not_fetched(embedded_model: Path) -> None:
    base = next(line for line in ask("list")[1].splitlines() if line.startswith("base "))
    origin = "comes with audio_env: Systran/faster-whisper-base at ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66, MIT"
    assert base.split(maxsplit=4) == ["base", "148", "MB", "here", origin]
    assert ask("verify") == (0, f"base: 4 files are what they were ({origin}).\n")
    assert ask("fetch", "base") == (0, f"base is here already, in {embedded_model}.\n")
