"""STEP5: where the faces are in every frame, which face is which, and which one speaks.

Finds faces with mediapipe's full-range detector in the whole picture and in overlapping tiles, verifies each with
the landmark network, which also measures the mouth, links faces to tracks inside each shot (identities reset at a
cut) and gives a voice of STEP4 to a face where its mouth moves with it. Writes docs/<stem>.json, one entry per
frame. Memory does not grow with the video's length.
"""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from workflow_scripts.common.artifacts.audio import read_audio
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.tracking import write_raw_tracking
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import ClockError
from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step5.networks import model_records

if TYPE_CHECKING:
    from collections.abc import Generator

    from workflow_scripts.step5.detection import FaceDetection
    from workflow_scripts.step5.faces import FaceFinder
    from workflow_scripts.step5.speaking import SpeakingRules
    from workflow_scripts.step5.tracks import TrackRules

ENGINE = "mediapipe_face_full_range"

PARAMETERS = (
    Parameter("min_confidence", float, 0.4, "Detector score below which nothing is a face", 0.1, 0.95),
    Parameter(
        "start_confidence",
        float,
        0.6,
        "Detector score from which a face begins a track; 0.1 less when landmarks verify it",
        0.1,
        0.99,
    ),
    Parameter(
        "tile_rows",
        int,
        1,
        "Rows of tiles along the shorter side searched besides the whole picture; 0 is faster and misses small "
        "faces, 2 finds smaller ones",
        0,
        4,
    ),
    Parameter("max_faces", int, 20, "At most so many faces a frame, the largest first", 1, 200),
    Parameter("min_track_frames", int, 5, "Tracks seen in fewer frames are dropped", 1, 250),
    Parameter(
        "min_verified_share",
        float,
        0.15,
        "Share of a track's detections that landmarks must verify; backs of heads stay below 0.12",
        0.0,
        1.0,
    ),
    Parameter("max_gap_frames", int, 12, "Frames without detection that a track survives, bridged", 0, 250),
    Parameter("speaking_window_frames", int, 15, "Frames over which mouth motion is measured", 5, 101),
    Parameter(
        "mouth_motion",
        float,
        0.012,
        "Standard deviation of the mouth opening (share of the distance between the eyes) that speaking makes",
        0.001,
        0.5,
    ),
    Parameter("min_speaking_confidence", float, 0.5, "From here on a face is said to speak", 0.05, 1.0),
    Parameter("workers", int, 0, "Threads that look for faces; 0 is one per core", 0, 64, affects_result=False),
)


class RunTracking(VideoStep):
    """Faces, tracks and speaking faces."""

    key = "STEP5"
    name = "run_tracking"
    version = "1"
    config = "step5_tracking.json"
    delivers = (".json",)
    parameters = PARAMETERS
    reads = {"scenes": ("STEP3", "scenes"), "audio": ("STEP4", "audio")}

    def __init__(self) -> None:
        self._finders: list[FaceFinder] = []

    def check(self, params: Settings) -> None:
        """The package and its models are there."""
        model_records()

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The two networks inside the package."""
        return model_records()

    def prepare(self, job: Job) -> None:
        """Load the networks, once per thread."""
        from workflow_scripts.step5.faces import FaceFinder
        from workflow_scripts.step5.video_faces import available_workers

        params = job.params
        for _ in range(available_workers(params.workers)):
            self._finders.append(FaceFinder(params.min_confidence, params.tile_rows, params.max_faces))

    def process(self, item: Video, job: Job) -> Result:
        """Decode and find faces, link and attribute per shot, write frame by frame, measure what was written."""
        from workflow_scripts.step5.figures import measure_tracking
        from workflow_scripts.step5.tracking import tracked_objects

        clock, media = job.clock, job.media
        shots = read_scenes(job.inputs["scenes"])
        audio = read_audio(job.inputs["audio"]).frames
        for role, count in (("scenes", shots[-1].end), ("audio", len(audio))):
            if count != clock.frames:
                raise ClockError(f"{job.inputs[role].name}: holds {count} frames, STEP2 measured {clock.frames}.")
        target = item.delivered(".json")
        with job.phase("faces"), closing(self._faces(item, job)) as faces:
            objects = tracked_objects(faces, shots, audio, (media.width, media.height), _rules(job.params))
            write_raw_tracking(target, item.name, ENGINE, objects, clock)
        with job.phase("measure"):
            figures = measure_tracking(target, shots)
        return Result(
            outputs={"tracking": target},
            counts=figures.counts(),
            gates=figures.gates(clock.frames, clock.duration),
        )

    def _faces(self, item: Video, job: Job) -> Generator[tuple[FaceDetection, ...]]:
        """The faces of each frame in order, reporting progress."""
        from workflow_scripts.step5.video_faces import video_faces

        frames = job.clock.frames
        with closing(video_faces(item.path, job.media.video_index, frames, self._finders)) as faces:
            for done, found in enumerate(faces, 1):
                yield found
                job.progress(done, frames, "frames")

    def release(self) -> None:
        """Close the networks."""
        while self._finders:
            self._finders.pop().close()


def _rules(params: Any) -> tuple[TrackRules, SpeakingRules]:
    from workflow_scripts.step5.speaking import SpeakingRules
    from workflow_scripts.step5.tracks import TrackRules

    return (
        TrackRules(
            params.start_confidence, params.min_track_frames, params.max_gap_frames, params.min_verified_share
        ),
        SpeakingRules(params.speaking_window_frames, params.mouth_motion, params.min_speaking_confidence),
    )


if __name__ == "__main__":
    sys.exit(main(RunTracking(), __doc__))
