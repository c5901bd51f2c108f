"""The step on a real video: from the 25 fps file, the shots and the sound to the tracking file."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio, write_raw_audio
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.tracking import TrackedObject, read_tracking
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import ClockError
from workflow_scripts.common.media import probe, write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.step import Job, Result
from workflow_scripts.common.timeline import Shot
from workflow_scripts.step5.run_tracking import ENGINE, PARAMETERS, RunTracking

REPOSITORY = Path(__file__).parents[3]
SHARED_MEDIA = REPOSITORY.parent / "shared" / "media"
A, B = FrameAudio(True, ("SPEAKER_00",)), FrameAudio(True, ("SPEAKER_01",))


def lay_out(folder: Path, source: Path, shots: Sequence[Shot], audio: Sequence[FrameAudio]) -> tuple[Video, Job]:
    """A project with one video as STEP2 to STEP4 leave it."""
    docs = folder / "docs"
    docs.mkdir()
    shutil.copyfile(source, docs / "clip.mp4")
    video = Video(Project.at(folder), "clip.mp4")
    write_media(video.workflow / "media.json", probe(video.path))
    clock = FrameClock(Fraction(25), shots[-1].end)
    write_scenes(video.delivered(".csv"), shots, clock)
    write_raw_audio(video.delivered("_audio.json"), video.name, audio, clock)
    job = Job(
        inputs={"scenes": video.delivered(".csv"), "audio": video.delivered("_audio.json")},
        params=resolve(PARAMETERS, None, {}),
        rung=Rung("cpu", 1),
        log=logging.getLogger("test"),
        progress=lambda *_: None,
        workflow=video.workflow,
    )
    return video, job


def run(video: Video, job: Job) -> tuple[Result, list[tuple[TrackedObject, ...]]]:
    step = RunTracking()
    try:
        step.prepare(job)
        result = step.process(video, job)
    finally:
        step.release()
    return result, list(read_tracking(result.outputs["tracking"]).frames())


@pytest.fixture(scope="module")
def portrait_run(
    portrait_video: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, list[tuple[TrackedObject, ...]]]:
    shots = [Shot(0, 50), Shot(50, 80), Shot(80, 120)]
    return run(*lay_out(tmp_path_factory.mktemp("project"), portrait_video, shots, [A] * 120))


def test_a_real_face_is_found_in_all_frames_that_show_it_and_in_no_others(portrait_run: Any) -> None:
    result, frames = portrait_run
    assert [len(objects) for objects in frames] == [1] * 50 + [0] * 30 + [1] * 40
    assert result.counts["frames_with_face"] == 90


def test_the_face_is_one_identity_per_shot(portrait_run: Any) -> None:
    frames = portrait_run[1]
    assert {objects[0].id for objects in frames[:50]} == {"obj_1"}
    assert {objects[0].id for objects in frames[80:]} == {"obj_2"}


def test_the_box_follows_the_camera(portrait_run: Any) -> None:
    first, last = portrait_run[1][0][0], portrait_run[1][49][0]
    assert abs(first.centroid_x - 210) < 12  # by construction: the face's middle is at x = 270 of the photograph
    assert abs(last.centroid_x - first.centroid_x - 60) < 12


def test_a_photograph_does_not_speak_though_there_is_speech(portrait_run: Any) -> None:
    result, frames = portrait_run
    assert not any(item.is_speaking or item.active_speakers for objects in frames for item in objects)
    assert result.counts["speaking_frames"] == 0


def test_all_gates_hold(portrait_run: Any) -> None:
    assert [gate.name for gate in portrait_run[0].gates if gate.passed is False] == []


def test_the_file_is_as_its_readers_expect(portrait_run: Any) -> None:
    data = json.loads(portrait_run[0].outputs["tracking"].read_text(encoding="utf-8"))
    assert data["metadata"] == {
        "video_path": "clip.mp4",
        "total_frames": 120,
        "fps": 25,
        "tracking_engine": ENGINE,
    }
    assert [frame["frame"] for frame in data["frames"]] == list(range(1, 121))
    face = data["frames"][0]["tracked_objects"][0]
    numbers = ("centroid_x", "centroid_y", "bbox_xmin", "bbox_ymin", "bbox_xmax", "bbox_ymax", "bbox_width")
    assert all(isinstance(face[key], int) for key in numbers)
    assert face["bbox_width"] == face["bbox_xmax"] - face["bbox_xmin"]
    assert face["blendshapes"] is None


def test_the_file_is_the_same_byte_for_byte_whatever_the_number_of_workers(
    portrait_run: Any, portrait_video: Path, tmp_path: Path
) -> None:
    video, job = lay_out(tmp_path, portrait_video, [Shot(0, 50), Shot(50, 80), Shot(80, 120)], [A] * 120)
    job = replace(job, params=resolve(PARAMETERS, None, {"workers": "3"}))
    again, _ = run(video, job)
    assert again.outputs["tracking"].read_bytes() == portrait_run[0].outputs["tracking"].read_bytes()


@pytest.mark.parametrize("wrong", ["scenes", "audio"])
def test_a_file_of_another_length_is_named(portrait_video: Path, tmp_path: Path, wrong: str) -> None:
    video, job = lay_out(tmp_path, portrait_video, [Shot(0, 120)], [A] * 120)
    clock = FrameClock(Fraction(25), 110)
    if wrong == "scenes":
        write_scenes(job.inputs["scenes"], [Shot(0, 110)], clock)
    else:
        write_raw_audio(job.inputs["audio"], video.name, [A] * 110, clock)
    with pytest.raises(ClockError, match=r"clip(_audio\.json|\.csv): holds 110 frames, STEP2 measured 120"):
        run(video, job)
    assert not video.delivered(".json").exists()


def test_the_parameter_file_holds_every_parameter_with_its_default() -> None:
    data = json.loads((REPOSITORY / "config" / "step5_tracking.json").read_text(encoding="utf-8"))
    assert data == {parameter.name: parameter.default for parameter in PARAMETERS}


@pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="the shared media are not on this machine")
class TestOnRealFootage:
    def test_of_two_faces_only_the_one_whose_voice_it_is_speaks(self, tmp_path: Path) -> None:
        audio = [SILENCE] * 8 + [A] * 62 + [SILENCE] * 10 + [B] * 68 + [SILENCE] * 4
        clip = SHARED_MEDIA / "drv_grid_twoface.mp4"
        result, frames = run(*lay_out(tmp_path, clip, [Shot(0, 152)], audio))
        assert result.counts["frames_with_face"] == 152
        said = {"left": [0, 0], "right": [0, 0]}
        for index, objects in enumerate(frames):
            for item in objects:
                said["left" if item.centroid_x < 360 else "right"][index >= 76] += item.is_speaking
        assert said["right"][0] > 40
        assert said["left"][1] > 55
        assert said["left"][0] == said["right"][1] == 0
