"""The status of videos, read from manifests alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.status import project_status, video_status
from workflow_scripts.common.artifacts.files import write_json
from workflow_scripts.common.manifest import FileRecord, Gate
from workflow_scripts.common.projects import Video

KEYS = ["STEP2", "STEP3", "STEP6"]


@pytest.fixture
def video(make_converted: Any, finish: Any) -> Video:
    """A video with its shots found."""
    video: Video = make_converted("P", "x .mp4")
    video.delivered(".csv").write_text("shots")
    inputs = {"video": FileRecord.of(video.path, video.root)}
    finish(video, "STEP3", {"scenes": video.delivered(".csv")}, inputs=inputs)
    return video


def state(video: Video, step: str = "STEP3") -> tuple[str, str]:
    """State and reason of a step."""
    found = video_status(video, KEYS).steps[step]
    return found.state, found.message


def fail(video: Video, step: str) -> None:
    """Write the record of a failure."""
    write_json(video.workflow / f"{step}.failed.json", {"message": "x: no.", "hint": "Look.", "kind": "VideoError"})


def test_each_step_has_a_state(video: Video) -> None:
    found = video_status(video, KEYS).steps
    assert {key: status.state for key, status in found.items()} == {
        "STEP2": "succeeded",
        "STEP3": "succeeded",
        "STEP6": "pending",
    }
    finished = found["STEP3"].manifest
    assert finished is not None and finished.seconds["total"] == 1.0
    assert found["STEP6"].manifest is None


def test_a_gate_that_failed_is_degraded_with_its_figure(video: Video, finish: Any) -> None:
    gates = (Gate.at_least("faces", 0.4, 0.9), Gate("shortest", 3), Gate.equals("frames", 1, 1))
    finish(video, "STEP3", {"scenes": video.delivered(".csv")}, state="degraded", gates=gates)
    assert state(video) == ("degraded", "faces: 0.4, must be >= 0.9")
    manifest = video_status(video, KEYS).steps["STEP3"].manifest
    assert manifest is not None and manifest.gates == gates


def test_a_failure_is_told_in_its_own_words_whatever_was_before(video: Video) -> None:
    fail(video, "STEP3")
    fail(video, "STEP6")
    assert state(video) == state(video, "STEP6") == ("failed", "x: no. Look.")


def test_a_damaged_record_of_a_failure_is_a_failure(video: Video) -> None:
    (video.workflow / "STEP3.failed.json").write_text("{")
    assert state(video)[0] == "failed" and "STEP3.failed.json" in state(video)[1]


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_an_output_that_is_not_as_written_is_outdated(video: Video, damage: str) -> None:
    place = video.delivered(".csv")
    place.write_text("edited") if damage == "changed" else place.unlink()
    assert state(video) == ("outdated", "output missing or changed: scenes")


def test_an_input_that_changed_is_outdated(video: Video) -> None:
    video.path.write_text("another picture")
    assert state(video) == ("outdated", "input changed: video")
    assert state(video, "STEP2") == ("outdated", "output missing or changed: video")


def test_an_input_that_lies_elsewhere_now_is_current(video: Video, finish: Any) -> None:
    raw, moved = video.delivered("_audio.json"), video.workflow / "audio.raw.json"
    raw.write_text("raw")
    inputs = {"audio": FileRecord.of(raw, video.root)}
    reduced = video.delivered("_tracking.json")
    reduced.write_text("reduced")
    finish(video, "STEP6", {"tracking": reduced}, inputs=inputs)
    raw.rename(moved)
    raw.write_text("reduced sound")
    finish(video, "STEP3", {"audio": moved})  # some step stands by what was read
    assert state(video, "STEP6") == ("succeeded", "")


def test_a_damaged_manifest_is_pending(video: Video) -> None:
    (video.workflow / "STEP3.json").write_text("{")
    assert state(video) == ("pending", "")


def test_every_video_of_a_project_is_listed_once(video: Video) -> None:
    docs = video.project.docs
    (docs / "waiting.MOV").write_text("not converted")
    (docs / "x .avi").write_text("of the same stem")
    (docs / "notes.txt").write_text("no video")
    rows = project_status(video.project, KEYS)
    assert [row.video.name for row in rows] == ["waiting.MOV", "x .mp4"]
    assert {status.state for status in rows[0].steps.values()} == {"pending"}


def test_a_project_without_videos_has_no_rows(tmp_path: Path) -> None:
    from workflow_scripts.common.projects import Project

    assert project_status(Project.at(tmp_path), KEYS) == []
