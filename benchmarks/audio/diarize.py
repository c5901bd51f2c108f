"""One engine on one recording, whose turns are known.

    audio_env/bin/python -m benchmarks.audio.diarize --engine E [--given] [--device D] SOUND

prints one JSON object as its last line.

    engine         what the engine calls itself
    audio_seconds  length of the recording
    seconds        from its decoded sound to the turns; loading the engine and decoding do not count
    cpu_seconds    the same as time of all its threads
    peak_memory    bytes: high-water mark of this process until then, libraries and networks included
    speakers       how many were found
    errors         what `scoring.py` says, in seconds

`--given` tells the engine how many speakers there are. The embedded engines have STEP4's default parameters,
pyannote those that are configured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.bench.sound_truth import SoundTruth, load_sound_truths
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.audio_settings import audio_plan
from workflow_scripts.common.devices import cuda_memory, prepare_environment
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.memory import peak_memory
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import load_dotenv, resolve
from workflow_scripts.common.timeline import Segment
from workflow_scripts.step4.engine import SAMPLE_RATE, Engine, Mode, SpeakerCount
from workflow_scripts.step4.sound import record


def embedded(mode: Mode) -> Engine:
    """With every network that is installed."""
    from workflow_scripts.step4.embedded import EmbeddedEngine

    return EmbeddedEngine.installed(0.5, 0.3, mode)


def embedded_plain(mode: Mode) -> Engine:
    """Without the segmentation network."""
    from workflow_scripts.step4.embedded import EmbeddedEngine

    return EmbeddedEngine(0.5, 0.3, mode=mode)


def pyannote(mode: Mode) -> Engine:
    """As STEP4 would load it."""
    from workflow_scripts.step4.engines import choose_engine

    load_dotenv()
    plan = audio_plan(resolve(PARAMETERS, config_folder() / "step4_audio.json", {"engine": "pyannote"}))
    memory = cuda_memory() if mode.device == "cuda" else None
    choice = choose_engine(plan)
    return choice.loader(plan.first_batch(mode.device, memory[1] if memory else None, choice.token))(mode)


ENGINES: dict[str, Callable[[Mode], Engine]] = {
    "embedded": embedded,
    "embedded-plain": embedded_plain,
    "pyannote": pyannote,
}


def measured(engine: Engine, truth: SoundTruth, given: bool) -> dict[str, Any]:
    """What is printed."""
    count = SpeakerCount(exact=truth.speakers or None) if given else SpeakerCount()
    with record(decode_pcm(truth.path, SAMPLE_RATE), Path(tempfile.gettempdir())) as sound:
        started, cpu_started = time.perf_counter(), time.process_time()
        found = engine.diarize(sound, count, lambda *_: None)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    memory = peak_memory()
    from benchmarks.audio.scoring import scores  # its libraries are no part of what was measured

    return {
        "engine": engine.name,
        "audio_seconds": found.duration,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_memory": memory,
        "speakers": len(found.speakers),
        "errors": scores(truth.turns, found.turns, truth.extent or (Segment(0, found.duration),)),
    }


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--given", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("sound", type=Path)
    arguments = parser.parse_args()
    prepare_environment()
    path = arguments.sound.absolute()
    truth = next(one for one in load_sound_truths(path.parent) if one.path == path)
    try:
        engine = ENGINES[arguments.engine](Mode(arguments.device))
        print(json.dumps(measured(engine, truth, arguments.given)))
    except WorkflowError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
