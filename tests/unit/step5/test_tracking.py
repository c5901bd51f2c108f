"""From detections to the objects of the file, without pictures."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio
from workflow_scripts.common.artifacts.tracking import TrackedObject, read_tracking, write_raw_tracking
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ClockError
from workflow_scripts.common.timeline import Shot
from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.figures import measure_tracking
from workflow_scripts.step5.speaking import SpeakingRules
from workflow_scripts.step5.tracking import tracked_objects
from workflow_scripts.step5.tracks import TrackRules

RULES = (TrackRules(0.6, 5, 12, 0.15), SpeakingRules(15, 0.012, 0.5))
SPEECH = FrameAudio(True, ("SPEAKER_00",))


def face(x: float, frame: int = 0, talks: bool = False) -> FaceDetection:
    return FaceDetection((x, 50, x + 80, 150), 0.9, (0.02, 0.09, 0.16, 0.09)[frame % 4] if talks else 0.02)


def objects(
    detections: list[list[FaceDetection]], shots: list[Shot], audio: list[FrameAudio] | None = None
) -> list[tuple[TrackedObject, ...]]:
    heard = audio or [SILENCE] * len(detections)
    return list(tracked_objects(detections, shots, heard, (640, 360), RULES))


def test_every_frame_has_an_entry_also_where_nothing_is_seen() -> None:
    found = objects([[]] * 10 + [[face(100)]] * 20 + [[]] * 5, [Shot(0, 35)])
    assert [len(here) for here in found] == [0] * 10 + [1] * 20 + [0] * 5


def test_identities_reset_at_a_cut_though_the_face_does_not_move() -> None:
    found = objects([[face(100)]] * 60, [Shot(0, 20), Shot(20, 45), Shot(45, 60)])
    assert [here[0].id for here in found] == ["obj_1"] * 20 + ["obj_2"] * 25 + ["obj_3"] * 15


def test_a_gap_across_a_cut_is_not_bridged() -> None:
    found = objects([[face(100)]] * 20 + [[]] * 4 + [[face(100)]] * 20, [Shot(0, 22), Shot(22, 44)])
    assert [len(here) for here in found[20:24]] == [0] * 4


def test_identities_are_numbered_in_order_of_appearance_through_the_video() -> None:
    later = [[face(100)]] * 10 + [[face(300), face(100)]] * 20
    found = objects(later + later, [Shot(0, 30), Shot(30, 60)])
    assert [item.id for item in found[15]] == ["obj_1", "obj_2"]
    assert [item.id for item in found[45]] == ["obj_3", "obj_4"]


def test_an_object_says_what_its_contract_asks_for() -> None:
    item = objects([[face(100.4)]] * 20, [Shot(0, 20)])[3][0]
    assert (item.box, item.centroid_x, item.centroid_y) == ((100, 50, 180, 150), 140, 100)
    assert (item.source, item.label, item.confidence, item.blendshapes) == ("face_landmarker", "face", 0.9, None)
    assert set(item.speaking_sources) == {"audio", "visual", "segment"}
    assert set(item.speaking_sources["audio"]) == {
        "is_speech_present",
        "num_speakers",
        "active_speakers",
        "confidence",
    }
    assert set(item.speaking_sources["segment"]) == {"segment_id", "frame_position", "segment_duration"}


def test_labels_go_to_the_face_that_speaks_and_to_no_other() -> None:
    detections = [[face(50, i, talks=True), face(400)] for i in range(60)]
    found = objects(detections, [Shot(0, 60)], [SILENCE] * 10 + [SPEECH] * 40 + [SILENCE] * 10)
    left, right = zip(*found, strict=True)
    assert [item.active_speakers for item in left] == [()] * 10 + [("SPEAKER_00",)] * 40 + [()] * 10
    assert [item.is_speaking for item in left] == [False] * 10 + [True] * 40 + [False] * 10
    assert {item.active_speakers for item in right} == {()}
    assert {item.speaking_method for item in left[:10]} == {"no_speech"}
    assert left[12].speaking_sources["audio"]["active_speakers"] == ["SPEAKER_00"]
    assert left[12].speaking_sources["segment"] == {"segment_id": 1, "frame_position": 2, "segment_duration": 40}


def test_a_speech_run_keeps_its_number_across_a_cut() -> None:
    detections = [[face(50, i, talks=True)] for i in range(60)]
    found = objects(detections, [Shot(0, 30), Shot(30, 60)], [SPEECH] * 60)
    segments = [here[0].speaking_sources["segment"] for here in found]
    assert segments[29]["frame_position"] + 1 == segments[30]["frame_position"]
    assert {segment["segment_id"] for segment in segments} == {1}
    assert found[45][0].is_speaking


def test_an_error_of_the_decoder_after_the_last_shot_is_not_lost() -> None:
    def too_many() -> Iterator[list[FaceDetection]]:
        yield from [[face(100)]] * 20
        raise ClockError("clip.mp4: 21 frames were decoded, STEP2 measured 20.")

    with pytest.raises(ClockError, match="21 frames"):
        list(tracked_objects(too_many(), [Shot(0, 20)], [SILENCE] * 20, (640, 360), RULES))


def test_a_long_shot_costs_few_bytes_a_frame() -> None:
    frames = 4000
    audio = (SPEECH,) * frames
    detections = ((face(50, i, True), face(300, i)) for i in range(frames))
    tracemalloc.start()
    try:
        count = sum(len(here) for here in tracked_objects(detections, [Shot(0, frames)], audio, (640, 360), RULES))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2 * frames
    assert peak / frames < 1000  # so 20 minutes of two faces fit into 30 MB


def test_figures_are_read_back_from_the_file(tmp_path: Path) -> None:
    path, shots = tmp_path / "clip.json", [Shot(0, 50), Shot(50, 100)]
    detections = [[face(50, i, talks=True)] if i not in range(20, 26) else [] for i in range(100)]
    found = tracked_objects(detections, shots, [SPEECH] * 100, (640, 360), RULES)
    write_raw_tracking(path, "clip.mp4", "engine", found, FrameClock(Fraction(25), 100))
    figures = measure_tracking(path, shots)
    assert (figures.frames, figures.frames_with_face, figures.interpolated_boxes) == (100, 94, 6)
    assert (figures.tracks, figures.needed_tracks, figures.tracks_over_cuts) == (2, 2, 0)
    assert all(gate.passed is not False for gate in figures.gates(100, Fraction(4)))


def test_a_track_over_a_cut_and_torn_tracks_fail_their_gates(tmp_path: Path) -> None:
    path = tmp_path / "clip.json"
    box = (0, 0, 10, 10)
    frames = [(TrackedObject(f"obj_{i // 2}", "face", "face_landmarker", box, 5),) for i in range(301)]
    write_raw_tracking(path, "clip.mp4", "engine", frames, FrameClock(Fraction(25), 301))
    figures = measure_tracking(path, [Shot(0, 101), Shot(101, 301)])
    failed = {gate.name for gate in figures.gates(301, Fraction(301, 25)) if gate.passed is False}
    assert failed == {"tracks that cross a cut", "broken tracks per minute"}
    assert next(iter(read_tracking(path).frames()))[0].id == "obj_0"
