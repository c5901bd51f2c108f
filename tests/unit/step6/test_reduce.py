"""STEP6: what the editing scripts read, made of what STEP4 and STEP5 found; and it can be redone."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from workflow_scripts.common.artifacts.audio import (
    SILENCE,
    AudioAnalysis,
    FrameAudio,
    read_audio,
    write_raw_audio,
)
from workflow_scripts.common.artifacts.tracking import TrackedObject, read_tracking, write_raw_tracking
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video
from workflow_scripts.step6.reduce_json import labelled_share, unpacked_size

SCRIPT = ROOT / "workflow_scripts" / "step6" / "reduce_json.py"
SPOKEN = FrameAudio(True, ("SPEAKER_00",))
AUDIO = [SILENCE] * 10 + [SPOKEN] * 30 + [FrameAudio(True, ("SPEAKER_00", "SPEAKER_01"))] * 10
FACE = TrackedObject(
    "obj_1", "face", "face_landmarker", (10, 20, 110, 140), 60, 80, 0.9, active_speakers=("SPEAKER_00",)
)
TRACKED = [[FACE]] * 25 + [[]] * 25

Prepare = Callable[..., Video]


@pytest.fixture
def analysed(make_converted: Any, finish: Any) -> Prepare:
    """`analysed(name, audio, tracked)`: a video for which STEP4 and STEP5 have finished."""

    def prepare(
        name: str = "L’été .mp4", audio: list[FrameAudio] = AUDIO, tracked: list[list[TrackedObject]] = TRACKED
    ) -> Video:
        video: Video = make_converted("P", name, frames=50)
        raw_audio, raw_tracking = video.delivered("_audio.json"), video.delivered(".json")
        write_raw_audio(raw_audio, name, audio, FrameClock(Fraction(25), len(audio)))
        write_raw_tracking(raw_tracking, str(video.path), "m", tracked, FrameClock(Fraction(25), len(tracked)))
        finish(video, "STEP4", {"audio": raw_audio})
        finish(video, "STEP5", {"tracking": raw_tracking})
        return video

    return prepare


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run STEP6 on all projects."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def manifest(video: Video, step: str = "STEP6") -> Manifest:
    """The manifest of a step for a video."""
    found = read_manifest(video.workflow / f"{step}.json")
    assert found is not None
    return found


def test_both_reduced_files_say_the_same_in_less(analysed: Prepare) -> None:
    video = analysed()
    raw_audio = video.delivered("_audio.json").read_bytes()
    assert run().returncode == 0
    reduced_audio, reduced_tracking = video.delivered("_audio.json"), video.delivered("_tracking.json")
    assert list(read_audio(reduced_audio).frames) == AUDIO
    assert reduced_audio.stat().st_size < len(raw_audio)
    assert reduced_tracking.stat().st_size < video.delivered(".json").stat().st_size
    data = json.loads(reduced_tracking.read_text())
    assert (data["fps"], data["total_frames"]) == (25, 50)
    assert data["temporal_alignment"] == {
        "video_total_frames": 50,
        "audio_total_frames": 50,
        "video_fps": 25,
        "audio_fps": 25,
        "warnings": [],
    }
    assert [len(frame["tracked_objects"]) for frame in data["frames_analysis"]] == [1] * 25 + [0] * 25
    assert ": " not in reduced_tracking.read_text() and ": " not in reduced_audio.read_text()
    packed = video.workflow / "audio.raw.json.gz"
    assert gzip.decompress(packed.read_bytes()) == raw_audio
    assert unpacked_size(packed) == len(raw_audio)


def test_the_manifests_know_where_the_raw_analysis_is_now(analysed: Prepare) -> None:
    video = analysed()
    run()
    moved = manifest(video, "STEP4").outputs["audio"]
    assert moved.located(video.root) == video.workflow / "audio.raw.json.gz" and moved.matches(video.root)
    found = manifest(video)
    assert found.state == "succeeded" and found.inputs["audio"].path == moved.path
    assert found.counts["frames"] == 50 and found.counts["speakers"] == 2
    assert all(gate.passed for gate in found.gates)


def test_the_reduction_can_be_redone_and_gives_the_same_bytes(analysed: Prepare) -> None:
    video = analysed()
    run()
    outputs = [video.delivered("_audio.json"), video.delivered("_tracking.json")]
    before = [path.read_bytes() for path in outputs]
    assert "1 up to date" in run().stdout
    outputs[0].unlink()
    outputs[1].write_text("damaged")
    assert "1 succeeded" in run().stdout
    assert [path.read_bytes() for path in outputs] == before
    assert "1 succeeded" in run("--force").stdout
    assert [path.read_bytes() for path in outputs] == before


def test_a_new_analysis_of_step4_is_reduced_again(analysed: Prepare, finish: Any) -> None:
    video = analysed()
    run()
    write_raw_audio(video.delivered("_audio.json"), video.name, [SILENCE] * 50, FrameClock(Fraction(25), 50))
    finish(video, "STEP4", {"audio": video.delivered("_audio.json")})
    assert "1 succeeded" in run().stdout
    assert read_audio(video.delivered("_audio.json")).speech_frames == 0
    assert read_audio(video.workflow / "audio.raw.json.gz").speech_frames == 0


@pytest.mark.parametrize(
    "moment", ["packing", "telling STEP4's manifest", "reducing the sound", "its own manifest"]
)
def test_killed_at_any_moment_nothing_of_step4_is_lost(analysed: Prepare, moment: str) -> None:
    video = analysed()
    raw = video.delivered("_audio.json").read_bytes()
    place = {
        "packing": "gzip.GzipFile.close",
        "telling STEP4's manifest": "reduce_json.move_output",
        "reducing the sound": "reduce_json.write_reduced_audio",
        "its own manifest": "manifest.Manifest.write",
    }[moment]
    code = (
        "import gzip, os, signal, sys\n"
        "from workflow_scripts.common import command_line, manifest\n"
        "from workflow_scripts.step6 import reduce_json\n"
        "def die(*arguments): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{place} = die\n"
        "sys.exit(command_line.main(reduce_json.ReduceJson(), ''))"
    )
    if moment == "its own manifest":  # STEP4's manifest is written by the same function: let that one pass
        code = code.replace(
            f"{place} = die",
            "write = manifest.Manifest.write\n"
            "manifest.Manifest.write = lambda self, path: die() if self.step == 'STEP6' else write(self, path)",
        )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == -9
    assert not (video.workflow / "STEP6.json").exists()
    again = run()
    assert again.returncode == 0, again.stdout
    assert gzip.decompress((video.workflow / "audio.raw.json.gz").read_bytes()) == raw
    assert list(read_audio(video.delivered("_audio.json")).frames) == AUDIO
    assert not [name for _, _, names in os.walk(video.root) for name in names if name.startswith(".tmp-")]


@pytest.mark.parametrize(("frames", "reason"), [(49, "holds 49 frames, the picture 50"), (51, "holds 51 frames")])
def test_sound_of_another_length_is_refused(analysed: Prepare, frames: int, reason: str) -> None:
    video = analysed(audio=[SILENCE] * frames)
    raw = video.delivered("_audio.json").read_bytes()
    ended = run()
    assert ended.returncode == 1
    assert f"{video.delivered('_audio.json').name}: {reason}" in ended.stdout and "Run STEP4 again" in ended.stdout
    assert video.delivered("_audio.json").read_bytes() == raw


def test_tracking_of_another_length_is_refused_and_nothing_is_moved(analysed: Prepare) -> None:
    video = analysed(tracked=[[]] * 26)
    raw = video.delivered("_audio.json").read_bytes()
    ended = run()
    assert ended.returncode == 1 and "Traceback" not in ended.stdout + ended.stderr
    assert video.delivered("_audio.json").read_bytes() == raw
    assert not (video.workflow / "audio.raw.json.gz").exists()


def test_speech_without_a_label_is_degraded(analysed: Prepare) -> None:
    video = analysed(audio=[FrameAudio(True)] * 25 + [SPOKEN] * 25)
    ended = run()
    assert ended.returncode == 0
    assert "labels present wherever speech is: 0.5, must be = 1" in ended.stdout
    assert manifest(video).state == "degraded"


def test_without_the_earlier_steps_a_video_is_blocked(analysed: Prepare) -> None:
    video = analysed()
    (video.workflow / "STEP5.json").unlink()
    ended = run()
    assert ended.returncode == 1
    assert "STEP5 has not finished for this video. Run STEP5 first." in ended.stdout
    assert not (video.workflow / "audio.raw.json.gz").exists()


def test_the_share_of_labelled_speech() -> None:
    assert labelled_share(AudioAnalysis((SILENCE,), None)) == 1
    assert labelled_share(AudioAnalysis((SPOKEN, FrameAudio(True), FrameAudio(True), SPOKEN), None)) == 0.5


def test_faces_keep_who_speaks(analysed: Prepare) -> None:
    video = analysed()
    run()
    first = next(iter(read_tracking(video.delivered("_tracking.json")).frames()))[0]
    assert (first.active_speakers, first.width, first.height, first.confidence) == (("SPEAKER_00",), 100, 120, 0.9)
