"""From the faces of every frame to the objects of the tracking file, shot by shot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio
from workflow_scripts.common.artifacts.tracking import TrackedObject
from workflow_scripts.common.timeline import Shot
from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.geometry import whole_pixels
from workflow_scripts.step5.speaking import (
    MOUTH_MOTION,
    MOUTH_NOT_SEEN,
    NO_SPEECH,
    UNKNOWN_VOICE,
    SpeakingRules,
    SpeechRun,
    TrackSpeech,
    attribute_speech,
    speech_runs,
)
from workflow_scripts.step5.tracks import FaceTrack, ShotTracker, TrackRules

Objects = tuple[TrackedObject, ...]


@dataclass(frozen=True)
class Person:
    """A track with its name in the file and what is known of its speech."""

    id: str
    track: FaceTrack
    speech: TrackSpeech


def tracked_objects(
    detections: Iterable[Sequence[FaceDetection]],
    shots: Sequence[Shot],
    audio: Sequence[FrameAudio],
    size: tuple[int, int],
    rules: tuple[TrackRules, SpeakingRules],
) -> Iterator[Objects]:
    """The objects of frame 0, 1, 2, …; identities are numbered in order of appearance and reset at every cut.

    Only one shot is held at a time, as compact tracks.

    Args:
        detections: the faces of each frame, in order.
        shots: contiguous, from frame 0 to the last.
        audio: speech and labels, one entry per frame.
        size: width and height of the video in pixels.
    """
    runs = speech_runs(audio)
    faces_of_frames = iter(detections)
    identities, first_run = 0, 0
    for shot in shots:
        tracker = ShotTracker(rules[0])
        for frame, faces in zip(range(shot.start, shot.end), faces_of_frames, strict=False):
            tracker.update(frame, faces)
        tracks = tracker.finish(len(shot))
        while first_run < len(runs) and runs[first_run].end <= shot.start:
            first_run += 1
        heard = _runs_until(runs, first_run, shot.end)
        speeches = attribute_speech(shot, tracks, heard, rules[1])
        people = [
            Person(f"obj_{identities + number}", track, speech)
            for number, (track, speech) in enumerate(zip(tracks, speeches, strict=True), 1)
        ]
        identities += len(people)
        yield from _frames(shot, people, heard, audio, size)
    for _ in faces_of_frames:  # lets the decoder come to its end, where it compares its count
        pass


def _runs_until(runs: Sequence[SpeechRun], first: int, end: int) -> list[SpeechRun]:
    last = first
    while last < len(runs) and runs[last].start < end:
        last += 1
    return list(runs[first:last])


def _frames(
    shot: Shot,
    people: Sequence[Person],
    runs: Sequence[SpeechRun],
    audio: Sequence[FrameAudio],
    size: tuple[int, int],
) -> Iterator[Objects]:
    """The objects of each frame of a shot; people are in order of their first frame."""
    present: list[Person] = []
    coming, run_index = 0, 0
    for frame in range(shot.start, shot.end):
        while coming < len(people) and people[coming].track.start <= frame:
            present.append(people[coming])
            coming += 1
        present = [person for person in present if frame < person.track.end]
        while run_index < len(runs) and runs[run_index].end <= frame:
            run_index += 1
        run = runs[run_index] if run_index < len(runs) and runs[run_index].start <= frame else None
        heard = audio[frame] if run is not None else SILENCE
        yield tuple(_object(person, frame, run, heard, size) for person in present)


def _object(
    person: Person, frame: int, run: SpeechRun | None, heard: FrameAudio, size: tuple[int, int]
) -> TrackedObject:
    position = frame - person.track.start
    x0, y0, x1, y1 = (float(value) for value in person.track.boxes[position])
    box = whole_pixels((x0, y0, x1, y1), *size)
    voice = person.speech.label_at(position)
    motion = float(person.speech.motion[position])
    method = NO_SPEECH if run is None else MOUTH_NOT_SEEN if math.isnan(motion) else MOUTH_MOTION
    return TrackedObject(
        id=person.id,
        label="face",
        source="face_landmarker",
        box=box,
        centroid_x=(box[0] + box[2]) // 2,
        centroid_y=(box[1] + box[3]) // 2,
        confidence=round(float(person.track.confidence[position]), 4),
        is_speaking=voice is not None,
        speaking_confidence=round(float(person.speech.confidence[position]), 4),
        speaking_method=method,
        speaking_sources=_sources(person, position, run, heard, frame),
        active_speakers=() if voice in (None, UNKNOWN_VOICE) else (str(voice),),
    )


def _sources(person: Person, position: int, run: SpeechRun | None, heard: FrameAudio, frame: int) -> dict[str, Any]:
    """What the decision rests on. The sound has no confidence of its own in STEP4's file, so none is claimed."""
    return {
        "audio": {
            "is_speech_present": heard.speech,
            "num_speakers": len(heard.speakers),
            "active_speakers": list(heard.speakers),
            "confidence": None,
        },
        "visual": {
            "mouth_opening": _known(float(person.track.mouth[position])),
            "mouth_motion": _known(float(person.speech.motion[position])),
            "confidence": round(float(person.speech.activity[position]), 4),
            "interpolated": not bool(person.track.seen[position]),
        },
        "segment": {
            "segment_id": None if run is None else run.number,
            "frame_position": None if run is None else frame - run.start,
            "segment_duration": None if run is None else run.end - run.start,
        },
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
