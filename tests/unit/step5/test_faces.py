"""Faces in real pictures, through the real networks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.common.media import probe
from workflow_scripts.step5.faces import FaceFinder
from workflow_scripts.step5.networks import MODEL_FILES, model_records
from workflow_scripts.step5.video_faces import decode_pictures

SHARED_MEDIA = Path(__file__).parents[4] / "shared" / "media"

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def finder() -> Iterator[FaceFinder]:
    made = FaceFinder(min_confidence=0.4, tile_rows=1, max_faces=20)
    yield made
    made.close()


def on_grey(portrait: Picture, width: int, height: int, face_height: int, x: int, y: int) -> Picture:
    """The portrait, shrunk so that its face is about so high, on grey; (x, y) is its upper left corner."""
    import cv2

    scale = face_height / 230
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((height, width, 3), 128, np.uint8)
    rows, columns = min(small.shape[0], height - y), min(small.shape[1], width - x)
    picture[y : y + rows, x : x + columns] = small[:rows, :columns]
    return picture


def test_a_real_face_is_found_where_it_is_and_verified(finder: FaceFinder, portrait: Picture) -> None:
    (face,) = finder(portrait)
    x0, y0, x1, y1 = face.box
    assert 150 < x0 < 200
    assert 350 < x1 < 390
    assert 90 < y0 < 150
    assert 290 < y1 < 360
    assert face.confidence > 0.8
    assert face.verified


def test_a_closed_mouth_measures_as_closed(finder: FaceFinder, portrait: Picture) -> None:
    (face,) = finder(portrait)
    assert face.mouth_opening is not None
    assert 0 <= face.mouth_opening < 0.06


def test_a_small_face_in_a_large_picture_is_found_through_tiles(finder: FaceFinder, portrait: Picture) -> None:
    picture = on_grey(portrait, 1920, 1080, face_height=60, x=1400, y=500)
    found = finder(picture)
    assert len(found) == 1
    assert found[0].verified
    assert 1400 < found[0].box[0] < 1540


def test_a_face_in_two_tiles_is_one_face(finder: FaceFinder, portrait: Picture) -> None:
    assert len(finder(on_grey(portrait, 1920, 1080, face_height=120, x=860, y=300))) == 1


def test_two_faces_come_from_left_to_right(finder: FaceFinder, portrait: Picture) -> None:
    left = on_grey(portrait, 1280, 720, face_height=150, x=700, y=100)
    left[:, :640] = on_grey(portrait, 640, 720, face_height=150, x=50, y=100)
    first, second = finder(left)
    assert first.box[2] < 640 < second.box[0]


def test_a_face_at_the_border_stays_inside_the_picture(finder: FaceFinder, portrait: Picture) -> None:
    cropped = np.ascontiguousarray(portrait[150:, 180:])
    for face in finder(cropped):
        x0, y0, x1, y1 = face.box
        assert 0 <= x0 < x1 <= cropped.shape[1]
        assert 0 <= y0 < y1 <= cropped.shape[0]


def test_no_face_is_verified_in_noise_or_on_a_plain_wall(finder: FaceFinder) -> None:
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 255, (360, 640, 3), np.uint8) for _ in range(5)]
    pictures += [np.full((1080, 1920, 3), value, np.uint8) for value in (0, 128, 255)]
    assert not any(face.verified for picture in pictures for face in finder(picture))


@pytest.mark.parametrize("clip", ["ae_man-on-green-screen.mp4", "mpy_video_with_failing_audio.mp4"])
@pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="the shared media are not on this machine")
def test_silhouettes_and_landscapes_are_not_verified_as_faces(finder: FaceFinder, clip: str) -> None:
    info = probe(SHARED_MEDIA / clip)
    pictures = islice(decode_pictures(SHARED_MEDIA / clip, info.video_index, info.frames), 0, 300, 20)
    seen = [face for picture, _ in pictures for face in finder(picture)]
    assert sum(face.verified for face in seen) <= 0.1 * len(seen)


@pytest.mark.parametrize("shape", [(16, 16), (16, 2000), (2000, 16), (17, 33)])
def test_pictures_of_any_shape_are_taken(finder: FaceFinder, shape: tuple[int, int]) -> None:
    assert finder(np.zeros((*shape, 3), np.uint8)) == ()


def test_the_least_confidence_is_obeyed(portrait: Picture) -> None:
    strict = FaceFinder(min_confidence=0.95, tile_rows=0, max_faces=20)
    try:
        assert strict(portrait) == ()
    finally:
        strict.close()


def test_no_more_faces_than_asked_for_are_kept_and_the_largest_first(portrait: Picture) -> None:
    picture = on_grey(portrait, 1280, 720, face_height=220, x=700, y=20)
    picture[:, :640] = on_grey(portrait, 640, 720, face_height=100, x=50, y=100)
    one = FaceFinder(min_confidence=0.4, tile_rows=1, max_faces=1)
    try:
        (face,) = one(picture)
        assert face.box[0] > 640
    finally:
        one.close()


def test_the_answer_does_not_depend_on_what_was_seen_before(finder: FaceFinder, portrait: Picture) -> None:
    fresh = FaceFinder(min_confidence=0.4, tile_rows=1, max_faces=20)
    try:
        finder(on_grey(portrait, 1280, 720, face_height=90, x=300, y=100))
        assert finder(portrait) == fresh(portrait) == finder(portrait)
    finally:
        fresh.close()


def test_the_models_are_named_with_their_sha256() -> None:
    records = model_records()
    assert len(records) == len(MODEL_FILES)
    assert all(len(record.sha256) == 64 for record in records)


def test_nothing_is_printed_while_the_networks_load_and_no_warning_is_given() -> None:
    script = (
        "import numpy; from workflow_scripts.step5.faces import FaceFinder; "
        "finder = FaceFinder(0.4, 1, 20); finder(numpy.zeros((360, 640, 3), numpy.uint8)); finder.close()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
