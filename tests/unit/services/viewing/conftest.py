"""A video with artifacts in their true formats, and what indexes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from services.viewing.index import Index
from services.viewing.indexes import Indexes
from services.viewing.jobs import Jobs
from workflow_scripts.common.artifacts.audio import frames_of_turns, write_raw_audio
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.tracking import TrackedObject, write_raw_tracking
from workflow_scripts.common.artifacts.transitions import write_transitions
from workflow_scripts.common.artifacts.turns import write_turns
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Shot, Transition, Turn

CLOCK = FrameClock(Fraction(25), 50)
Get = Callable[..., Index]


@pytest.fixture
def video(make_converted: Any) -> Video:
    """A video of 50 frames, not yet analysed."""
    made: Video = make_converted("Été ", "a .mp4")
    return made


@pytest.fixture
def indexes() -> Iterator[Indexes]:
    """What indexes."""
    jobs = Jobs()
    yield Indexes(jobs)
    jobs.close()


@pytest.fixture
def get(indexes: Indexes, video: Video) -> Get:
    """`get("shots", of=None)`: the index of a kind of data, waited for."""

    def waited(kind: Any, of: str | None = None) -> Index:
        found = indexes.get(video, kind, of, wait_s=60)
        assert isinstance(found, Index)
        return found

    return waited


@pytest.fixture
def write(video: Video, finish: Any) -> Writer:
    """What writes artifacts as the steps do."""
    return Writer(video, finish)


class Writer:
    """Writes artifacts of a video as the steps do, with their manifests."""

    def __init__(self, video: Video, finish: Any) -> None:
        self.video = video
        self.finish = finish

    def shots(self, *cuts: int, **fields: Any) -> None:
        """Shots between cuts; 20 is a gradual transition from 15 to 24, all others are hard."""
        table, viewer = self.video.delivered(".csv"), self.video.workflow / "shots.json"
        edges = [0, *cuts, CLOCK.frames]
        write_scenes(table, [Shot(*pair) for pair in pairwise(edges)], CLOCK)
        found = [
            Transition("gradual", 20, 15, 24, 0.5) if cut == 20 else Transition("hard", cut, cut - 1, cut, 0.9)
            for cut in cuts
        ]
        single = [0.9 if frame + 1 in cuts else 0.01 for frame in range(CLOCK.frames)]
        scores = {"single": single, "many": [0.2] * 50, "half": [0.0] * 25, "slow": [0.0] * 50}
        write_transitions(viewer, found, scores, CLOCK)
        self.finish(self.video, "STEP3", {"scenes": table, "transitions": viewer}, **fields)

    def sound(self, *turns: Turn, **fields: Any) -> None:
        """Who speaks when."""
        audio, viewer = self.video.delivered("_audio.json"), self.video.workflow / "turns.json"
        write_raw_audio(audio, self.video.name, frames_of_turns(turns, CLOCK), CLOCK)
        write_turns(viewer, turns, [], "embedded", CLOCK)
        self.finish(self.video, "STEP4", {"audio": audio, "turns": viewer}, **fields)

    def faces(self, frames: Sequence[Sequence[TrackedObject]], **fields: Any) -> None:
        """What is in the first frames; nothing is in the others."""
        target = self.video.delivered(".json")
        rest = [()] * (CLOCK.frames - len(frames))
        write_raw_tracking(target, self.video.name, "engine", [*frames, *rest], CLOCK)
        self.finish(self.video, "STEP5", {"tracking": target}, **fields)


@pytest.fixture
def face() -> Callable[..., TrackedObject]:
    """`face("obj_1", x=10, speaks="SPEAKER_00")`: a face of 20x30 pixels."""

    def made(name: str, x: int = 10, y: int = 5, speaks: str = "", mouth: float | None = 0.25) -> TrackedObject:
        return TrackedObject(
            id=name,
            label="face",
            source="face_landmarker",
            box=(x, y, x + 20, y + 30),
            centroid_x=x + 10,
            centroid_y=y + 15,
            confidence=0.8765,
            is_speaking=bool(speaks),
            speaking_sources={"visual": {"mouth_opening": mouth}},
            active_speakers=(speaks,) if speaks else (),
        )

    return made
