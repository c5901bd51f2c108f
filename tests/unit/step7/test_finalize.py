"""STEP7: delivery of each video, and removing its source when asked to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import resolve
from workflow_scripts.step7.finalize import PARAMETERS, Finalize

SCRIPT = ROOT / "workflow_scripts" / "step7" / "finalize.py"
DELIVERED = {".mp4", ".csv", "_audio.json", "_tracking.json", ".rttm"}

Prepare = Callable[..., Video]


@pytest.fixture
def finished(make_converted: Any, finish: Any) -> Prepare:
    """`finished(name)`: a video for which everything up to STEP6 has finished."""

    def prepare(name: str = "L’été .mp4", project: str = "P") -> Video:
        video: Video = make_converted(project, name)
        for suffix in (".csv", ".json", ".rttm", "_audio.json", "_tracking.json"):
            video.delivered(suffix).write_text(f"{name}{suffix}")
        original = video.project.originals / f"{video.stem}.mov"
        original.parent.mkdir(exist_ok=True)
        original.write_text("original")
        raw = video.workflow / "audio.raw.json"
        raw.write_text("raw")
        source = read_manifest(video.workflow / "STEP2.json")
        assert source is not None
        finish(video, "STEP2", {"video": video.path, "original": original})
        finish(video, "STEP3", {"scenes": video.delivered(".csv")})
        finish(video, "STEP4", {"audio": raw, "rttm": video.delivered(".rttm")})
        finish(video, "STEP5", {"tracking": video.delivered(".json")})
        outputs = {"tracking": video.delivered("_tracking.json"), "audio": video.delivered("_audio.json")}
        finish(video, "STEP6", outputs)
        return video

    return prepare


def run(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run STEP7 on all projects."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **environment}
    )


def delivered(folder: Path, video: Video) -> set[str]:
    """The suffixes of what lies in the folder of results for a video."""
    docs = folder / video.project.name / "docs"
    return {path.name.removeprefix(video.stem) for path in docs.iterdir()} if docs.exists() else set()


def manifest(video: Video) -> Manifest:
    """STEP7's manifest for a video."""
    found = read_manifest(video.workflow / "STEP7.json")
    assert found is not None
    return found


def test_everything_but_the_raw_tracking_is_delivered(finished: Prepare, data_folder: Path) -> None:
    video = finished()
    ended = run()
    assert ended.returncode == 0
    assert delivered(data_folder / "output", video) == DELIVERED
    assert (data_folder / "output" / "P" / "docs" / "L’été .csv").read_text() == "L’été .mp4.csv"
    assert manifest(video).counts["files"] == 5 and manifest(video).state == "succeeded"
    assert video.path.exists()
    assert "1 up to date" in run().stdout


def test_the_raw_tracking_is_delivered_on_request(finished: Prepare, data_folder: Path) -> None:
    video = finished()
    run("--deliver-raw")
    assert delivered(data_folder / "output", video) == {*DELIVERED, ".json"}


def test_the_folder_of_results_may_be_named_anywhere(finished: Prepare, tmp_path: Path) -> None:
    video = finished()
    assert run(OUTPUT_DIR=str(tmp_path / "by variable")).returncode == 0
    assert delivered(tmp_path / "by variable", video) == DELIVERED
    assert run("--output-dir", "relative", cwd=tmp_path).returncode == 0
    assert delivered(tmp_path / "relative", video) == DELIVERED
    assert "1 up to date" in run("--output-dir", "relative", cwd=tmp_path).stdout


def test_a_file_that_is_missing_there_is_delivered_again(finished: Prepare, data_folder: Path) -> None:
    video = finished()
    run()
    (data_folder / "output" / "P" / "docs" / "L’été .csv").unlink()
    assert "1 succeeded" in run().stdout
    assert delivered(data_folder / "output", video) == DELIVERED


def test_a_file_that_was_edited_there_is_kept_and_the_video_fails_with_a_sentence(
    finished: Prepare, data_folder: Path
) -> None:
    finished("a.mp4")
    other = finished("b.mp4")
    run()
    edited = data_folder / "output" / "P" / "docs" / "a.csv"
    edited.write_text("edited by hand")
    ended = run()
    assert ended.returncode == 1
    assert "there is another file of this name" in ended.stdout and "Traceback" not in ended.stdout + ended.stderr
    assert edited.read_text() == "edited by hand"
    assert delivered(data_folder / "output", other) >= {".mp4", ".csv"}


def test_without_step6_a_video_is_blocked(finished: Prepare, data_folder: Path) -> None:
    video = finished()
    (video.workflow / "STEP6.json").unlink()
    ended = run()
    assert ended.returncode == 1 and "STEP6 has not finished" in ended.stdout
    assert not (data_folder / "output").exists()


def test_a_result_that_changed_since_its_step_wrote_it_is_not_delivered(
    finished: Prepare, data_folder: Path
) -> None:
    video = finished()
    video.delivered(".csv").write_text("edited")
    run()
    assert delivered(data_folder / "output", video) == DELIVERED - {".csv"}


def test_the_source_is_removed_only_on_request_and_only_that_videos(finished: Prepare, data_folder: Path) -> None:
    video, other = finished("a.mp4"), finished("b.mp4")
    foreign = video.project.docs / "notes.txt"
    foreign.write_text("of somebody else")
    ended = run("--remove-source", str(video.path))
    assert ended.returncode == 0, ended.stdout
    assert delivered(data_folder / "output", video) == DELIVERED
    left = {path.name for path in video.project.docs.iterdir()}
    assert left == {"notes.txt", "b.mp4", "b.csv", "b.json", "b.rttm", "b_audio.json", "b_tracking.json"}
    assert not video.workflow.exists() and other.workflow.exists()
    assert [path.name for path in video.project.originals.iterdir()] == ["b.mov"]


def test_the_project_goes_when_nothing_is_left_in_it(finished: Prepare) -> None:
    video = finished()
    assert run("--remove-source").returncode == 0
    assert not video.root.exists()


def test_a_delivery_that_fails_removes_nothing(finished: Prepare, tmp_path: Path) -> None:
    video = finished()
    (tmp_path / "out").write_text("in the way")
    before = sorted(video.root.rglob("*.csv"))
    ended = run("--remove-source", "--output-dir", str(tmp_path / "out"))
    assert ended.returncode == 1 and "Traceback" not in ended.stdout + ended.stderr
    assert sorted(video.root.rglob("*.csv")) == before and video.path.exists()


def test_the_same_name_in_two_projects_goes_to_two_folders(finished: Prepare, data_folder: Path) -> None:
    first, second = finished(project="P"), finished(project="Q ")
    assert run().returncode == 0
    assert delivered(data_folder / "output", first) == delivered(data_folder / "output", second) == DELIVERED


def test_a_run_killed_between_delivery_and_removal_is_finished_by_the_next(
    finished: Prepare, tmp_path: Path
) -> None:
    video = finished()
    shutil.copytree(video.root, tmp_path / "before")
    assert run("--remove-source").returncode == 0
    shutil.copytree(tmp_path / "before", video.root)  # as if the kill had come before the first removal
    assert run("--remove-source").returncode == 0
    assert not video.root.exists()


def test_a_delivered_source_that_was_to_be_removed_is_not_up_to_date(finished: Prepare) -> None:
    video = finished()
    assert Finalize().left_to_do(video, resolve(PARAMETERS, None, {"remove_source": "true"})) is not None
    assert Finalize().left_to_do(video, resolve(PARAMETERS, None, {})) is None
