"""From a zip in the inbox to delivered files, by the commands of the README."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.environments import python_of
from services.sample import SAMPLE
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.speech_models import EMBEDDED

pytestmark = pytest.mark.timeout(600)

#: Whether the speech model that comes with audio_env is there, so that the demonstration transcribes.
WORDS = all((ROOT / "audio_env" / "share" / "workflow-models" / "whisper" / name).is_dir() for name in EMBEDDED)


@pytest.fixture(scope="module")
def demo(make_shell: Callable[[str], Any]) -> Any:
    """The demonstration, run once; `.output` is what it printed."""
    shell = replace(make_shell("demo"), with_model=True)
    folder = shell.data / "work"
    run = subprocess.run(
        [str(python_of("env")), "-m", "cli.demo", str(folder)],
        env=shell.environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    result = replace(shell, data=folder)
    object.__setattr__(result, "output", run.stdout + run.stderr)
    object.__setattr__(result, "code", run.returncode)
    return result


def docs(demo: Any, name: str) -> Path:
    return Path(demo.data) / "output" / "Exemple" / "docs" / name


def test_demo_finds_every_shot_no_false_one_both_speakers_and_the_faces(demo: Any) -> None:
    assert demo.code == 0, demo.output
    rows = [line for line in demo.output.splitlines() if line.rstrip().endswith((" yes", " NO"))]
    assert len(rows) == (4 if WORDS else 3) * len(SAMPLE)
    assert not [row for row in rows if row.rstrip().endswith(" NO")]


@pytest.mark.parametrize("video", SAMPLE, ids=lambda video: video.name)
def test_delivered_scenes_are_the_cuts_that_were_made(demo: Any, video: Any) -> None:
    with docs(demo, f"{Path(video.name).stem}.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    starts = [int(row["Frame In"]) - 1 for row in rows][1:]
    assert len(starts) == len(video.cuts)
    assert all(abs(found - cut) <= 1 for found, cut in zip(starts, video.cuts, strict=True))


@pytest.mark.parametrize("video", SAMPLE, ids=lambda video: video.name)
def test_delivered_files_agree_on_the_number_of_frames(demo: Any, video: Any) -> None:
    stem = Path(video.name).stem
    audio = json.loads(docs(demo, f"{stem}_audio.json").read_text(encoding="utf-8"))
    tracking = json.loads(docs(demo, f"{stem}_tracking.json").read_text(encoding="utf-8"))
    last = docs(demo, f"{stem}.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")[4]
    frames = sum(shot.frames for shot in video.shots) * 25 / video.fps
    assert frames == int(last) == audio["total_frames"] == tracking["total_frames"]
    for data in (audio, tracking):
        assert [frame["frame"] for frame in data["frames_analysis"]] == list(range(1, int(last) + 1))


def test_delivered_tracking_has_no_space_after_a_colon(demo: Any) -> None:
    text = docs(demo, "Bande annonce _tracking.json").read_text(encoding="utf-8")
    assert ": " not in text


def test_raw_audio_is_kept_when_the_reduced_one_takes_its_name(demo: Any) -> None:
    project = demo.project_folder / "Exemple"
    raw = project / ".workflow" / "Débat – l’été" / "audio.raw.json.gz"
    reduced = project / "docs" / "Débat – l’été_audio.json"
    assert raw.is_file()
    assert "num_distinct_speakers_audio" not in reduced.read_text(encoding="utf-8")


def test_source_of_a_converted_video_is_kept(demo: Any) -> None:
    assert (demo.project_folder / "Exemple" / "originals" / "Débat – l’été.mkv").is_file()


def test_second_run_executes_nothing(demo: Any) -> None:
    before = manifests(demo)
    run = demo.workflow("run")
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("TOTAL_VIDEOS_TO_PROCESS: 0") == (8 if WORDS else 7)
    assert manifests(demo) == before


def test_changed_parameter_redoes_what_depends_on_it_and_nothing_else(demo: Any) -> None:
    before = manifests(demo)
    run = demo.step("STEP3", "--threshold", "0.55")
    assert "2 succeeded" in run.stdout
    run = demo.workflow("run", "--steps", "4-7")
    assert run.returncode == 0, run.stdout
    changed = {Path(name).stem for name, text in manifests(demo).items() if text != before[name]}
    # The cuts stay the same with this threshold, so nothing that reads them has anything to do.
    assert changed == {"STEP3"}


def test_status_shows_every_step_of_every_video_as_good(demo: Any) -> None:
    status = demo.workflow("status", "Exemple").stdout
    for video in SAMPLE:
        line = next(line for line in status.splitlines() if Path(video.name).stem in line)
        assert line.split()[-7:] == ["ok", "ok", "ok", "ok" if WORDS else "-", "ok", "ok", "ok"]


def test_what_is_said_is_delivered_with_speakers_and_as_subtitles(demo: Any) -> None:
    if not WORDS:
        pytest.skip("the speech model base is not in audio_env")
    said = read_transcript(docs(demo, "Débat – l’été_transcript.json"))
    assert said.language == "en" and {word.speaker for word in said.words} == {"SPEAKER_00", "SPEAKER_01"}
    assert docs(demo, "Débat – l’été_transcript.srt").read_text(encoding="utf-8").startswith("1\n")
    silent = read_transcript(docs(demo, "Bande annonce _transcript.json"))
    assert silent.segments == ()


def manifests(demo: Any) -> dict[str, str]:
    folder = demo.project_folder / "Exemple" / ".workflow"
    now = [path for path in sorted(folder.rglob("STEP*.json")) if "earlier" not in path.parts]
    return {str(path): path.read_text(encoding="utf-8") for path in now}
