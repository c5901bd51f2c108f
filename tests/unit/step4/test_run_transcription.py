"""The step on real videos with a tiny model: transcript, subtitles, speakers, and what is done again and when."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ctranslate2
import numpy as np
import pytest

from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.artifacts.turns import write_turns
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import DeviceFault, UsageError
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.media import probe, write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.timeline import Turn
from workflow_scripts.step4 import run_transcription as step_module
from workflow_scripts.step4 import transcription_faster
from workflow_scripts.step4.run_transcription import RunTranscription
from workflow_scripts.step4.transcription_parameters import PARAMETERS

RATE = 16000
SCRIPT = Path(step_module.__file__)
MakeVideo = Callable[..., Video]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting from outside."""
    for name in [name for parameter in PARAMETERS for name in parameter.variables]:
        monkeypatch.delenv(name, raising=False)


def write_video(path: Path, seconds: float, sound: np.ndarray | None, late: float) -> None:
    """Grey pictures at 25 frames a second, with a sound that begins `late` seconds after them."""
    with av.open(f"file:{path}", "w") as container:
        picture = container.add_stream("libx264", rate=Fraction(25))
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        for _ in range(round(seconds * 25)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None and sound is not None:
            piece = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            piece.sample_rate, piece.time_base, piece.pts = RATE, Fraction(1, RATE), round(late * RATE)
            container.mux(track.encode(piece))
            container.mux(track.encode(None))


@pytest.fixture
def make_video(data_folder: Path, finish: Any) -> MakeVideo:
    """`make_video(seconds, sound, late=0.0, name="Débat .mp4")`: a video as STEP2 leaves it."""

    def make(seconds: float, sound: np.ndarray | None, late: float = 0.0, name: str = "Débat l'été .mp4") -> Video:
        video = Video(Project(root := data_folder / "projets_extraits" / "P", root / "docs"), name)
        video.path.parent.mkdir(parents=True, exist_ok=True)
        write_video(video.path, seconds, sound, late)
        write_media(video.workflow / "media.json", probe(video.path))
        finish(video, "STEP2", {"video": video.path})
        return video

    return make


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the step as people do."""
    command = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def manifest_of(video: Video) -> Manifest:
    """What is known of the finished step."""
    found = read_manifest(video.workflow / "STEP4B.json")
    assert found is not None
    return found


def say_turns(video: Video, finish: Any, *turns: Turn) -> None:
    """What STEP4 leaves."""
    path = video.workflow / "turns.json"
    write_turns(path, turns, [], "embedded", FrameClock(Fraction(25), 775))
    finish(video, "STEP4", {"turns": path})


def test_a_talk_becomes_a_transcript_with_subtitles_and_later_with_speakers(
    make_video: MakeVideo, tiny_whisper: Path, sample: np.ndarray, finish: Any
) -> None:
    video = make_video(31, sample)
    done = run(str(video.path), "--model", str(tiny_whisper))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Initialisation Whisper tiny sur cpu (int8)" in done.stdout
    assert "Transcription: 1 segment(s), 3 mot(s), langue fr (100%)" in done.stdout
    found = read_transcript(video.delivered("_transcript.json"))
    assert [word.text for word in found.words] == [" Bonjour", " à", " tous."] and found.duration == 31.0
    assert {word.speaker for word in found.words} == {None}
    subtitles = video.delivered("_transcript.srt").read_text(encoding="utf-8")
    assert subtitles.startswith("1\n00:00:06,") and subtitles.endswith("Bonjour à tous.\n\n")
    assert video.delivered("_transcript.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n")
    assert video.delivered("_transcript.txt").read_text(encoding="utf-8") == "Bonjour à tous.\n"
    before = manifest_of(video)
    assert before.counts["words"] == 3 and before.counts["language"] == "fr"
    # So little of the speech has words that people are told: the tiny model says but one sentence.
    assert before.state == "degraded" and "share of heard speech with words" in before.complaints

    assert "0" in run(str(video.path), "--model", str(tiny_whisper)).stdout.splitlines()[0]
    say_turns(video, finish, Turn(6.0, 7.4, "SPEAKER_00"), Turn(7.4, 9.0, "SPEAKER_01"))
    again = run(str(video.path), "--model", str(tiny_whisper))
    assert "words recognised before are used again" in again.stdout and "Initialisation" not in again.stdout
    joined = read_transcript(video.delivered("_transcript.json"))
    assert [word.speaker for word in joined.words] == ["SPEAKER_00", "SPEAKER_00", "SPEAKER_01"]
    assert "<v SPEAKER_01>" in video.delivered("_transcript.vtt").read_text(encoding="utf-8")
    assert manifest_of(video).counts["words_with_speaker"] == 1.0
    forced = run(str(video.path), "--model", str(tiny_whisper), "--force")
    assert "Initialisation" in forced.stdout  # asked to do it again, it listens again


def test_only_what_recognising_depends_on_makes_it_listen_again(
    make_video: MakeVideo, tiny_whisper: Path, sample: np.ndarray
) -> None:
    video, model = make_video(31, sample), f"--model={tiny_whisper}"
    run(str(video.path), model)
    laid_out = run(str(video.path), model, "--reading-speed", "5")
    assert "Initialisation" not in laid_out.stdout and manifest_of(video).fingerprint["reading_speed"] == 5
    assert "Initialisation" in run(str(video.path), model, "--beam-size", "1").stdout
    assert "Initialisation" in run(str(video.path), model, "--language", "en").stdout
    (video.workflow / "words.json").write_text("{}")
    damaged = run(str(video.path), model, "--language", "en")
    assert "Initialisation" in damaged.stdout and damaged.returncode == 0


def test_words_are_on_the_pictures_clock_when_the_sound_begins_late(
    make_video: MakeVideo, tiny_whisper: Path, sample: np.ndarray
) -> None:
    starts = []
    for late in (0.0, 4.0):
        video = make_video(36, sample, late, name=f"late {late}.mp4")
        run(str(video.path), "--model", str(tiny_whisper))
        starts.append(read_transcript(video.delivered("_transcript.json")).words[0].start)
    assert starts[1] - starts[0] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("sound", [None, np.zeros(10 * RATE, np.float32)], ids=["no sound", "silence"])
def test_a_video_in_which_nothing_is_said_has_complete_empty_files(
    make_video: MakeVideo, tiny_whisper: Path, sound: np.ndarray | None
) -> None:
    video = make_video(10, sound)
    done = run(str(video.path), "--model", str(tiny_whisper))
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_transcript(video.delivered("_transcript.json")).segments == ()
    assert video.delivered("_transcript.srt").read_bytes() == b""
    assert video.delivered("_transcript.txt").read_bytes() == b""
    assert manifest_of(video).state == "succeeded"


def test_without_a_model_nothing_is_started_and_one_sentence_says_what_to_run(
    make_video: MakeVideo, sample: np.ndarray
) -> None:
    video = make_video(5, sample[: 5 * RATE])
    refused = run(str(video.path))
    assert refused.returncode == 3 and refused.stdout == ""
    what_to_do = "Run `scripts/setup audio_env` or `scripts/workflow models fetch base`."
    assert refused.stderr == f"The speech model base is not here. {what_to_do}\n"
    assert not (video.workflow / "STEP4B.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("--model", "bse"), 2, "There is no speech model 'bse'. Did you mean 'base'?"),
        (("--language", "french"), 2, "is no code of a language"),
        (("--whisper-device", "mps"), 2, "it must be one of auto, cuda, cpu"),
        (("--compute-type", "fp16"), 2, "it must be one of auto, float32, float16"),
        (("--engine", "openai-whisper"), 3, "set engine to faster-whisper"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(words: tuple[str, ...], code: int, reason: str) -> None:
    if "openai-whisper" in words and importlib.util.find_spec("whisper"):
        pytest.skip("openai-whisper is installed here")
    refused = run("--check", *words)
    assert refused.returncode == code and reason in refused.stderr


def test_half_precision_that_the_cpu_does_not_have_is_fp32_and_the_log_says_so(
    make_video: MakeVideo, tiny_whisper: Path, sample: np.ndarray
) -> None:
    video = make_video(31, sample)
    done = run(str(video.path), "--model", str(tiny_whisper), WHISPER_COMPUTE_TYPE="float16")
    assert "Initialisation Whisper tiny sur cpu (float32, float16 n'y est pas disponible)" in done.stdout


def test_a_device_that_contradicts_the_parameter_is_refused() -> None:
    step = RunTranscription()
    cpu = resolve(PARAMETERS, None, {"whisper_device": "cpu"})
    with pytest.raises(UsageError, match="--device cuda contradicts whisper_device = cpu"):
        step.device(cpu, "cuda")
    assert step.device(cpu, None) == "cpu" and step.device(resolve(PARAMETERS, None, {}), None) == "auto"


def test_a_gpu_takes_several_windows_at_once_and_the_cpu_one() -> None:
    step, params = RunTranscription(), resolve(PARAMETERS, None, {})
    assert (step.batch_size(params, "cuda"), step.batch_size(params, "cpu")) == (8, 1)
    assert step.batch_size(resolve(PARAMETERS, None, {"batch_size": "3"}), "cpu") == 3


@pytest.mark.parametrize(
    ("message", "out_of_memory"),
    [
        ("CUDA failed with error out of memory", True),
        ("Library libcublas.so.12 is not found or cannot be loaded", False),
        ("CUDA driver version is insufficient for CUDA runtime version", False),
    ],
)
def test_what_fails_on_a_gpu_sends_the_video_down_the_ladder(
    message: str, out_of_memory: bool, tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_words: object, **_options: object) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda _device: {"float16"})
    monkeypatch.setattr(transcription_faster, "WhisperModel", fails)
    with pytest.raises(DeviceFault) as fault:
        transcription_faster.FasterWhisper(tiny_whisper, "cuda", "auto")
    assert fault.value.out_of_memory == out_of_memory


@pytest.mark.skipif(sys.platform != "linux", reason="there are no NVIDIA GPUs, and no /proc")
def test_the_library_that_a_gpu_needs_is_taken_from_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcription_faster.load_installed_cublas()  # without the package nothing happens
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    some = next((Path(ctranslate2.__file__).parents[1] / "ctranslate2.libs").glob("libgomp*"))
    shutil.copyfile(some, folder / "libcublas.so.12")
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"purelib": str(tmp_path)})
    transcription_faster.load_installed_cublas()
    assert str(folder / "libcublas.so.12") in Path("/proc/self/maps").read_text()


def test_any_sound_file_is_transcribed_from_the_shell_as_it_comes(
    sample_folder: Path, tiny_whisper: Path, tmp_path: Path
) -> None:
    script = SCRIPT.with_name("transcribe_file.py")
    files = [str(sample_folder / "sample.wav"), str(tmp_path / "none.mp3")]
    command = [sys.executable, str(script), *files, "--model", str(tiny_whisper)]
    done = subprocess.run([*command, "-o", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "none.mp3: there is no such file." in done.stderr
    assert done.stdout.splitlines()[0] == "sample.wav (30.0 s)"
    assert done.stdout.splitlines()[1].endswith("] Bonjour à tous.")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"sample_transcript.{ending}" for ending in ("json", "srt", "txt", "vtt")]
    told = subprocess.run([*command, "--json-lines"], capture_output=True, text=True, check=False).stdout
    events = [json.loads(line) for line in told.splitlines()]
    assert [event["event"] for event in events] == ["file", "segment", "progress", "progress", "finished"]
    assert events[1]["words"][0]["text"] == " Bonjour" and events[-1]["language"] == "fr"


@pytest.mark.parametrize("ending", ["m4a", "mp3", "flac", "ogg", "mp4"])
def test_a_sound_file_of_any_kind_gives_the_same_words(
    ending: str, sample: np.ndarray, tiny_whisper: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"été %d.{ending}"
    codec = {"mp3": "libmp3lame", "flac": "flac", "ogg": "libopus"}.get(ending, "aac")
    kind, rate = {"m4a": "ipod"}.get(ending, ending), 48000 if ending == "ogg" else RATE
    with av.open(f"file:{path}", "w", format=kind) as container:
        track: Any = container.add_stream(codec, rate=rate, layout="mono")
        piece = av.AudioFrame.from_ndarray(sample[None].astype(np.float32), format="fltp", layout="mono")
        piece.sample_rate, piece.time_base, piece.pts = RATE, Fraction(1, RATE), 0
        resampler = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=rate)
        for part in [*resampler.resample(piece), *resampler.resample(None)]:
            container.mux(track.encode(part))
        container.mux(track.encode(None))
    script = SCRIPT.with_name("transcribe_file.py")
    command = [sys.executable, str(script), str(path), "--model", str(tiny_whisper), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = read_transcript(tmp_path / "out" / "été %d_transcript.json")
    assert [word.text for word in found.words] == [" Bonjour", " à", " tous."]
    assert found.words[0].start == pytest.approx(6.5, abs=0.3)
