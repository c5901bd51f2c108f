"""Decoding a video and finding faces on several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.common.errors import ClockError, RefusedError
from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.faces import FaceFinder
from workflow_scripts.step5.video_faces import available_workers, decode_pictures, find_faces, video_faces

Picture = NDArray[np.uint8]


def test_every_picture_of_the_video_comes_out_in_its_size(portrait_video: Path) -> None:
    pictures = list(decode_pictures(portrait_video, 0, 120))
    assert len(pictures) == 120
    assert {(picture.shape, factor) for picture, factor in pictures} == {((360, 640, 3), 1.0)}


@pytest.mark.parametrize("expected", [119, 121])
def test_another_number_of_pictures_than_measured_is_an_error(portrait_video: Path, expected: int) -> None:
    with pytest.raises(ClockError, match=r"portrait\.mp4: 120 frames were decoded, STEP2 measured"):
        list(decode_pictures(portrait_video, 0, expected))


def test_a_track_that_is_no_picture_is_an_error(portrait_video: Path) -> None:
    with pytest.raises(ClockError, match="track 3"):
        list(decode_pictures(portrait_video, 3, 120))


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(RefusedError, match=r"text\.mp4"):
        list(decode_pictures(path, 0, 1))


def test_a_very_large_picture_is_decoded_smaller_and_its_boxes_are_in_its_own_pixels() -> None:
    def finder(_: Picture) -> tuple[FaceDetection, ...]:
        return (FaceDetection((1, 2, 3, 4), 0.9),)

    (faces,) = find_faces([(np.zeros((8, 8, 3), np.uint8), 2.0)], [finder])
    assert faces[0].box == (2, 4, 6, 8)


def test_faces_come_in_the_order_of_the_pictures_whatever_the_threads_do() -> None:
    def finder(picture: Picture) -> tuple[FaceDetection, ...]:
        number = int(picture[0, 0, 0])
        time.sleep(0.01 * (number % 3))
        return (FaceDetection((number, 0, number + 1, 1), 0.9),)

    pictures = [(np.full((1, 1, 3), number, np.uint8), 1.0) for number in range(40)]
    for workers in (1, 2, 5):
        found = list(find_faces(pictures, [finder] * workers))
        assert [faces[0].box[0] for faces in found] == list(range(40))


def test_an_error_of_a_finder_reaches_the_caller_and_its_threads_end() -> None:
    def finder(_: Picture) -> tuple[FaceDetection, ...]:
        raise RuntimeError("graph broken")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="graph broken"):
        list(find_faces([(np.zeros((1, 1, 3), np.uint8), 1.0)] * 9, [finder] * 2))
    assert threading.active_count() == before


def test_only_a_few_pictures_are_decoded_ahead() -> None:
    taken = 0

    def pictures() -> Iterator[tuple[Picture, float]]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield np.zeros((1, 1, 3), np.uint8), 1.0

    found = find_faces(pictures(), [lambda _: ()] * 2)
    next(found)
    assert taken <= 6
    found.close()


def test_the_result_is_the_same_with_one_thread_and_with_three(portrait_video: Path) -> None:
    finders = [FaceFinder(min_confidence=0.4, tile_rows=1, max_faces=20) for _ in range(3)]
    try:
        alone = list(video_faces(portrait_video, 0, 120, finders[:1]))
        together = list(video_faces(portrait_video, 0, 120, finders))
    finally:
        for finder in finders:
            finder.close()
    assert alone == together


def test_as_many_workers_as_asked_for_else_one_per_core() -> None:
    assert available_workers(3) == 3
    assert 1 <= available_workers(0) <= 8
