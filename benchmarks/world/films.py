"""A few real, tiny videos with the artifacts of every step, to be linked under many names."""

from __future__ import annotations

import gzip
import math
import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

from workflow_scripts.common.artifacts.audio import frames_of_turns, write_raw_audio, write_reduced_audio
from workflow_scripts.common.artifacts.rttm import write_rttm
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.tracking import (
    Alignment,
    TrackedObject,
    write_raw_tracking,
    write_reduced_tracking,
)
from workflow_scripts.common.artifacts.transitions import write_transitions
from workflow_scripts.common.artifacts.turns import HEARD_RATE, write_turns
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.manifest import FileRecord
from workflow_scripts.common.media import probe
from workflow_scripts.common.media_info import MediaInfo
from workflow_scripts.common.timeline import Shot, Transition, Turn

#: Lengths of the films of a large world, in seconds.
LENGTHS = (8, 24, 60, 95, 180, 300)
_WIDTH, _HEIGHT, _RATE = 160, 90, 25
_FILES = {
    "video": "video.mp4",
    "scenes": "scenes.csv",
    "transitions": "shots.json",
    "audio": "audio.json",
    "packed audio": "audio.json.gz",
    "reduced audio": "audio.reduced.json",
    "rttm": "video.rttm",
    "turns": "turns.json",
    "faces": "faces.json",
    "reduced faces": "faces.reduced.json",
}


@dataclass(frozen=True)
class Film:
    """One film: its measurements, and by role the file that a step leaves and its record."""

    seconds: int
    shots: int
    media: MediaInfo
    files: dict[str, Path]
    records: dict[str, FileRecord]


def make_films(folder: Path, lengths: tuple[int, ...]) -> list[Film]:
    """Make films of these lengths (seconds), and their artifacts, in a folder."""
    return [_film(folder / f"{seconds}", seconds) for seconds in lengths]


def _film(folder: Path, seconds: int) -> Film:
    folder.mkdir(parents=True)
    chance = random.Random(seconds)
    clock = FrameClock(Fraction(_RATE), seconds * _RATE)
    shots, turns = _shots(clock.frames, chance), _turns(seconds, chance)
    files = {role: folder / name for role, name in _FILES.items()}
    _encode(files["video"], shots, chance)
    write_scenes(files["scenes"], shots, clock)
    _write_transitions(files["transitions"], shots, clock, chance)
    frames = frames_of_turns(turns, clock)
    write_raw_audio(files["audio"], "video.mp4", frames, clock)
    files["packed audio"].write_bytes(gzip.compress(files["audio"].read_bytes(), 1))
    write_reduced_audio(files["reduced audio"], frames, clock)
    write_rttm(files["rttm"], "video.mp4", turns)
    heard = [0.5 + 0.5 * math.sin(tenth / 9) for tenth in range(seconds * HEARD_RATE)]
    write_turns(files["turns"], turns, heard, "made up", clock)
    faces = [_faces(index) for index in range(clock.frames)]
    write_raw_tracking(files["faces"], "video.mp4", "made up", faces, clock)
    write_reduced_tracking(files["reduced faces"], faces, Alignment(clock, clock.frames, clock.fps))
    records = {role: FileRecord.of(path, folder) for role, path in files.items()}
    return Film(seconds, len(shots), probe(files["video"]), files, records)


def _shots(frames: int, chance: random.Random) -> list[Shot]:
    edges = [0]
    while (edge := edges[-1] + chance.randint(40, 200)) < frames - 40:
        edges.append(edge)
    return [Shot(start, end) for start, end in pairwise([*edges, frames])]


def _turns(seconds: int, chance: random.Random) -> list[Turn]:
    turns, at, speakers = [], 0.5, min(4, 1 + seconds // 20)
    while at + 1 < seconds:
        end = min(float(seconds), at + chance.uniform(1, 8))
        turns.append(Turn(round(at, 2), round(end, 2), f"SPEAKER_{chance.randrange(speakers):02d}", 0.9))
        at = end + chance.uniform(0.1, 2)
    return turns


def _write_transitions(path: Path, shots: list[Shot], clock: FrameClock, chance: random.Random) -> None:
    scores = [round(chance.uniform(0, 0.05), 4) for _ in range(clock.frames)]
    found = []
    for shot in shots[1:]:
        scores[shot.start - 1] = 0.97
        found.append(Transition("hard", shot.start, shot.start - 1, shot.start, 0.97))
    write_transitions(path, found, {"single": scores}, clock)


def _faces(index: int) -> list[TrackedObject]:
    """One face that goes to and fro, away every tenth second."""
    if index // _RATE % 10 == 9:
        return []
    x = 60 + round(30 * math.sin(index / 40))
    box = (x - 15, 25, x + 15, 65)
    return [TrackedObject("obj_1", "face", "face_landmarker", box, x, 45, 0.9)]


def _encode(path: Path, shots: list[Shot], chance: random.Random) -> None:
    """Pictures that stand still for as long as a shot lasts: quickly made, and small."""
    with av.open(f"file:{path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        stream.options = {"crf": "30", "preset": "ultrafast"}
        across = np.linspace(0, 60, _WIDTH)
        for shot in shots:
            levels = [chance.randint(20, 190) for _ in range(3)]
            picture = np.stack([np.tile(across + level, (_HEIGHT, 1)) for level in levels], -1).astype(np.uint8)
            for _ in range(len(shot)):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
