"""One way of recognising speech on some recordings, with one model.

    audio_env/bin/python -m benchmarks.transcripts.recognise --way W [--model M] [--threads N] SOUND …

prints one JSON object per recording:

    sound          its path, as it was given
    audio_seconds  length of the recording
    seconds        from its decoded sound to its words; loading the model and decoding do not count
    cpu_seconds    the same as time of all threads
    peak_memory    bytes: high-water mark of this process until then
    language       its code
    words          of each: text, start, end

The ways: `workflow` is STEP4B with its default parameters on the CPU, `workflow-8` the same with 8 windows at once,
as on a GPU, `workflow-float32` in FP32, `workflow-greedy` with one beam, `workflow-whole` without the voice
activity detector; `plain` is faster-whisper's own `transcribe` with 5 beams and word times, `plain-vad` that with
its own detector.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from services.bench.transcript_bench import WAYS
from workflow_scripts.common.devices import prepare_environment
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.memory import peak_memory
from workflow_scripts.common.speech_models import find_model
from workflow_scripts.step4.engine import SAMPLE_RATE, Sound
from workflow_scripts.step4.sound import record
from workflow_scripts.step4.transcription_parameters import Recognition

Said = tuple[str, list[tuple[str, float, float]]]
"""The language, and each word with its start and end in seconds."""
Way = Callable[[Sound], Said]
BATCH = 8


def loaded(way: str, folder: Path, threads: int) -> Way:
    """A way of recognising, with its model."""
    from faster_whisper import WhisperModel

    from workflow_scripts.step4.transcription_faster import FasterWhisper

    if way.startswith("plain"):
        model = WhisperModel(str(folder), "cpu", compute_type="int8", cpu_threads=threads, local_files_only=True)
        return partial(_plain, model, way == "plain-vad")
    engine = FasterWhisper(folder, "cpu", "float32" if way == "workflow-float32" else "auto", threads)
    how = Recognition(beam_size=1 if way == "workflow-greedy" else 5, vad=way != "workflow-whole")
    return partial(_workflow, engine, how, BATCH if way == "workflow-8" else 1)


def _workflow(engine: Any, how: Recognition, batch_size: int, sound: Sound) -> Said:
    from workflow_scripts.step4.transcription_sound import transcribe

    found = transcribe(sound, engine, how, model="", batch_size=batch_size).transcript
    return found.language, [(word.text, word.start, word.end) for word in found.words]


def _plain(model: Any, vad: bool, sound: Sound) -> Said:
    segments, about = model.transcribe(sound[: len(sound)], beam_size=5, word_timestamps=True, vad_filter=vad)
    words = [(one.word, float(one.start), float(one.end)) for segment in segments for one in segment.words]
    return about.language, words


def measured(way: Way, path: Path) -> dict[str, Any]:
    """What is printed."""
    with record(decode_pcm(path.absolute(), SAMPLE_RATE), Path(tempfile.gettempdir())) as sound:
        started, cpu_started = time.perf_counter(), time.process_time()
        language, words = way(sound)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        return {
            "sound": str(path),
            "audio_seconds": len(sound) / SAMPLE_RATE,
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "peak_memory": peak_memory(),
            "language": language,
            "words": words,
        }


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--model", default="base")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("sounds", type=Path, nargs="+")
    arguments = parser.parse_args()
    prepare_environment()
    try:
        way = loaded(arguments.way, find_model(arguments.model), arguments.threads)
        for path in arguments.sounds:
            print(json.dumps(measured(way, path)), flush=True)
    except WorkflowError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
