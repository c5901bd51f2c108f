"""Which face speaks: mouth motion in the picture against speech in the sound. Pure: arrays in, arrays out.

A face speaks only where there is speech, only while its mouth moves, and at most one face speaks for one label.
Who owns a voice is decided per run of frames with the same labels (long runs in pieces of three seconds), from
three things multiplied: how much the mouth moves in the run, whether this face moves as much with this voice as
with others, and whether the voice is the one this face usually moves with. The last lets a voice that is certain
elsewhere in the shot settle a doubtful run. Two mouths that move alike for one voice are not told apart: then
nobody is claimed to speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workflow_scripts.common.artifacts.audio import FrameAudio
from workflow_scripts.common.timeline import Shot
from workflow_scripts.step5.tracks import FaceTrack

Figures = NDArray[np.float32]

MOUTH_MOTION = "mouth_motion_and_speech"
NO_SPEECH = "no_speech"
MOUTH_NOT_SEEN = "mouth_not_seen"

#: Stands for a voice without a label: speech that an older file attributes to nobody.
UNKNOWN_VOICE = ""
#: The landmarks of a still face tremble by about this many pixels, whatever its size.
_TREMBLE_PIXELS = 0.6
#: Ownership is judged anew at least this often, in frames: a label may go on where the speaker has changed.
_LONGEST_PIECE = 75


@dataclass(frozen=True)
class SpeakingRules:
    """What counts as speaking.

    Args:
        window: frames over which mouth motion is measured, centred.
        mouth_motion: standard deviation of the mouth opening in the window at which a mouth is as likely to
            speak as not; raised for faces so small that their landmarks tremble as much.
        min_confidence: a face is claimed to speak from this confidence on, 0 to 1.
    """

    window: int
    mouth_motion: float
    min_confidence: float


@dataclass(frozen=True)
class SpeechRun:
    """Consecutive frames `[start, end)` in which the same voices speak; `number` counts from 1 in the video."""

    number: int
    start: int
    end: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TrackSpeech:
    """How a track speaks, one entry per frame of the track.

    `motion` is NaN where the mouth cannot be measured; `activity` and `confidence` are 0 to 1; `label` is an index
    into `labels`, -1 where the face does not speak.
    """

    motion: Figures
    activity: Figures
    confidence: Figures
    label: NDArray[np.int32]
    labels: tuple[str, ...]

    def label_at(self, position: int) -> str | None:
        """The voice this face speaks with in a frame of its track; None where it does not speak."""
        index = int(self.label[position])
        return None if index < 0 else self.labels[index]


def speech_runs(audio: Sequence[FrameAudio]) -> tuple[SpeechRun, ...]:
    """The stretches of a video in which the same voices speak, in order; frames without speech are in none."""
    runs: list[SpeechRun] = []
    start = 0
    for index in range(1, len(audio) + 1):
        if index < len(audio) and audio[index] == audio[start]:
            continue
        if audio[start].speech:
            labels = tuple(sorted(audio[start].speakers)) or (UNKNOWN_VOICE,)
            runs.append(SpeechRun(len(runs) + 1, start, index, labels))
        start = index
    return tuple(runs)


def mouth_motion(mouth: Figures, window: int) -> Figures:
    """Standard deviation of the mouth opening in a centred window; NaN where less than half of it was measured."""
    known = np.isfinite(mouth)
    values = np.where(known, mouth, 0).astype(np.float64)
    centred = np.where(known, values - values.sum() / max(1, known.sum()), 0)
    half = window // 2
    low = np.maximum(np.arange(len(mouth)) - half, 0)
    high = np.minimum(np.arange(len(mouth)) + half + 1, len(mouth))

    def total(series: NDArray[Any]) -> NDArray[np.float64]:
        sums = np.concatenate([[0.0], np.cumsum(series)])
        return np.asarray(sums[high] - sums[low], np.float64)

    count = total(known.astype(np.float64))
    safe = np.maximum(count, 1)
    variance = np.maximum(total(centred**2) / safe - (total(centred) / safe) ** 2, 0)
    enough = count >= max(3, (window + 1) // 2)
    return np.asarray(np.where(enough, np.sqrt(variance), np.nan), np.float32)


def mouth_activity(motion: Figures, face_sizes: Figures, rules: SpeakingRules) -> Figures:
    """How much a mouth moves as when speaking, 0 to 1; one half at the threshold, 0 where it is not known.

    `face_sizes` are face widths in pixels: the opening is a share of the distance between the eyes, so the
    same tremble weighs more in a small face.
    """
    threshold = np.maximum(rules.mouth_motion, _TREMBLE_PIXELS / np.maximum(face_sizes * 0.6, 1))
    squared = np.nan_to_num(motion, nan=0.0) ** 2
    return np.asarray(squared / (squared + threshold**2), np.float32)


def attribute_speech(
    shot: Shot, tracks: Sequence[FaceTrack], runs: Sequence[SpeechRun], rules: SpeakingRules
) -> tuple[TrackSpeech, ...]:
    """Which of the tracks of a shot speaks when, one value per track.

    Args:
        tracks: the tracks of the shot.
        runs: the speech runs that touch the shot, in order; what lies outside the shot does not count.
        rules: what counts as speaking.
    """
    runs = [piece for run in runs for piece in _pieces(run, shot)]
    labels = tuple(sorted({label for run in runs for label in run.labels}))
    motions = [mouth_motion(track.mouth, rules.window) for track in tracks]
    activities = [
        mouth_activity(motion, track.boxes[:, 2] - track.boxes[:, 0], rules)
        for motion, track in zip(motions, tracks, strict=True)
    ]
    confidences = [np.zeros(len(track.boxes), np.float32) for track in tracks]
    owners = [np.full(len(track.boxes), -1, np.int32) for track in tracks]
    fits = _voice_fits(tracks, activities, runs, labels)
    for run in runs:
        present = [i for i, track in enumerate(tracks) if track.start < run.end and run.start < track.end]
        if not present:
            continue
        columns = [labels.index(label) for label in run.labels]
        spans = [_span(tracks[i], run) for i in present]
        motion = [activities[i][span].sum() for i, span in zip(present, spans, strict=True)]
        moved = np.array(motion, np.float64) / (run.end - run.start)
        here = np.ix_(columns, present)
        shares, owned = _shares(moved, fits.rate[here], fits.exclusive[here])
        for position, (i, span) in enumerate(zip(present, spans, strict=True)):
            confidences[i][span] = activities[i][span] * shares[position]
            if owned[position] >= 0:
                sure = confidences[i][span] >= rules.min_confidence
                owners[i][span][sure] = columns[owned[position]]
    return tuple(
        TrackSpeech(motion, activity, confidence, owner, labels)
        for motion, activity, confidence, owner in zip(motions, activities, confidences, owners, strict=True)
    )


def _pieces(run: SpeechRun, shot: Shot) -> list[SpeechRun]:
    """The part of a run inside a shot in about equal pieces of at most `_LONGEST_PIECE` frames."""
    start, end = max(run.start, shot.start), min(run.end, shot.end)
    count = max(1, -(-(end - start) // _LONGEST_PIECE))
    edges = [start + (end - start) * i // count for i in range(count + 1)]
    return [replace(run, start=a, end=b) for a, b in pairwise(edges)]


@dataclass(frozen=True)
class _VoiceFits:
    """How voices and faces of a shot fit, both (labels, tracks), 0 to 1.

    `rate`: how much the face moves with this voice, against the voice it moves most with. `exclusive`: the share
    of the face's motion that falls into this voice.
    """

    rate: NDArray[np.float64]
    exclusive: NDArray[np.float64]


def _voice_fits(
    tracks: Sequence[FaceTrack], activities: Sequence[Figures], runs: Sequence[SpeechRun], labels: tuple[str, ...]
) -> _VoiceFits:
    motion = np.zeros((len(labels), len(tracks)))
    frames = np.zeros((len(labels), len(tracks)))
    for run in runs:
        for i, track in enumerate(tracks):
            span = _span(track, run)
            for label in run.labels:
                row = labels.index(label)
                motion[row, i] += activities[i][span].sum() / len(run.labels)
                frames[row, i] += (span.stop - span.start) / len(run.labels)
    rate = motion / np.maximum(frames, 1e-9)
    rate = rate / np.maximum(rate.max(0, initial=0), 1e-9)
    return _VoiceFits(rate, motion / np.maximum(motion.sum(0), 1e-9))


def _span(track: FaceTrack, run: SpeechRun) -> slice:
    """The frames of a run inside a track, as positions in the track; empty where they do not meet."""
    start = min(max(run.start, track.start), track.end) - track.start
    end = max(min(run.end, track.end) - track.start, start)
    return slice(start, end)


def _shares(
    moved: NDArray[np.float64], rate: NDArray[np.float64], exclusive: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Who owns the voices of a run: per face its share in the voice it fits best, and which voice it owns or -1.

    Args:
        moved: mean mouth activity of each face in the run, (faces,).
        rate, exclusive: how voices and faces fit, (voices, faces).
    """
    score = moved[None, :] * rate * exclusive
    voices, faces = linear_sum_assignment(score, maximize=True)
    owned = np.full(len(moved), -1, np.int64)
    for voice, face in zip(voices, faces, strict=True):
        if score[voice, face] > 0:
            owned[face] = voice
    shares = np.zeros(len(moved))
    for face in range(len(moved)):
        voice = int(owned[face]) if owned[face] >= 0 else int(score[:, face].argmax())
        # Faces that own another voice of the same run do not compete for this one.
        rivals = np.isin(owned, (-1, voice)) & (np.arange(len(moved)) != face)
        total = score[voice, face] + score[voice, rivals].max(initial=0.0)
        shares[face] = rate[voice, face] * score[voice, face] / total if total > 0 else 0.0
    return shares, owned
