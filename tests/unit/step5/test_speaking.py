"""Who speaks, from synthetic mouths and voices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio
from workflow_scripts.common.timeline import Shot
from workflow_scripts.step5.speaking import (
    SpeakingRules,
    TrackSpeech,
    attribute_speech,
    mouth_activity,
    mouth_motion,
    speech_runs,
)
from workflow_scripts.step5.tracks import FaceTrack

Mouth = NDArray[np.float32]

RULES = SpeakingRules(window=15, mouth_motion=0.012, min_confidence=0.5)
A, B = FrameAudio(True, ("SPEAKER_00",)), FrameAudio(True, ("SPEAKER_01",))
BOTH = FrameAudio(True, ("SPEAKER_00", "SPEAKER_01"))


def talking(frames: int, seed: int = 0) -> Mouth:
    """A mouth that opens and closes about four times a second, as syllables do."""
    rng = np.random.default_rng(seed)
    phase = np.cumsum(rng.uniform(0.6, 1.4, frames))
    return np.asarray(0.08 + 0.05 * np.sin(phase), np.float32)


def still(frames: int, seed: int = 0) -> Mouth:
    return np.asarray(0.02 + np.random.default_rng(seed).normal(0, 0.001, frames), np.float32)


def face_track(mouth: Mouth, start: int = 0, width: float = 120, x: float = 0) -> FaceTrack:
    count = len(mouth)
    boxes = np.tile(np.array([x, 0, x + width, 1.25 * width], np.float32), (count, 1))
    return FaceTrack(start, boxes, np.full(count, 0.9, np.float32), mouth, np.ones(count, bool))


def attribute(tracks: list[FaceTrack], audio: list[FrameAudio]) -> tuple[TrackSpeech, ...]:
    return attribute_speech(Shot(0, len(audio)), tracks, speech_runs(audio), RULES)


def said(speech: TrackSpeech) -> list[str | None]:
    return [speech.label_at(i) for i in range(len(speech.label))]


def test_a_face_whose_mouth_moves_with_the_speech_speaks() -> None:
    (speech,) = attribute([face_track(talking(100))], [A] * 100)
    assert said(speech) == ["SPEAKER_00"] * 100
    assert speech.confidence.min() > 0.7


def test_without_speech_nobody_speaks_however_much_the_mouth_moves() -> None:
    (speech,) = attribute([face_track(talking(100))], [SILENCE] * 100)
    assert said(speech) == [None] * 100
    assert speech.confidence.max() == 0


def test_a_face_with_a_still_mouth_is_not_given_a_voice_from_off_screen() -> None:
    (speech,) = attribute([face_track(still(100))], [A] * 100)
    assert said(speech) == [None] * 100
    assert speech.confidence.max() < 0.1


def test_a_mouth_that_cannot_be_seen_is_not_claimed() -> None:
    (speech,) = attribute([face_track(np.full(100, np.nan, np.float32))], [A] * 100)
    assert said(speech) == [None] * 100


def test_speech_is_claimed_only_where_it_is_heard() -> None:
    (speech,) = attribute([face_track(talking(100))], [SILENCE] * 30 + [A] * 40 + [SILENCE] * 30)
    assert said(speech) == [None] * 30 + ["SPEAKER_00"] * 40 + [None] * 30


def test_of_two_faces_the_one_that_moves_speaks() -> None:
    left, right = attribute([face_track(still(100)), face_track(talking(100), x=300)], [A] * 100)
    assert set(said(left)) == {None}
    assert set(said(right)) == {"SPEAKER_00"}


def test_at_most_one_face_speaks_for_one_voice() -> None:
    tracks = [face_track(talking(200, seed), x=200 * seed) for seed in range(4)]
    speeches = attribute(tracks, [A] * 200)
    assert all(sum(said(speech)[i] is not None for speech in speeches) <= 1 for i in range(200))


def test_two_mouths_that_move_alike_for_one_voice_are_not_told_apart() -> None:
    mouth = talking(100)
    speeches = attribute([face_track(mouth), face_track(mouth, x=300)], [A] * 100)
    assert all(set(said(speech)) == {None} for speech in speeches)
    assert all(0.2 < speech.confidence.mean() <= 0.5 for speech in speeches)


def test_a_voice_that_is_certain_elsewhere_settles_a_doubtful_run() -> None:
    # Both mouths move while A speaks; later only the left one moves, with B: so A is the right one's voice.
    left = face_track(talking(200, 1))
    right = face_track(np.concatenate([talking(100, 2), still(100)]), x=300)
    first, second = attribute([left, right], [A] * 100 + [B] * 100)
    assert set(said(second)[:90]) == {"SPEAKER_00"}
    assert set(said(first)[:90]) == {None}
    assert set(said(first)[110:]) == {"SPEAKER_01"}


def test_two_voices_at_once_go_to_two_faces() -> None:
    left, right = face_track(talking(150, 1)), face_track(talking(150, 2), x=300)
    left.mouth[100:], right.mouth[:50] = still(50), still(50)
    first, second = attribute([left, right], [A] * 50 + [BOTH] * 50 + [B] * 50)
    assert set(said(first)[60:90]) == {"SPEAKER_00"}
    assert set(said(second)[60:90]) == {"SPEAKER_01"}


def test_a_listener_who_smiles_is_not_taken_for_the_voice_off_screen() -> None:
    smiling = 0.02 + 0.012 * np.sin(np.arange(200) / 2)
    mouth = np.where(np.arange(400) < 200, talking(400), np.concatenate([smiling, smiling])).astype(np.float32)
    (speech,) = attribute([face_track(mouth)], [A] * 200 + [B] * 200)
    assert set(said(speech)[:190]) == {"SPEAKER_00"}
    assert "SPEAKER_01" not in said(speech)[210:]


def test_speech_without_a_label_can_be_given_to_a_face_but_names_nobody() -> None:
    (speech,) = attribute([face_track(talking(60))], [FrameAudio(True)] * 60)
    assert set(said(speech)) == {""}


def test_speech_before_and_after_the_shot_does_not_count() -> None:
    audio = [A] * 300
    (speech,) = attribute_speech(Shot(100, 200), [face_track(talking(100), start=100)], speech_runs(audio), RULES)
    assert set(said(speech)) == {"SPEAKER_00"}


def test_a_shot_without_faces_has_no_speaking_faces() -> None:
    assert attribute([], [A] * 10) == ()


def test_runs_are_numbered_and_end_where_the_voices_change() -> None:
    runs = speech_runs([SILENCE, A, A, BOTH, B, SILENCE, B])
    assert [(run.number, run.start, run.end, len(run.labels)) for run in runs] == [
        (1, 1, 3, 1),
        (2, 3, 4, 2),
        (3, 4, 5, 1),
        (4, 6, 7, 1),
    ]
    assert speech_runs([]) == ()


def test_motion_is_the_deviation_in_the_window_and_unknown_where_too_little_is_seen() -> None:
    rng = np.random.default_rng(1)
    mouth = rng.uniform(0, 0.2, 80).astype(np.float32)
    mouth[50:75] = np.nan
    motion = mouth_motion(mouth, 15)
    assert motion[30] == pytest.approx(mouth[23:38].std(), rel=1e-4)
    assert np.isnan(motion[60])
    assert np.isfinite(motion[:48]).all()


def test_the_same_tremble_means_less_in_a_small_face() -> None:
    motion = np.full(2, 0.02, np.float32)
    large, small = mouth_activity(motion, np.array([200, 24], np.float32), RULES)
    assert large > 0.7
    assert small < 0.3
