"""Tracks: which detections of one shot are the same face. Pure: detections in, tracks out.

Association in two rounds as in ByteTrack (Zhang et al. 2022): sure detections first, then the weak ones, which may
continue a track but never begin one. Within a round the assignment is optimal (Hungarian algorithm) on overlap
with the predicted box; where a small or fast face no longer overlaps, nearness counts. A track ends with its shot.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.geometry import Box, Boxes, areas, intersections, overlaps

#: How far, in face sizes, a face may be from where it was expected when the boxes do not overlap.
_REACH = 0.8
#: Sizes of the same face from one frame to the next may differ by this factor.
_SIZE_RATIO = 1.8
#: Share of the newest displacement in the smoothed velocity.
_VELOCITY_GAIN = 0.4
#: Below this similarity two boxes are not the same face.
_MIN_SIMILARITY = 0.05
#: A face with this share of its box in a face this many times its area is not a face of its own.
_INSIDE, _LARGER = 0.6, 1.8


@dataclass(frozen=True)
class TrackRules:
    """What makes a track.

    Args:
        start_confidence: a detection begins a track from here on, or from 0.1 below when landmarks verify it.
        min_frames: tracks seen in fewer frames are dropped; a shorter shot asks for all of its frames.
        max_gap: a face not seen for at most so many frames keeps its track.
        min_verified: share of a track's detections in which the landmark network must see a face too. The
            detector alone takes backs of heads, silhouettes and textures for faces, for hundreds of frames.
    """

    start_confidence: float
    min_frames: int
    max_gap: int
    min_verified: float


@dataclass(frozen=True)
class FaceTrack:
    """One face through one shot, without gaps: frames that were bridged hold interpolated boxes.

    `start` is a 0-based frame index; `boxes` (n, 4) float32 pixels, `confidence` (n,), `mouth` (n,) mouth opening,
    NaN where it could not be measured, `seen` (n,) False where the box is interpolated.
    """

    start: int
    boxes: Boxes
    confidence: NDArray[np.float32]
    mouth: NDArray[np.float32]
    seen: NDArray[np.bool_]

    @property
    def end(self) -> int:
        """Index after the last frame."""
        return self.start + len(self.boxes)


class _OpenTrack:
    """A track while it grows: compact arrays, so that a shot of an hour stays small."""

    def __init__(self, frame: int, face: FaceDetection) -> None:
        self.frames, self.values = array("l"), array("f")
        self.verified = 0
        self._velocity = np.zeros(2)
        self.add(frame, face)

    def add(self, frame: int, face: FaceDetection) -> None:
        """Continue with a detection."""
        if self.frames:
            elapsed = frame - self.frames[-1]
            moved = (_centre(np.array(face.box)) - _centre(np.array(self.values[-6:-2]))) / elapsed
            self._velocity += _VELOCITY_GAIN * (moved - self._velocity)
        mouth = np.nan if face.mouth_opening is None else face.mouth_opening
        self.verified += face.verified
        self.frames.append(frame)
        self.values.extend((*face.box, face.confidence, mouth))

    def predicted(self, frame: int) -> NDArray[np.float64]:
        """Where the face should be in a later frame: the last box moved on, its size kept."""
        # A face that has not been seen for long is not expected to have gone on for ever.
        elapsed = min(frame - self.frames[-1], 5)
        return np.asarray(self.values[-6:-2], np.float64) + np.tile(self._velocity * elapsed, 2)

    def closed(self) -> FaceTrack:
        """The finished track, gaps filled by straight lines between the frames on both sides."""
        frames = np.array(self.frames, np.int64)
        rows = np.array(self.values, np.float32).reshape(-1, 6)
        whole = np.arange(frames[0], frames[-1] + 1)
        seen = np.isin(whole, frames)
        boxes = np.stack([np.interp(whole, frames, rows[:, i]) for i in range(4)], axis=1)
        # Nobody saw a face in a bridged frame: it gets half of the less sure neighbour's confidence.
        following = np.searchsorted(frames, whole)
        before = np.maximum(following - 1, 0)
        bridged = 0.5 * np.minimum(rows[before, 4], rows[following, 4])
        confidence = np.where(seen, rows[following, 4], bridged)
        mouth = np.where(seen, rows[following, 5], np.nan)
        as32 = np.float32
        return FaceTrack(int(frames[0]), boxes.astype(as32), confidence.astype(as32), mouth.astype(as32), seen)


def _centre(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])


class ShotTracker:
    """Links the detections of one shot, frame by frame.

    `update` must be called with rising frame indices; frames without a face may be left out.
    """

    def __init__(self, rules: TrackRules) -> None:
        self._rules = rules
        self._open: list[_OpenTrack] = []
        self._ended: list[_OpenTrack] = []

    def update(self, frame: int, faces: Sequence[FaceDetection]) -> None:
        """Take the detections of one frame."""
        alive = [track for track in self._open if frame - track.frames[-1] <= self._rules.max_gap + 1]
        self._ended += [
            track for track in self._open if track not in alive and self._is_face(track, self._rules.min_frames)
        ]
        self._open = alive
        sure = [face for face in faces if self._is_sure(face)]
        weak = [face for face in faces if not self._is_sure(face)]
        waiting, new = self._extend(alive, frame, sure)
        self._extend(waiting, frame, weak)
        known = [track.predicted(frame) for track in alive if len(track.frames) >= self._rules.min_frames]
        self._open += [_OpenTrack(frame, face) for face in new if not lies_in_larger(face.box, known)]

    def finish(self, shot_length: int) -> tuple[FaceTrack, ...]:
        """The tracks of the shot in order of appearance, from left to right where several begin at once."""
        needed = min(self._rules.min_frames, shot_length)
        found = [*self._ended, *(track for track in self._open if self._is_face(track, needed))]
        closed = (track.closed() for track in found)
        return tuple(sorted(closed, key=lambda track: (track.start, *track.boxes[0].tolist())))

    def _is_sure(self, face: FaceDetection) -> bool:
        return face.confidence >= self._rules.start_confidence - (0.1 if face.verified else 0.0)

    def _is_face(self, track: _OpenTrack, needed: int) -> bool:
        seen = len(track.frames)
        return seen >= needed and track.verified >= self._rules.min_verified * seen

    @staticmethod
    def _extend(
        tracks: Sequence[_OpenTrack], frame: int, faces: Sequence[FaceDetection]
    ) -> tuple[list[_OpenTrack], list[FaceDetection]]:
        """Give each track at most one of the faces; returns the tracks and the faces that are left."""
        if not tracks or not faces:
            return list(tracks), list(faces)
        expected = np.array([track.predicted(frame) for track in tracks], np.float32)
        likeness = similarity(expected, np.array([face.box for face in faces], np.float32))
        pairs = [
            (int(row), int(column))
            for row, column in zip(*linear_sum_assignment(likeness, maximize=True), strict=True)
            if likeness[row, column] >= _MIN_SIMILARITY
        ]
        for row, column in pairs:
            tracks[row].add(frame, faces[column])
        used_tracks, used_faces = {row for row, _ in pairs}, {column for _, column in pairs}
        return (
            [track for index, track in enumerate(tracks) if index not in used_tracks],
            [face for index, face in enumerate(faces) if index not in used_faces],
        )


def similarity(expected: Boxes, found: Boxes) -> Boxes:
    """How well found boxes (m, 4) fit expected ones (n, 4): (n, m), 0 impossible to about 1 identical.

    Overlap (intersection over union) counts most; nearness within `_REACH` face sizes adds up to 0.3, so that
    small fast faces are not lost; sizes that differ too much exclude each other.
    """
    expected_size = np.maximum(expected[:, 2:] - expected[:, :2], 1).mean(1)[:, None]
    found_size = np.maximum(found[:, 2:] - found[:, :2], 1).mean(1)[None, :]
    ratio = np.maximum(expected_size / found_size, found_size / expected_size)
    centres = (expected[:, None, :2] + expected[:, None, 2:]) / 2 - (found[None, :, :2] + found[None, :, 2:]) / 2
    distance = np.linalg.norm(centres, axis=2) / np.maximum(expected_size, found_size)
    nearness = np.clip(1 - distance / _REACH, 0, None)
    score = 0.7 * overlaps(expected, found) + 0.3 * nearness
    return np.asarray(np.where(ratio <= _SIZE_RATIO, score, 0), np.float32)


def lies_in_larger(box: Box, known: Sequence[NDArray[np.float64]]) -> bool:
    """Whether most of a box lies in a clearly larger one of a known face.

    In a close-up the detector takes a lens of a pair of glasses for a face now and then; a face inside a face is
    none.
    """
    if not known:
        return False
    inner, outer = np.array([box], np.float32), np.array(known, np.float32)
    inside = intersections(inner, outer)[0] / np.maximum(areas(inner)[0], 1)
    return bool(((inside > _INSIDE) & (areas(outer) > _LARGER * areas(inner)[0])).any())
