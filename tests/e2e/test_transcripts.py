"""The transcript in a whole run: with a tiny model in the place of the real one, and with the real one."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.sample import SampleShot, SampleVideo, speech_file, write_sample
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.paths import ROOT

pytestmark = pytest.mark.timeout(600)

VIDEO = SampleVideo("Été .mkv", Fraction(25), (SampleShot(100, "face close"), SampleShot(100, "hills")), 1)


def left_out(shell: Any) -> str:
    """What a run of everything says that it goes without."""
    return str(shell.workflow("run", "--dry-run").stdout)


def test_a_run_with_a_model_delivers_a_transcript_with_speakers(shell: Any, tiny_model: Path) -> None:
    write_sample(shell.data / "inbox" / "Court.zip", (VIDEO,))
    what_to_do = "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`."
    assert f"STEP4B: It is left out. The speech model base is not here. {what_to_do}" in left_out(shell)
    refused = shell.workflow("run", "--steps", "4b")
    assert refused.returncode == 3 and what_to_do in refused.stderr
    assert shell.workflow("models", "import", str(tiny_model), "--name", "base").returncode == 0
    run = shell.workflow("run")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Initialisation Whisper base sur cpu" in run.stdout
    docs = shell.data / "output" / "Court" / "docs"
    endings = ("json", "srt", "vtt", "txt")
    assert all((docs / f"Été _transcript.{ending}").is_file() for ending in endings)
    said = read_transcript(docs / "Été _transcript.json")
    assert said.language == "fr" and {word.speaker for word in said.words} == {"SPEAKER_00"}
    assert said.words[-1].end <= said.duration == 8.0
    status = shell.workflow("status").stdout
    (line,) = [line for line in status.splitlines() if "Été" in line and " ok" in line]
    assert "-" not in line.split()[1:]
    again = shell.workflow("run")
    assert again.stdout.count("TOTAL_VIDEOS_TO_PROCESS: 0") == 8, again.stdout


def test_with_the_model_of_audio_env_any_sound_file_is_transcribed_offline(
    embedded_model: Path, shell: Any, tmp_path: Path
) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    command = [str(ROOT / "transcribe.py"), str(speech_file()), "--output", str(tmp_path)]
    environment = replace(shell, with_model=True).environment(**offline)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = read_transcript(tmp_path / "sample_transcript.json")
    assert said.language == "en" and said.model == "base" and said.duration == 30.0
    text = (tmp_path / "sample_transcript.txt").read_text(encoding="utf-8")
    assert all(name in text for name in ("This is Diane in New Jersey", "Sheila", "Texas", "Chicago"))
    assert said.words[0].start >= 6.0  # nobody speaks before
