"""Tracking JSON, raw and reduced: what is written, and every generation that is read."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.tracking import (
    Alignment,
    TrackedObject,
    read_tracking,
    thinned_warning,
    write_raw_tracking,
    write_reduced_tracking,
)
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError

PIXELS = st.integers(-50, 4000)
SHARES = st.floats(0, 1).map(lambda value: round(value, 4))
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
BOXES = st.tuples(PIXELS, PIXELS, st.integers(1, 900), st.integers(1, 900)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
OBJECTS = st.builds(
    TrackedObject,
    id=st.integers(0, 99).map(lambda number: f"obj_{number}"),
    label=st.sampled_from(["face", "person", "chair"]),
    source=st.sampled_from(["face_landmarker", "object_detector"]),
    box=st.none() | BOXES,
    centroid_x=PIXELS,
    centroid_y=st.none() | PIXELS,
    confidence=st.none() | SHARES,
    blendshapes=st.none() | st.dictionaries(NAMES, SHARES, max_size=3),
    is_speaking=st.booleans(),
    speaking_confidence=SHARES,
    speaking_method=st.none() | NAMES,
    speaking_sources=st.dictionaries(
        st.sampled_from(["audio", "visual", "segment"]), st.just({"a": 1}), max_size=2
    ),
    active_speakers=st.lists(st.sampled_from(["SPEAKER_00", "SPEAKER_01"]), unique=True).map(tuple),
)
FRAMES = st.lists(st.lists(OBJECTS, max_size=3), max_size=8)

FACE = TrackedObject(
    id="obj_1",
    label="face",
    source="face_landmarker",
    box=(100, 50, 180, 150),
    centroid_x=140,
    centroid_y=100,
    confidence=0.93,
    blendshapes={"jawOpen": 0.25},
    is_speaking=True,
    speaking_confidence=0.8,
    speaking_method="mouth and speech",
    speaking_sources={"audio": {"is_speech_present": True}},
    active_speakers=("SPEAKER_00",),
)


def seen(x: int = 10, **values: object) -> dict[str, Any]:
    """An object as the oldest files hold it."""
    return {"id": "obj_1", "centroid_x": x, "source": "object_detector", "label": "person", **values}


def written(path: Path, data: object) -> Path:
    """A file with JSON in it."""
    path.write_text(json.dumps(data))
    return path


def read(path: Path) -> list[list[TrackedObject]]:
    """All frames of a file."""
    return [list(objects) for objects in read_tracking(path).frames()]


@given(FRAMES)
def test_raw_frames_read_back_are_those_that_were_written(frames: list[list[TrackedObject]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        write_raw_tracking(path, "/a/b \n.mp4", "mediapipe", frames, FrameClock(Fraction(25), len(frames)))
        found = read_tracking(path)
        assert [list(objects) for objects in found.frames()] == frames
        assert [list(objects) for objects in found.frames()] == frames  # as often as needed
        packed = Path(folder) / "x.json.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert read(packed) == frames
        data = json.loads(path.read_text())
    assert (found.fps, found.total_frames, found.engine) == (Fraction(25), len(frames), "mediapipe")
    assert data["metadata"] == {
        "video_path": "/a/b \n.mp4",
        "total_frames": len(frames),
        "fps": 25,
        "tracking_engine": "mediapipe",
    }
    assert [frame["frame"] for frame in data["frames"]] == list(range(1, len(frames) + 1))


def test_a_raw_object_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_raw_tracking(path, "/x.mp4", "mediapipe", [[FACE]], FrameClock(Fraction(25), 1))
    assert json.loads(path.read_text())["frames"][0]["tracked_objects"] == [
        {
            "id": "obj_1",
            "centroid_x": 140,
            "centroid_y": 100,
            "bbox_xmin": 100,
            "bbox_ymin": 50,
            "bbox_xmax": 180,
            "bbox_ymax": 150,
            "bbox_width": 80,
            "bbox_height": 100,
            "source": "face_landmarker",
            "label": "face",
            "confidence": 0.93,
            "blendshapes": {"jawOpen": 0.25},
            "is_speaking": True,
            "speaking_confidence": 0.8,
            "speaking_method": "mouth and speech",
            "speaking_sources": {"audio": {"is_speech_present": True}},
            "active_speakers": ["SPEAKER_00"],
        }
    ]


def test_the_reduced_bytes_are_compact_and_hold_what_the_editors_read(tmp_path: Path) -> None:
    path = tmp_path / "x_tracking.json"
    clock = FrameClock(Fraction(25), 2)
    write_reduced_tracking(path, [[FACE], []], Alignment(clock, 2, Fraction(25), ("a: warning",)))
    assert path.read_text() == (
        '{"frames_analysis":[{"frame":1,"tracked_objects":[{"id":"obj_1","centroid_x":140,'
        '"source":"face_landmarker","label":"face","confidence":0.93,"active_speakers":["SPEAKER_00"],'
        '"bbox_width":80,"bbox_height":100}]},{"frame":2,"tracked_objects":[]}],"fps":25,"total_frames":2,'
        '"temporal_alignment":{"video_total_frames":2,"audio_total_frames":2,"video_fps":25,"audio_fps":25,'
        '"warnings":["a: warning"]}}'
    )


@given(FRAMES)
def test_no_space_stands_outside_texts_in_a_reduced_file(frames: list[list[TrackedObject]]) -> None:
    clock = FrameClock(Fraction(25), len(frames))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x_tracking.json"
        write_reduced_tracking(path, frames, Alignment(clock, clock.frames, Fraction(25)))
        text = path.read_text()
        found = read(path)
    assert not any(character.isspace() for character in text)  # labels and sources hold none
    assert [[item.id for item in objects] for objects in found] == [[o.id for o in objects] for objects in frames]
    assert [[item.active_speakers for item in objects] for objects in found] == [
        [item.active_speakers for item in objects] for objects in frames
    ]
    assert [[item.width for item in objects] for objects in found] == [
        [o.width for o in objects] for objects in frames
    ]


@settings(max_examples=15)
@given(st.lists(st.lists(OBJECTS, max_size=3), min_size=25, max_size=40))
def test_the_reduced_file_is_smaller_than_the_raw_one(frames: list[list[TrackedObject]]) -> None:
    clock = FrameClock(Fraction(25), len(frames))
    with tempfile.TemporaryDirectory() as folder:
        raw, reduced = Path(folder) / "x.json", Path(folder) / "x_tracking.json"
        write_raw_tracking(raw, "/x.mp4", "mediapipe", frames, clock)
        write_reduced_tracking(reduced, frames, Alignment(clock, len(frames), Fraction(25)))
        seen_at_all = sum(map(len, frames)) > 0
        assert reduced.stat().st_size < raw.stat().st_size + (0 if seen_at_all else 200)


@pytest.mark.parametrize("frames", [[[]], [[], [], []]])
def test_another_number_of_frames_than_the_picture_has_is_not_written(
    tmp_path: Path, frames: list[list[TrackedObject]]
) -> None:
    clock = FrameClock(Fraction(25), 2)
    with pytest.raises(ValueError, match="for 2 frames of picture"):
        write_raw_tracking(tmp_path / "x.json", "/x.mp4", "mediapipe", frames, clock)
    with pytest.raises(ValueError, match="for 2 frames of picture"):
        write_reduced_tracking(tmp_path / "x.json", frames, Alignment(clock, 2, Fraction(25)))
    assert not list(tmp_path.glob("*.json"))


def test_memory_does_not_hold_the_frames_of_a_file_of_ours(tmp_path: Path) -> None:
    def frames() -> Iterator[list[TrackedObject]]:
        for _ in range(2000):
            yield [FACE, replace(FACE, id="obj_2")]

    path = tmp_path / "x.json"
    write_raw_tracking(path, "/x.mp4", "mediapipe", frames(), FrameClock(Fraction(25), 2000))
    found = read_tracking(path)
    assert found._entries is None
    assert sum(len(objects) for objects in found.frames()) == 4000


@pytest.mark.parametrize("name", ["x.json", "x_tracking.json"])  # also a raw file under the reduced one's name
@pytest.mark.parametrize("key", ["frames", "frames_data", "frames_analysis"])
@pytest.mark.parametrize(
    ("head", "fps", "total"),
    [
        ({}, None, None),
        ({"fps": 25}, 25, None),
        ({"fps": 25.0, "total_frames": 2}, 25, 2),
        ({"metadata": {"fps": 25, "total_frames": 2.0}}, 25, 2),
        ({"metadata": None, "fps": 25}, 25, None),
    ],
)
def test_every_generation_of_old_files_is_read(
    tmp_path: Path, name: str, key: str, head: dict[str, object], fps: int | None, total: int | None
) -> None:
    frames = [{"frame": 1, "tracked_objects": [seen()]}, {"frame": 2}]
    path = written(tmp_path / name, {**head, key: frames})
    found = read_tracking(path)
    assert (found.fps, found.total_frames) == (fps, total)
    assert read(path) == [[TrackedObject("obj_1", "person", "object_detector", None, 10)], []]


@pytest.mark.parametrize(
    ("values", "box"),
    [
        ({}, None),
        ({"bbox_width": 20}, None),
        ({"bbox_width": 20, "bbox_height": 40}, (90, 0, 110, 40)),
        ({"bbox_width": 20, "bbox_height": 40, "centroid_y": 60}, (90, 40, 110, 80)),
        ({"bbox_xmin": 1.4, "bbox_ymin": 2, "bbox_xmax": 3, "bbox_ymax": 4}, (1, 2, 3, 4)),
        ({"bbox_xmin": 1, "bbox_ymin": 2, "bbox_xmax": 3, "bbox_width": None}, None),
    ],
)
def test_a_box_is_read_from_what_there_is_of_it(
    tmp_path: Path, values: dict[str, object], box: tuple[int, ...] | None
) -> None:
    data = {"frames": [{"frame": 1, "tracked_objects": [seen(100, **values)]}]}
    assert read(written(tmp_path / "x.json", data))[0][0].box == box


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"ok": True}, "holds no list of frames"),
        ({"tracks": []}, "holds no list of frames"),
        ({"frames": [{"frame": 2}]}, "not numbered 1, 2, 3, …: entry 1 says 2"),
        ({"frames": [{"frame": 1}, {"frame": 3}]}, "entry 2 says 3"),
        ({"frames": [{"frame": 1}], "total_frames": 2}, "says 2 frames and holds 1"),
        ({"frames": [{"frame": 1, "tracked_objects": {"a": 1}}]}, "the objects of frame 1 are no list"),
        ({"frames": [{"frame": 1, "tracked_objects": [1]}]}, "an object of frame 1 has no id"),
        ({"frames": [{"frame": 1, "tracked_objects": [{"id": "obj_1"}]}]}, "object obj_1 of frame 1 is damaged"),
        ({"frames": [{"frame": 1, "tracked_objects": [seen(x=None)]}]}, "is damaged"),  # type: ignore[arg-type]
        ({"frames": [{"frame": 1, "tracked_objects": [seen(x=float("inf"))]}]}, "is damaged"),  # type: ignore[arg-type]
        ({"frames": [{"frame": 1, "tracked_objects": [seen(active_speakers="A")]}]}, "active_speakers is no list"),
        ({"frames": [{"frame": 1, "tracked_objects": [seen(blendshapes=[1])]}]}, "blendshapes is no dict"),
        ({"frames": [], "fps": -25}, "not a positive number"),
    ],
)
def test_what_is_no_tracking_is_refused_with_file_and_reason(tmp_path: Path, data: object, reason: str) -> None:
    with pytest.raises(ArtifactError) as error:
        read(written(tmp_path / "x…_tracking.json", data))
    assert str(error.value).startswith("x…_tracking.json: ") and reason in str(error.value)


@pytest.mark.parametrize(("tracked", "frames", "flagged"), [(53, 100, True), (89, 100, True), (90, 100, False)])
def test_a_file_that_was_thinned_out_is_flagged(tracked: int, frames: int, flagged: bool) -> None:
    warning = thinned_warning(tracked, frames)
    assert (warning is not None) == flagged
    assert warning is None or f"only {tracked} of {frames} frames" in warning
