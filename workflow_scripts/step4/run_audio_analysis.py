"""STEP4: where there is speech, and who speaks when.

Takes the sound as mono 16 kHz on the picture's clock, lets an engine find the speakers' turns, lays them on the
frames and writes docs/<stem>_audio.json (one entry per frame) and docs/<stem>.rttm. A video without sound gets a
complete file without speech.

Engines: `embedded` needs no account and no network connection; `pyannote` runs when a hub token (PYANNOTE_TOKEN
or HF_TOKEN) or a local model folder is configured; `auto` takes pyannote where it is configured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.artifacts.audio import FrameAudio, frames_of_turns, write_raw_audio
from workflow_scripts.common.artifacts.rttm import write_rttm
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import PreconditionError, UsageError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.manifest import Gate, ModelRecord
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step4.engine import SAMPLE_RATE, Diarization, SpeakerCount
from workflow_scripts.step4.model_files import embedded_files
from workflow_scripts.step4.pyannote_engine import checked_folder, folder_records, hub_folder, hub_token

if TYPE_CHECKING:
    from workflow_scripts.step4.engine import Engine

PARAMETERS = (
    Parameter(
        "engine",
        str,
        "auto",
        "What finds the speakers; auto is pyannote where a token or pyannote_model is set, else embedded",
        choices=("auto", "embedded", "pyannote"),
        env="AUDIO_ENGINE",
    ),
    Parameter("num_speakers", int, None, "Number of speakers, when it is known", 1, 50),
    Parameter("min_speakers", int, None, "Smallest number of speakers to find", 1, 50),
    Parameter("max_speakers", int, None, "Largest number of speakers to find", 1, 50),
    Parameter(
        "speech_threshold",
        float,
        0.5,
        "Probability from which sound is speech (embedded engine)",
        0.01,
        0.99,
        env="SPEECH_DETECTION_THRESHOLD",
    ),
    Parameter(
        "min_speech_duration_ms",
        int,
        300,
        "Shorter stretches of speech are dropped, in milliseconds (embedded engine)",
        0,
        10_000,
        env="MIN_SPEECH_DURATION_MS",
    ),
    Parameter("pyannote_model", Path, None, "Local folder of a pyannote pipeline, with its config.yaml"),
    Parameter(
        "batch_size",
        int,
        32,
        "Chunks of sound the networks of pyannote take at once",
        1,
        256,
        affects_result=False,
    ),
)


class RunAudioAnalysis(VideoStep):
    """Speech and speakers."""

    key = "STEP4"
    name = "run_audio_analysis"
    version = "1"
    config = "step4_audio.json"
    delivers = ("_audio.json", ".rttm")
    parameters = PARAMETERS
    uses_accelerator = True

    def check(self, params: Settings) -> None:
        """The engine's files are there, and the numbers of speakers agree with each other."""
        speaker_count(params)
        self.models(params)

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The networks of the engine that will run."""
        folder = pyannote_folder(params)
        if folder is not None:
            return folder_records(folder)
        return tuple(file.verified() for file in embedded_files())

    def accelerated(self, params: Settings) -> bool:
        """Only pyannote's networks use a GPU; the embedded engine is fast enough on the CPU."""
        return pyannote_folder(params) is not None

    def batch_size(self, params: Settings) -> int:
        """Chunks per call of pyannote's networks."""
        return int(params.batch_size)

    def prepare(self, job: Job) -> None:
        """Load the engine."""
        self._engine = load_engine(job.params, job.device)
        job.log.info("Moteur audio: %s", self._engine.name)

    def process(self, item: Video, job: Job) -> Result:
        """Decode, find the turns, lay them on the frames, write."""
        self._engine.batch_size = job.batch_size
        found = self._diarization(item, job)
        frames = frames_of_turns(found.turns, job.clock)
        audio, rttm = item.delivered("_audio.json"), item.delivered(".rttm")
        write_raw_audio(audio, item.name, frames, job.clock)
        write_rttm(rttm, item.name, found.turns)
        counts = figures(frames, found)
        job.log.info("Diarisation: %d segment(s) détecté(s)", len(found.turns))
        job.log.info(
            "Timeline audio: %d/%d frames avec parole (%.1f%%)",
            counts["speech_frames"],
            counts["frames"],
            100 * counts["speech_share"],
        )
        return Result(
            outputs={"audio": audio, "rttm": rttm},
            counts={**counts, "engine": self._engine.name, "sound": job.media.has_sound},
            gates=quality_gates(frames, job.clock.frames),
        )

    def _diarization(self, video: Video, job: Job) -> Diarization:
        """Who speaks when, on the picture's clock and not beyond its end."""
        if not job.media.has_sound:
            job.log.info("%s: no sound, so no speech.", video.name)
            return Diarization((), (), float(job.clock.duration))
        with job.phase("decode"):
            waveform = decode_sound(video.path, round(job.clock.duration * SAMPLE_RATE))
        with job.phase("diarize"):
            return self._engine.diarize(
                waveform, speaker_count(job.params), lambda done, total: job.progress(done, total, "‰")
            )


def decode_sound(path: Path, samples: int) -> npt.NDArray[np.float32]:
    """The sound as mono float32 `(samples,)` in [-1, 1), 16 kHz; sample 0 is heard with the first frame.

    Raises:
        ToolError: ffmpeg cannot decode it.
    """
    sound = np.zeros(samples, np.float32)
    filled = 0
    for piece in decode_pcm(path, SAMPLE_RATE, samples=samples):
        values = np.frombuffer(piece, "<i2")
        sound[filled : filled + len(values)] = values * np.float32(1 / 32768)
        filled += len(values)
    return sound


def speaker_count(params: Settings) -> SpeakerCount:
    """How many speakers to look for.

    Raises:
        UsageError: the numbers contradict each other.
    """
    try:
        return SpeakerCount(params.num_speakers, params.min_speakers, params.max_speakers)
    except ValueError as error:
        raise UsageError(f"num_speakers, min_speakers and max_speakers do not agree: {error}.") from error


def pyannote_folder(params: Settings) -> Path | None:
    """The folder of the pyannote pipeline to use, None when the embedded engine is to run.

    Raises:
        PreconditionError: pyannote is asked for and not to be had.
    """
    if params.engine == "embedded":
        return None
    if params.pyannote_model is not None:
        return checked_folder(params.pyannote_model)
    token = hub_token()
    if token is not None:
        return hub_folder(token)
    if params.engine == "auto":
        return None
    raise PreconditionError(
        "The pyannote engine needs a hub token or a local model folder, and neither is configured.",
        hint="Set PYANNOTE_TOKEN or pyannote_model, or set engine to embedded.",
    )


def load_engine(params: Settings, device: str) -> Engine:
    """The engine that the parameters ask for; the embedded one always runs on the CPU."""
    folder = pyannote_folder(params)
    if folder is not None:
        from workflow_scripts.step4.pyannote_engine import PyannoteEngine

        return PyannoteEngine(folder, device, params.batch_size)
    from workflow_scripts.step4.embedded import EmbeddedEngine

    return EmbeddedEngine.installed(params.speech_threshold, params.min_speech_duration_ms / 1000)


def figures(frames: Sequence[FrameAudio], found: Diarization) -> dict[str, Any]:
    """What people look at first; `first_speech_frame` is numbered from 1, None without speech."""
    speech = sum(frame.speech for frame in frames)
    return {
        "frames": len(frames),
        "speech_frames": speech,
        "speech_share": round(speech / len(frames), 4) if frames else 0.0,
        "speakers": len({label for frame in frames for label in frame.speakers}),
        "turns": len(found.turns),
        "first_speech_frame": first_speech_frame(frames),
    }


def first_speech_frame(frames: Sequence[FrameAudio]) -> int | None:
    """Number, from 1, of the first frame with speech."""
    return next((number for number, frame in enumerate(frames, 1) if frame.speech), None)


def quality_gates(frames: Sequence[FrameAudio], expected: int) -> tuple[Gate, ...]:
    """Every frame is there; labels and speech say the same; where speech begins."""
    contradictions = sum(frame.speech != bool(frame.speakers) for frame in frames)
    return (
        Gate.equals("frames present / frames decoded", len(frames) / expected if expected else 1.0, 1),
        Gate.equals("frames whose labels contradict speech", contradictions, 0),
        Gate("first speech frame", first_speech_frame(frames)),
    )


if __name__ == "__main__":
    sys.exit(main(RunAudioAnalysis(), __doc__))
