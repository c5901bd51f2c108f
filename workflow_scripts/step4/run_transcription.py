"""STEP4B: what is said, word by word, by whom, and as subtitles.

Listens where a voice activity detector hears speech, recognises that with Whisper, drops what a model invents over
silence, noise and music, and writes docs/<stem>_transcript.json, .srt, .vtt and .txt. Each word gets the speaker of
STEP4's turns; where those come or change later, the words are joined to them anew without being recognised again.

The model is one by name, or a folder: `base` comes with audio_env, others are fetched before with
`scripts/workflow models fetch`. Computes on CUDA where that can be used, else on the CPU; half precision only where
the device has it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from workflow_scripts.common.artifacts import turns as turns_artifact
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import BlockedError, UsageError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.manifest import FileRecord, ModelRecord, Wanted, read_manifest
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.step import Job, Result, VideoStep, finished_output
from workflow_scripts.common.subtitles import cues_of
from workflow_scripts.step4.engine import SAMPLE_RATE
from workflow_scripts.step4.engines import use_threads
from workflow_scripts.step4.sound import record
from workflow_scripts.step4.transcription_engine import (
    Recognizer,
    check_engine,
    engine_loader,
    engine_models,
    model_name,
)
from workflow_scripts.step4.transcription_figures import figures, gates
from workflow_scripts.step4.transcription_files import SUFFIXES, WORDS, read_words, write_all, write_words
from workflow_scripts.step4.transcription_parameters import (
    AUTO,
    CUDA_BATCH,
    LAYOUT,
    PARAMETERS,
    layout,
    recognition,
)
from workflow_scripts.step4.transcription_recognised import Recognised, silent
from workflow_scripts.step4.transcription_speakers import with_speakers


class RunTranscription(VideoStep):
    """Transcripts."""

    key = "STEP4B"
    name = "run_transcription"
    version = "2"
    config = "step4b_transcription.json"
    delivers = tuple(SUFFIXES.values())
    parameters = PARAMETERS
    uses_accelerator = True
    _recognizer: Recognizer | None = None
    _files: tuple[ModelRecord, ...] | None = None

    def inputs(self, item: Video) -> Mapping[str, FileRecord]:
        """The video, and STEP4's turns where it has finished: they are not needed, but say who says each word."""
        found = dict(super().inputs(item))
        with contextlib.suppress(BlockedError):
            found["turns"] = finished_output(item, "STEP4", "turns")
        return found

    def check(self, params: Settings) -> None:
        """The settings agree with each other, and engine and model are there."""
        recognition(params)
        check_engine(params)

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The files of the model, read once: they may have gigabytes."""
        self._files = self._files or engine_models(params)
        return self._files

    def device(self, params: Settings, asked: str | None) -> str:
        """As the command line says, else as the parameter does."""
        if asked == "cuda" and params.whisper_device == "cpu":
            raise UsageError(
                f"--device cuda contradicts whisper_device = cpu ({params.origin('whisper_device')}).",
                hint="Leave one of them out.",
            )
        return asked if asked in ("cpu", "cuda") else str(params.whisper_device)

    def batch_size(self, params: Settings, device: str) -> int:
        """Windows at once: one on the CPU where no number is given."""
        if params.batch_size == AUTO:
            return CUDA_BATCH if device == "cuda" else 1
        return int(params.batch_size)

    def release(self) -> None:
        """Let go of the model."""
        self._recognizer = None

    def process(self, item: Video, job: Job) -> Result:
        """Decode, recognise, join to the turns, lay out as subtitles, write."""
        found = self._recognised(item, job)
        transcript = joined(found.transcript, job)
        look = layout(job.params, float(job.clock.fps))
        cues = cues_of(transcript.words, look, float(job.clock.duration))
        outputs = {role: item.delivered(suffix) for role, suffix in SUFFIXES.items()}
        write_all(outputs, transcript, cues, {"video_filename": item.name})
        counts = figures(found, transcript, cues)
        _tell(item, job, counts)
        return Result(
            outputs={**outputs, "words": item.workflow / WORDS},
            counts={**counts, "model": model_name(job.params), "sound": job.media.has_sound},
            gates=gates(found, transcript, cues, look),
        )

    def _recognised(self, item: Video, job: Job) -> Recognised:
        """What is said, recognised now, or before where only turns or layout have changed since."""
        path = item.workflow / WORDS
        models = self.models(job.params)
        wanted = Wanted(self.version, self.inputs(item), job.params.fingerprint(), models)
        made_from = _made_from(wanted)
        before = read_manifest(item.workflow / f"{self.key}.json")
        forced = before is not None and wanted.reason_to_run(before, item.root) is None
        known = None if forced else read_words(path, made_from)
        if known is not None:
            job.log.info("%s: words recognised before are used again.", item.name)
            return known
        found = self._recognise(item, job)
        write_words(path, found, made_from)
        return found

    def _recognise(self, item: Video, job: Job) -> Recognised:
        how, model = recognition(job.params), model_name(job.params)
        duration = float(job.clock.duration)
        if not job.media.has_sound:
            job.log.info("%s: no sound, so nothing is said.", item.name)
            return silent(duration, how, model)
        item.workflow.mkdir(parents=True, exist_ok=True)
        with job.phase("decode"):
            samples = round(job.clock.duration * SAMPLE_RATE)
            sound = record(decode_pcm(item.path, SAMPLE_RATE, samples=samples), item.workflow)
        recognizer = self._loaded(job)
        from workflow_scripts.step4.transcription_sound import transcribe  # heavy

        with sound, job.phase("recognise"):
            return transcribe(
                sound,
                recognizer,
                how,
                model=model,
                batch_size=job.batch_size,
                progress=lambda done: job.progress(int(done), int(duration), "s"),
                tell=lambda one: job.log.debug("%s: %s", item.name, shown(one)),
            )

    def _loaded(self, job: Job) -> Recognizer:
        """The engine, loaded when it is needed first."""
        if self._recognizer is None:
            with job.phase("prepare"):
                use_threads(job.threads or job.params.threads)
                self._recognizer = engine_loader(job.params)(job.device)
            job.log.info(start_line(job.params, job.device, self._recognizer))
        return self._recognizer


def start_line(params: Settings, device: str, recognizer: Recognizer) -> str:
    """The line that people search the log for: model, device and precision."""
    asked, used = params.compute_type, recognizer.compute_type
    instead = f", {asked} n'y est pas disponible" if asked not in (AUTO, used) else ""
    return f"Initialisation Whisper {model_name(params)} sur {device} ({used}{instead})"


def joined(transcript: Transcript, job: Job) -> Transcript:
    """The transcript with the speakers of STEP4's turns, as it is where there are none."""
    if "turns" not in job.inputs:
        return transcript
    turns = turns_artifact.read_turns(job.inputs["turns"])
    return transcript.with_words(with_speakers(transcript.words, turns))


def shown(one: Spoken) -> str:
    """A segment on one line."""
    return f"[{one.start:.2f} -> {one.end:.2f}] {one.text}"


def _made_from(wanted: Wanted) -> dict[str, Any]:
    """What recognised words depend on, as JSON holds it."""
    return {
        "version": wanted.version,
        "video": wanted.inputs["video"].sha256,
        "parameters": {name: value for name, value in wanted.fingerprint.items() if name not in LAYOUT},
        "models": {model.name: model.sha256 for model in wanted.models},
    }


def _tell(item: Video, job: Job, counts: Mapping[str, Any]) -> None:
    job.log.info(
        "Transcription: %d segment(s), %d mot(s), langue %s (%.0f%%)",
        counts["segments"],
        counts["words"],
        counts["language"] or "-",
        100 * counts["language_probability"],
    )
    if counts["dropped"]:
        text = f"{item.name}: {counts['dropped']} segment(s) not believed: {counts['dropped_because']}."
        job.log.info(text)
    if "turns" not in job.inputs:
        job.log.info("%s: STEP4 has not finished for it, so its words have no speakers yet.", item.name)


if __name__ == "__main__":
    sys.exit(main(RunTranscription(), __doc__))
