"""The index of the sound: speech and speakers frame by frame, and the turns in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from services.viewing.index import Index, runs_of
from workflow_scripts.common.artifacts.audio import AudioAnalysis, FrameAudio, read_audio
from workflow_scripts.common.artifacts.rttm import read_rttm
from workflow_scripts.common.artifacts.turns import read_turns
from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.events import printable
from workflow_scripts.common.timeline import Turn

#: A turn in seconds, half-open; `speaker` counts in the meta's `speakers`, `score` is NaN where nobody said.
TURN = np.dtype([("start", "f8"), ("end", "f8"), ("speaker", "u4"), ("score", "f4")])
#: Stands for whoever speaks where no label says so, as in files of older systems.
UNNAMED = "(no name)"


def sound_index(files: Mapping[str, Path], tell: Callable[[float], None]) -> Index:
    """Speech as the delivered file says it; turns as STEP4 left them, else from the RTTM, else from the frames.

    The meta's `voices` are sets of labels; `voices` in the arrays says which set each frame has, 0 nobody;
    `speech` are the runs of frames in which somebody speaks, half-open.
    """
    audio = read_audio(files["audio"]) if "audio" in files else AudioAnalysis((), None)
    tell(0.8)
    heard = [_labels(frame) for frame in audio.frames]
    sets = [(), *sorted({labels for labels in heard if labels})]
    numbers = {labels: number for number, labels in enumerate(sets)}
    voices = np.fromiter((numbers[labels] for labels in heard), np.uint32, len(heard))
    turns = _turns(files, heard, float(audio.fps or WORKING_RATE))
    speakers = sorted({turn.speaker for turn in turns})
    place = {label: number for number, label in enumerate(speakers)}
    rows = [
        (turn.start, turn.end, place[turn.speaker], np.nan if turn.score is None else turn.score)
        for turn in sorted(turns)
    ]
    meta = {
        "frames": len(heard) if "audio" in files else None,
        "voices": [[printable(label) for label in labels] for labels in sets],
        "speakers": [printable(label) for label in speakers],
    }
    tell(1.0)
    return Index({"voices": voices, "speech": runs_of(voices > 0), "turns": np.array(rows, TURN)}, meta)


def _labels(frame: FrameAudio) -> tuple[str, ...]:
    """Who speaks in a frame; labels without speech do not count."""
    return tuple(sorted(set(frame.speakers))) or (UNNAMED,) if frame.speech else ()


def _turns(files: Mapping[str, Path], heard: Sequence[tuple[str, ...]], fps: float) -> Sequence[Turn]:
    if "turns" in files:
        return read_turns(files["turns"])
    if "rttm" in files:
        return read_rttm(files["rttm"])
    found = []
    for label in sorted({label for labels in heard for label in labels}):
        frame = 0
        for speaks, run in groupby(label in labels for labels in heard):
            end = frame + sum(1 for _ in run)
            if speaks:
                found.append(Turn(frame / fps, end / fps, label))
            frame = end
    return found
