"""The step on real videos: from the 25 fps file to the audio JSON and the RTTM."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from workflow_scripts.common.artifacts.audio import read_audio
from workflow_scripts.common.artifacts.rttm import read_rttm
from workflow_scripts.common.artifacts.turns import read_turns
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.manifest import FileRecord
from workflow_scripts.common.media import probe, write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.step import Job, Result
from workflow_scripts.step4 import run_audio_analysis as step_module
from workflow_scripts.step4.run_audio_analysis import RunAudioAnalysis
from workflow_scripts.step4.sound import record

RATE = 16000
SCRIPT = Path(step_module.__file__)


def write_video(path: Path, seconds: float, sound: np.ndarray | None) -> Path:
    """An H.264 file of grey pictures at 25 frames a second, with a mono sound of 16 kHz or none."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=Fraction(25))
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        for _ in range(round(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None and sound is not None:
            piece = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.time_base, piece.pts = RATE, Fraction(1, RATE), 0
            container.mux(track.encode(piece))
            container.mux(track.encode(None))
    return path


def lay_out(folder: Path, seconds: float, sound: np.ndarray | None) -> Video:
    video = Video(Project(folder, folder / "docs"), "clip.mp4")
    video.path.parent.mkdir(parents=True)
    write_video(video.path, seconds, sound)
    write_media(video.workflow / "media.json", probe(video.path))
    return video


def run(video: Video, given: Mapping[str, Any], log: list[str]) -> Result:
    logger = logging.getLogger(f"test {video.path}")
    logger.setLevel(logging.INFO)
    handler = logging.Handler()
    handler.emit = lambda record: log.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    params = resolve(PARAMETERS, None, given)
    job = Job({}, params, Rung("cpu", 32), logger, lambda *_: None, video.workflow)
    step = RunAudioAnalysis()
    step.check(params)
    try:
        step.prepare(job)
        return step.process(video, job)
    finally:
        step.release()
        logger.removeHandler(handler)


@pytest.fixture(scope="module")
def talk(
    tmp_path_factory: pytest.TempPathFactory, engine: Any, sample: np.ndarray
) -> tuple[Video, Result, list[str]]:
    """The telephone call under a picture of 31 s: the last second has no sound."""
    video = lay_out(tmp_path_factory.mktemp("talk"), 31, sample)
    log: list[str] = []
    return video, run(video, {}, log), log


def test_every_frame_of_a_talk_has_its_speakers(talk: Any) -> None:
    video, result, _ = talk
    found = read_audio(result.outputs["audio"])
    assert result.outputs["audio"] == video.delivered("_audio.json")
    assert len(found.frames) == result.counts["frames"] == 775
    assert found.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert abs((found.first_speech or 0) - 6.69 * 25) <= 3
    assert all(frame.speech == bool(frame.speakers) for frame in found.frames)
    assert not any(frame.speech for frame in found.frames[753:])  # the sound ends with frame 749
    first = json.loads(result.outputs["audio"].read_text().splitlines()[1].rstrip(","))
    assert first["audio_info"]["active_speaker_labels"] == []


def test_turns_and_frames_say_the_same(talk: Any) -> None:
    _, result, _ = talk
    turns, found = read_rttm(result.outputs["rttm"]), read_audio(result.outputs["audio"])
    assert len(turns) == result.counts["turns"]
    for index, frame in enumerate(found.frames):
        middle = (index + 0.5) / 25
        near = any(min(abs(turn.start - middle), abs(turn.end - middle)) < 0.002 for turn in turns)
        speaking = {turn.speaker for turn in turns if turn.start <= middle < turn.end}
        assert near or speaking == set(frame.speakers)


def test_figures_gates_and_log_lines_are_those_operators_know(talk: Any) -> None:
    _, result, log = talk
    assert [gate.passed for gate in result.gates] == [True, True, None]
    assert result.gates[2].value == result.counts["first_speech_frame"]
    assert result.counts["speakers"] == 2
    assert 0.68 < result.counts["speech_share"] < 0.78
    assert result.counts["engine"] == "embedded (segmentation + silero + GE2E)"
    assert f"Diarisation: {result.counts['turns']} segment(s) détecté(s)" in log
    share = f"{100 * result.counts['speech_share']:.1f}%"
    assert f"Timeline audio: {result.counts['speech_frames']}/775 frames avec parole ({share})" in log


def test_a_video_without_sound_gets_a_complete_file_without_speech(tmp_path: Path) -> None:
    video = lay_out(tmp_path / "mute", 2, None)
    result = run(video, {}, [])
    found = read_audio(result.outputs["audio"])
    assert len(found.frames) == 50 and not found.speech_frames
    assert read_rttm(result.outputs["rttm"]) == ()
    assert all(gate.passed is not False for gate in result.gates)
    assert result.counts["sound"] is False and result.counts["first_speech_frame"] is None


def test_a_number_of_speakers_can_be_given(tmp_path: Path, sample: np.ndarray) -> None:
    video = lay_out(tmp_path / "one", 15, sample[: 15 * RATE])
    assert run(video, {"num_speakers": "1", "engine": "embedded"}, []).counts["speakers"] == 1


def test_pyannote_runs_where_a_local_model_is_configured(
    tmp_path: Path, sample: np.ndarray, tiny_pipeline: Path
) -> None:
    video = lay_out(tmp_path / "local", 10, sample[: 10 * RATE])
    result = run(video, {"pyannote_model": str(tiny_pipeline)}, [])
    assert result.counts["engine"] == "pyannote (tiny)"
    assert len(read_audio(result.outputs["audio"]).frames) == 250


def test_the_sound_is_on_the_pictures_clock_and_as_loud_as_it_is(tmp_path: Path) -> None:
    beep = np.zeros(3 * RATE, np.float32)
    beep[RATE : RATE + 1600] = 0.25
    path = write_video(tmp_path / "beep.mp4", 4, beep)
    with record(decode_pcm(path, RATE, samples=4 * RATE), tmp_path) as sound:
        decoded = sound[0 : len(sound)]
    assert decoded.shape == (64000,) and decoded.dtype == np.float32
    loud = np.nonzero(np.abs(decoded) > 0.1)[0]
    assert abs(loud[0] - RATE) < 320 and abs(loud[-1] - RATE - 1600) < 640
    assert abs(float(np.median(decoded[RATE + 400 : RATE + 1200])) - 0.25) < 0.06
    assert not decoded[3 * RATE + 2048 :].any()


def test_contradicting_settings_are_a_usage_error_before_anything_starts() -> None:
    for given in ({"num_speakers": "2", "max_speakers": "3"}, {"profile": "cpu", "audio_device": "cuda"}):
        with pytest.raises(UsageError, match="contradict"):
            RunAudioAnalysis().check(resolve(PARAMETERS, None, given))


def test_pyannote_without_token_or_folder_is_refused_before_anything_starts() -> None:
    with pytest.raises(PreconditionError, match="needs a hub token or a local model folder"):
        RunAudioAnalysis().check(resolve(PARAMETERS, None, {"engine": "pyannote"}))
    with pytest.raises(PreconditionError, match="does not exist"):
        RunAudioAnalysis().check(resolve(PARAMETERS, None, {"pyannote_model": "/no/such/folder"}))


def test_the_models_of_the_manifest_are_those_that_run(engine: Any, tiny_pipeline: Path) -> None:
    step = RunAudioAnalysis()
    assert step.models(resolve(PARAMETERS, None, {})) == engine.models
    names = [m.name for m in step.models(resolve(PARAMETERS, None, {"pyannote_model": str(tiny_pipeline)}))]
    assert "pyannote config.yaml" in names


def test_help_explains_the_step_without_loading_a_network() -> None:
    heavy = "print([n for n in ('torch', 'onnxruntime', 'scipy', 'pyannote.audio') if n in sys.modules])"
    code = f"import sys, workflow_scripts.step4.run_audio_analysis; {heavy}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    answer = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True)
    for parameter in PARAMETERS:
        assert parameter.flag in answer.stdout


def test_from_the_shell_a_finished_video_is_not_done_again(
    data_folder: Path, finish: Any, sample: np.ndarray, engine: Any
) -> None:
    video = lay_out(data_folder / "projets_extraits" / "project", 12, sample[: 12 * RATE])
    finish(video, "STEP2", {"video": video.path})
    runs = []
    for _ in range(2):
        command = [sys.executable, str(SCRIPT), "project", "--device", "cpu"]
        runs.append(subprocess.run(command, capture_output=True, text=True, check=False))
    assert [run.returncode for run in runs] == [0, 0], runs[0].stdout + runs[0].stderr
    assert "TOTAL_VIDEOS_TO_PROCESS: 1" in runs[0].stdout and "TOTAL_VIDEOS_TO_PROCESS: 0" in runs[1].stdout
    manifest = json.loads((video.workflow / "STEP4.json").read_text())
    assert manifest["state"] == "succeeded"
    assert FileRecord(**manifest["outputs"]["audio"]).matches(video.root)
    assert [model["name"] for model in manifest["models"]] == [model.name for model in engine.models]


def test_the_turns_of_the_viewer_are_those_delivered_with_scores_and_what_everybody_speaks(talk: Any) -> None:
    video, result, _ = talk
    path = video.workflow / "turns.json"
    turns, delivered = read_turns(path), read_rttm(result.outputs["rttm"])
    assert [turn.speaker for turn in turns] == [turn.speaker for turn in delivered]
    assert all(turn.score is not None and 0.3 < turn.score <= 1 for turn in turns)
    told = json.loads(path.read_text())
    assert told["engine"] == result.counts["engine"] and told["frames"] == 775
    assert len(told["heard"]) == 310
    for label, speaker in told["speakers"].items():
        spoken = sum(turn.duration for turn in turns if turn.speaker == label)
        assert speaker["seconds"] == pytest.approx(spoken, abs=0.01)


def test_the_log_says_profile_and_mode_and_the_metrics_are_written(talk: Any, data_folder: Path) -> None:
    _, result, log = talk
    assert "AUDIO_PROFILE=gpu_fp32 appliqué (AMP=0, batch_size=8, FP32 pur sur CPU - référence)" in log
    assert (result.counts["mode"], result.counts["half"]) == ("CPU FP32", None)
    video = lay_out(data_folder / "short", 3, np.zeros(3 * RATE, np.float32))
    run(video, {}, [])
    (metrics,) = (data_folder / "logs").glob("audio_metrics_*.csv")
    assert "clip.mp4,finished" in metrics.read_text()
    (perf,) = (data_folder / "profiling").glob("audio_perf_*.json")
    assert json.loads(perf.read_text())["videos"][0]["mode"] == "CPU FP32"


def test_a_silent_sound_and_a_clipped_one_are_said(tmp_path: Path, sample: np.ndarray) -> None:
    log: list[str] = []
    silent = run(lay_out(tmp_path / "silent", 3, np.zeros(3 * RATE, np.float32)), {}, log)
    assert silent.counts["speech_frames"] == 0 and silent.counts["sound"] is True
    assert "clip.mp4: its sound is silent from beginning to end." in log
    loud = np.clip(sample[: 12 * RATE] * 200, -1, 1)
    run(lay_out(tmp_path / "loud", 12, loud), {}, log)
    assert any("of its sound is clipped" in line for line in log)


def test_nothing_of_the_decoded_sound_stays_beside_the_video(talk: Any) -> None:
    video, _, _ = talk
    assert sorted(path.name for path in video.workflow.iterdir()) == ["media.json", "turns.json"]


@pytest.mark.parametrize(
    ("given", "asked", "device"),
    [
        ({}, None, "cpu"),
        ({}, "cuda", "cuda"),
        ({"audio_device": "cuda"}, None, "cuda"),
        ({"audio_device": "cuda"}, "cpu", "cpu"),
        ({"profile": "cpu"}, None, "cpu"),
    ],
)
def test_the_embedded_engine_takes_a_gpu_only_when_asked_by_name(
    given: Mapping[str, str], asked: str | None, device: str
) -> None:
    assert RunAudioAnalysis().device(resolve(PARAMETERS, None, given), asked) == device


def test_pyannote_takes_a_gpu_where_there_is_one(tiny_pipeline: Path) -> None:
    params = resolve(PARAMETERS, None, {"pyannote_model": str(tiny_pipeline)})
    assert RunAudioAnalysis().device(params, None) == "auto"


def test_a_device_on_the_command_line_that_contradicts_the_profile_is_refused() -> None:
    with pytest.raises(UsageError, match="--device cuda contradicts"):
        RunAudioAnalysis().device(resolve(PARAMETERS, None, {"profile": "cpu_only"}), "cuda")


def test_what_was_computed_in_half_precision_is_made_again_when_fp32_is_wanted(
    data_folder: Path, finish: Any
) -> None:
    video = Video(Project.at(data_folder / "projets_extraits" / "p"), "clip.mp4")
    step = RunAudioAnalysis()
    assert step.left_to_do(video, resolve(PARAMETERS, None, {})) is None
    finish(video, "STEP4", {}, counts={"half": "float16"})
    assert "float16" in (step.left_to_do(video, resolve(PARAMETERS, None, {})) or "")
    assert step.left_to_do(video, resolve(PARAMETERS, None, {"profile": "gpu_optimized"})) is None


def test_a_pipeline_that_is_on_the_hub_is_fetched_before_anything_is_planned(
    monkeypatch: pytest.MonkeyPatch, tiny_pipeline: Path
) -> None:
    monkeypatch.setenv("PYANNOTE_TOKEN", "a token")
    asked: list[str] = []
    monkeypatch.setattr("workflow_scripts.step4.engines.ready_folder", lambda: None)
    monkeypatch.setattr("workflow_scripts.step4.engines.hub_folder", lambda token: asked.append(token))
    step = RunAudioAnalysis()
    step.fetch(resolve(PARAMETERS, None, {"engine": "embedded"}), logging.getLogger("test"))
    step.fetch(resolve(PARAMETERS, None, {"pyannote_model": str(tiny_pipeline)}), logging.getLogger("test"))
    assert asked == []
    step.fetch(resolve(PARAMETERS, None, {}), logging.getLogger("test"))
    assert asked == ["a token"]
