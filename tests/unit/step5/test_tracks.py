"""Tracks from hand-made detections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.tracks import FaceTrack, ShotTracker, TrackRules

RULES = TrackRules(start_confidence=0.6, min_frames=5, max_gap=12, min_verified=0.15)


def face(
    x: float, y: float = 100, size: float = 60, confidence: float = 0.9, mouth: float | None = 0.1
) -> FaceDetection:
    return FaceDetection((x - size / 2, y - size / 2, x + size / 2, y + size / 2), confidence, mouth)


def track(frames: list[list[FaceDetection]], start: int = 0, rules: TrackRules = RULES) -> tuple[FaceTrack, ...]:
    tracker = ShotTracker(rules)
    for index, faces in enumerate(frames, start):
        tracker.update(index, faces)
    return tracker.finish(len(frames))


def centres(found: FaceTrack) -> NDArray[np.float32]:
    return np.asarray((found.boxes[:, 0] + found.boxes[:, 2]) / 2, np.float32)


def test_a_face_that_moves_is_one_track_from_first_to_last_frame() -> None:
    (found,) = track([[face(100 + 8 * i)] for i in range(50)], start=200)
    assert (found.start, found.end) == (200, 250)
    assert found.seen.all()
    assert np.allclose(centres(found), 100 + 8 * np.arange(50))


def test_two_faces_that_pass_each_other_keep_their_identities() -> None:
    frames = [[face(100 + 10 * i, 100, 60), face(600 - 10 * i, 130, 70)] for i in range(51)]
    first, second = track(frames)
    assert centres(first)[-1] > 590
    assert centres(second)[-1] < 110
    assert len(first.boxes) == len(second.boxes) == 51


def test_the_order_of_detections_in_a_frame_does_not_matter() -> None:
    frames = [[face(100 + i), face(300 - i), face(500)] for i in range(20)]
    for one, other in zip(track(frames), track([faces[::-1] for faces in frames]), strict=True):
        assert one.start == other.start
        assert np.array_equal(one.boxes, other.boxes)


def test_a_short_gap_is_bridged_by_boxes_marked_as_not_seen_with_half_the_confidence() -> None:
    frames = [[face(100 + 4 * i)] if not 20 <= i < 28 else [] for i in range(50)]
    (found,) = track(frames)
    assert len(found.boxes) == 50
    assert np.flatnonzero(~found.seen).tolist() == list(range(20, 28))
    assert np.allclose(centres(found), 100 + 4 * np.arange(50), atol=1)
    assert np.allclose(found.confidence[20:28], 0.45)
    assert np.isnan(found.mouth[20:28]).all()


def test_a_long_absence_begins_a_new_identity() -> None:
    frames = [[face(100)] if not 20 <= i < 33 else [] for i in range(60)]
    assert [(found.start, found.end) for found in track(frames)] == [(0, 20), (33, 60)]


def test_blips_are_dropped_but_a_short_shot_keeps_its_face() -> None:
    assert track([[face(100)]] * 4 + [[]] * 30) == ()
    assert len(track([[face(100)]] * 3)) == 1


def test_weak_detections_continue_a_track_but_never_begin_one() -> None:
    assert track([[face(100, confidence=0.45)]] * 30) == ()
    (found,) = track([[face(100)]] * 5 + [[face(100, confidence=0.45)]] * 25)
    assert len(found.boxes) == 30


def test_what_landmarks_never_verify_is_no_face_however_long_it_lasts() -> None:
    assert track([[face(100, confidence=0.8, mouth=None)]] * 300) == ()
    turning = [[face(100, mouth=0.1 if i % 4 == 0 else None)] for i in range(40)]
    assert len(track(turning)) == 1


def test_a_jump_across_the_picture_is_another_face() -> None:
    assert len(track([[face(100)]] * 20 + [[face(500)]] * 20)) == 2


def test_a_box_of_another_size_at_the_same_place_is_another_face() -> None:
    assert len(track([[face(100, size=40)]] * 20 + [[face(100, size=120)]] * 20)) == 2


def test_tracks_come_in_order_of_appearance_then_from_left_to_right() -> None:
    frames = [[face(500), face(100)]] * 10 + [[face(500), face(100), face(300)]] * 10
    assert [(found.start, round(float(centres(found)[0]))) for found in track(frames)] == [
        (0, 100),
        (0, 500),
        (10, 300),
    ]


def test_a_tracker_without_detections_has_no_tracks() -> None:
    assert ShotTracker(RULES).finish(1000) == ()


def test_many_faces_that_come_and_go_do_not_share_frames_of_a_track() -> None:
    rng = np.random.default_rng(3)
    frames = [
        [
            face(float(80 * k + rng.normal(0, 2)), confidence=float(rng.uniform(0.5, 1)))
            for k in range(1, 8)
            if rng.random() > 0.2
        ]
        for _ in range(200)
    ]
    found = track(frames)
    assert len(found) == 7
    assert sum(int(one.seen.sum()) for one in found) == sum(map(len, frames))


def test_a_lens_of_a_pair_of_glasses_is_no_face_inside_a_face_that_is_missed_for_a_moment() -> None:
    close_up = [face(300, 200, 300)]
    lens = [face(240, 180, 120, confidence=0.72)]
    (found,) = track([close_up] * 20 + [lens] * 6 + [close_up] * 20)
    assert (found.start, found.end) == (0, 46)


def test_a_smaller_face_beside_a_close_up_is_a_face() -> None:
    assert len(track([[face(300, 200, 300), face(500, 200, 80)]] * 20)) == 2
