"""STEP4: where there is speech, and who speaks when.

Takes the sound as mono 16 kHz on the picture's clock, lets an engine find the speakers' turns, lays them on the
frames and writes docs/<stem>_audio.json (one entry per frame), docs/<stem>.rttm and .workflow/<stem>/turns.json
(with scores, and how much everybody speaks). A video without sound gets complete files without speech.

Engines: `embedded` needs no account and no network connection; `pyannote` runs when a hub token (PYANNOTE_TOKEN
or HF_TOKEN) or a local model folder is configured; `auto` takes pyannote where it is configured. AUDIO_PROFILE says
how they compute; what is computed otherwise than in FP32 on the CPU is compared with that.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from workflow_scripts.common.artifacts import turns as turns_artifact
from workflow_scripts.common.artifacts.audio import frames_of_turns, write_raw_audio
from workflow_scripts.common.artifacts.rttm import write_rttm
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.audio_settings import AudioPlan, audio_plan, profile_line
from workflow_scripts.common.command_line import main
from workflow_scripts.common.devices import cuda_memory
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.manifest import ModelRecord, read_manifest
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step4.engine import REFERENCE, SAMPLE_RATE, Diarization, Mode, SpeakerCount
from workflow_scripts.step4.engines import choose_engine, independent_detector, use_threads
from workflow_scripts.step4.figures import figures, quality_gates, trust_gates
from workflow_scripts.step4.monitor import Monitor, Speech, Watch, smaller_batch
from workflow_scripts.step4.sound import FileSound, record
from workflow_scripts.step4.trust import Judged, TrustedEngine
from workflow_scripts.step4.verdicts import Verdicts

#: More of the samples than this at full scale, in runs, are worth a word: the recording was too loud.
CLIPPED = 0.001


class RunAudioAnalysis(VideoStep):
    """Speech and speakers."""

    key = "STEP4"
    name = "run_audio_analysis"
    version = "2"
    config = "step4_audio.json"
    delivers = ("_audio.json", ".rttm")
    parameters = PARAMETERS
    uses_accelerator = True
    _monitor: Monitor | None = None
    _engine: TrustedEngine | None = None
    _largest_batch: int | None = None

    def check(self, params: Settings) -> None:
        """The settings agree with each other, and what the engine needs is there or to be had."""
        choose_engine(audio_plan(params)).check()

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The networks of the engine that will run."""
        return choose_engine(audio_plan(params)).models()

    def fetch(self, params: Settings, log: logging.Logger) -> None:
        """Download the hub's pipeline, once, where it is to run."""
        choose_engine(audio_plan(params)).fetch(log)

    def device(self, params: Settings, asked: str | None) -> str:
        """As the command line says, else as the profile and the device parameters do."""
        plan = audio_plan(params)
        if asked == "cuda" and plan.device == "cpu":
            raise UsageError(
                f"--device cuda contradicts the other settings, which say CPU (profile {plan.profile}).",
                hint="Leave it out, or choose profile gpu_fp32.",
            )
        return asked if asked in ("cpu", "cuda") else plan.wanted_device(choose_engine(plan).token)

    def batch_size(self, params: Settings, device: str) -> int:
        """Chunks per call of the networks, by the GPU's memory where nobody says otherwise."""
        memory = cuda_memory() if device == "cuda" else None
        plan = audio_plan(params)
        return plan.first_batch(device, memory[1] if memory else None, choose_engine(plan).token)

    def partial_success_ok(self, params: Settings) -> bool:
        """As the parameter says."""
        return audio_plan(params).partial_success_ok

    def left_to_do(self, item: Video, params: Settings) -> str | None:
        """What was computed in half precision is made again when FP32 is wanted."""
        manifest = read_manifest(item.workflow / f"{self.key}.json")
        half = manifest.counts.get("half") if manifest else None
        return audio_plan(params).reason_to_redo(half)

    def prepare(self, job: Job) -> None:
        """Load the engine, in the mode that profile and device make."""
        plan = audio_plan(job.params)
        _set_log_level(job.log, plan.log_level)
        self._monitor = self._monitor or Monitor(job.log, plan.profiling)
        for note in plan.notes:
            job.log.info(note)
        use_threads(plan.threads)
        choice = choose_engine(plan)
        mode = Mode(job.device, plan.half(job.device))
        listen = independent_detector() if choice.is_pyannote or mode != REFERENCE else None
        load = choice.loader(job.batch_size)
        self._engine = TrustedEngine(load, mode, listen, Verdicts(), plan.consistency_check)
        if self._engine.left:
            job.warn(f"{self._engine.left}; computing in FP32.")
        _say_mode(job, plan, self._engine)

    def release(self) -> None:
        """Let go of the engine."""
        self._engine = None

    def process(self, item: Video, job: Job) -> Result:
        """Decode, find the turns, lay them on the frames, write."""
        trusted = self._trusted
        trusted.engine.batch_size = min(job.batch_size, self._largest_batch or job.batch_size)
        watch = self._watching.watch(item.name, trusted.engine.mode, trusted.engine.batch_size)
        judged = self._judged(item, job, watch)
        turns = judged.found.turns
        frames = frames_of_turns(turns, job.clock)
        counts = figures(frames, judged.found)
        outputs = {
            "audio": item.delivered("_audio.json"),
            "rttm": item.delivered(".rttm"),
            "turns": item.workflow / turns_artifact.NAME,
        }
        write_raw_audio(outputs["audio"], item.name, frames, job.clock)
        write_rttm(outputs["rttm"], item.name, turns)
        turns_artifact.write_turns(outputs["turns"], turns, judged.found.heard, trusted.engine.name, job.clock)
        self._tell(job, judged, counts, watch)
        told = {"engine": trusted.engine.name, "mode": str(judged.mode), "half": judged.mode.half}
        return Result(
            outputs=outputs,
            counts={**counts, **told, "sound": job.media.has_sound},
            gates=(*quality_gates(frames, job.clock.frames), *trust_gates(judged, counts["speech_share"])),
        )

    @property
    def _trusted(self) -> TrustedEngine:
        if self._engine is None:
            raise AssertionError("prepare comes first")
        return self._engine

    @property
    def _watching(self) -> Monitor:
        if self._monitor is None:
            raise AssertionError("prepare comes first")
        return self._monitor

    def _judged(self, video: Video, job: Job, watch: Watch) -> Judged:
        """Who speaks when, on the picture's clock and not beyond its end, and whether that is to be trusted."""
        trusted = self._trusted
        if not job.media.has_sound:
            job.log.info("%s: no sound, so no speech.", video.name)
            return Judged(Diarization((), (), float(job.clock.duration)), trusted.engine.mode, None, None, ())
        samples = round(job.clock.duration * SAMPLE_RATE)
        video.workflow.mkdir(parents=True, exist_ok=True)
        with job.phase("decode"):
            sound = record(decode_pcm(video.path, SAMPLE_RATE, samples=samples), video.workflow)
        with sound, job.phase("diarize"):
            _say_levels(video, sound, job)
            speakers = speaker_count(audio_plan(job.params))
            return trusted.diarize(
                video.name, sound, speakers, lambda done, total: job.progress(done, total, "‰"), watch
            )

    def _tell(self, job: Job, judged: Judged, counts: Mapping[str, Any], watch: Watch) -> None:
        """Say what was found and how it went, and draw the conclusions for the next video."""
        frames, speech = counts["frames"], counts["speech_frames"]
        job.log.info("Diarisation: %d segment(s) détecté(s)", counts["turns"])
        job.log.info(
            "Timeline audio: %d/%d frames avec parole (%.1f%%)", speech, frames, 100 * counts["speech_share"]
        )
        for warning in judged.warnings:
            job.warn(warning)
        self._watching.finish(watch, Speech(frames, speech, counts["first_speech_frame"]), job.seconds)
        smaller = smaller_batch(watch.ms_per_segment, judged.mode, watch.batch_size)
        if smaller < watch.batch_size:
            job.log.info("Optimisation: réduction batch_size de %d→%d (trop lent)", watch.batch_size, smaller)
            self._largest_batch = smaller


def speaker_count(plan: AudioPlan) -> SpeakerCount:
    """How many speakers to look for."""
    return SpeakerCount(plan.speakers, plan.min_speakers, plan.max_speakers)


def _say_mode(job: Job, plan: AudioPlan, trusted: TrustedEngine) -> None:
    job.log.info("Moteur audio: %s", trusted.engine.name)
    batch_size = trusted.engine.batch_size
    job.log.info(profile_line(plan, trusted.engine.mode.device, batch_size))
    memory = cuda_memory() if job.device == "cuda" else None
    if memory is not None:
        job.log.info("[PROFILING] Mémoire GPU disponible: %.1f Go, batch_size=%d", memory[0] / 1e9, batch_size)


def _say_levels(video: Video, sound: FileSound, job: Job) -> None:
    levels = sound.levels
    job.log.debug("%s: peak %.3f, %.4f clipped", video.name, levels.peak, levels.clipped)
    if levels.peak == 0:
        job.warn(f"{video.name}: its sound is silent from beginning to end.")
    elif levels.clipped > CLIPPED:
        job.warn(f"{video.name}: {levels.clipped:.1%} of its sound is clipped; speech may be found less well.")


def _set_log_level(log: logging.Logger, level: str) -> None:
    """What the terminal shows from this level on; the log file always has everything."""
    for handler in log.handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(level)


if __name__ == "__main__":
    sys.exit(main(RunAudioAnalysis(), __doc__))
