"""The transcript in a whole run: with a tiny model in the place of the real one, which says one sentence."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.environments import python_of
from services.sample import SampleShot, SampleVideo, write_sample
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.paths import ROOT

pytestmark = pytest.mark.timeout(600)

VIDEO = SampleVideo("Été .mkv", Fraction(25), (SampleShot(100, "face close"), SampleShot(100, "hills")), 1)
BUILDER = ROOT / "tests" / "unit" / "step4" / "tiny_whisper.py"
CODE = "import runpy, sys, pathlib; runpy.run_path(sys.argv[1])['build'](pathlib.Path(sys.argv[2]))"


def bring_model(folder: Path) -> Path:
    """A tiny model, as somebody may bring it from another machine."""
    command = [str(python_of("audio_env")), "-c", CODE, str(BUILDER), str(folder)]
    subprocess.run(command, check=True)
    return folder


def test_a_run_with_a_model_delivers_a_transcript_with_speakers(shell: Any, tmp_path: Path) -> None:
    write_sample(shell.data / "inbox" / "Court.zip", (VIDEO,))
    model = bring_model(tmp_path / "brought")
    refused = shell.workflow("run", "--steps", "4b")
    assert refused.returncode == 3 and "Run `scripts/workflow models fetch base`." in refused.stderr
    assert shell.workflow("models", "import", str(model), "--name", "base").returncode == 0
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
