"""How good a tracking file is, read back from the file itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.tracking import read_tracking
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.timeline import Shot

#: Tracks beyond the largest number of faces seen at once in each shot: people who come and go, and tracks that
#: broke. A busy street gives about 30 a minute; the old system, with a new identity in most frames, hundreds.
MAX_BROKEN_PER_MINUTE = 120

_TALLIED = (
    "frames",
    "frames_with_face",
    "boxes",
    "interpolated_boxes",
    "speaking_frames",
    "speech_frames_with_face",
)


@dataclass(frozen=True)
class TrackingFigures:
    """Counts of a tracking file; `needed_tracks` is the sum over shots of the most faces seen at once."""

    frames: int
    frames_with_face: int
    boxes: int
    interpolated_boxes: int
    tracks: int
    tracks_over_cuts: int
    needed_tracks: int
    speaking_frames: int
    speech_frames_with_face: int

    @property
    def face_share(self) -> float:
        """The share of the frames with a face."""
        return round(self.frames_with_face / max(self.frames, 1), 4)

    def counts(self) -> dict[str, int | float]:
        """The figures for people."""
        return {
            "frames": self.frames,
            "frames_with_face": self.frames_with_face,
            "face_share": self.face_share,
            "tracks": self.tracks,
            "boxes": self.boxes,
            "interpolated_boxes": self.interpolated_boxes,
            "speaking_frames": self.speaking_frames,
            "speech_frames_with_face": self.speech_frames_with_face,
        }

    def gates(self, decoded: int, duration: Fraction) -> tuple[Gate, ...]:
        """Quality gates: `decoded` frames came out of the decoder, `duration` in seconds."""
        minutes = max(float(duration) / 60, 1e-9)
        # A shot of a few seconds would give a rate that means nothing: a minute is the least.
        broken = (self.tracks - self.needed_tracks) / max(minutes, 1.0)
        return (
            Gate.equals("frames present / frames decoded", self.frames / max(decoded, 1), 1),
            Gate.equals("tracks that cross a cut", self.tracks_over_cuts, 0),
            Gate("share of frames with a face", self.face_share),
            Gate("new identities per minute", round(self.tracks / minutes, 2)),
            Gate(
                "broken tracks per minute",
                round(broken, 2),
                f"<= {MAX_BROKEN_PER_MINUTE}",
                broken <= MAX_BROKEN_PER_MINUTE,
            ),
        )


def measure_tracking(path: Path, shots: Sequence[Shot]) -> TrackingFigures:
    """Count what a tracking file of ours holds; reading it checks that frames are numbered 1, 2, 3, ….

    A face counts as seen in a frame only where it was detected, not where its box is interpolated.

    Raises:
        ArtifactError: the file is not complete or its frames are not contiguous.
    """
    tally = dict.fromkeys(_TALLIED, 0)
    shots_of_track: dict[str, set[int]] = {}
    most_faces = [0] * len(shots)
    shot = 0
    for index, objects in enumerate(read_tracking(path).frames()):
        while shot + 1 < len(shots) and index >= shots[shot].end:
            shot += 1
        seen = [item for item in objects if not _source(item.speaking_sources, "visual", "interpolated")]
        heard = any(_source(item.speaking_sources, "audio", "is_speech_present") for item in seen)
        tally["frames"] += 1
        tally["frames_with_face"] += bool(seen)
        tally["boxes"] += len(objects)
        tally["interpolated_boxes"] += len(objects) - len(seen)
        tally["speaking_frames"] += any(item.is_speaking for item in objects)
        tally["speech_frames_with_face"] += heard
        most_faces[shot] = max(most_faces[shot], len(objects))
        for item in objects:
            shots_of_track.setdefault(item.id, set()).add(shot)
    return TrackingFigures(
        tracks=len(shots_of_track),
        tracks_over_cuts=sum(len(where) > 1 for where in shots_of_track.values()),
        needed_tracks=sum(most_faces),
        **tally,
    )


def _source(sources: Any, part: str, key: str) -> bool:
    return bool(sources.get(part, {}).get(key, False))
