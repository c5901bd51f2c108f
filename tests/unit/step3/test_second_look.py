"""Where pictures give a reason to look at them again in slow motion, and what is looked at then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from workflow_scripts.step3.second_look import SPANS, half_rate, slow_looks
from workflow_scripts.step3.windows import HEIGHT, WIDTH, Window, windows_of

Picture = npt.NDArray[np.uint8]
#: Frames that a look in slow motion shows once, and how often.
PICTURES, TIMES = 25, 4


def scene(seed: int) -> Picture:
    """A picture of soft waves in colours of its own, which goes on beyond its left and right edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [np.sin(2 * np.pi * (x / WIDTH + k * y / HEIGHT + rng.random())) for k in rng.integers(-2, 3, 3)]
    return (rng.integers(80, 176, 3) + 70 * np.stack(waves, -1)).clip(0, 255).astype(np.uint8)


def moving(picture: Picture, frames: int, speed: int) -> list[Picture]:
    """A picture that moves sideways by some pixels a frame."""
    return [np.roll(picture, speed * index, 1) for index in range(frames)]


def filmed(picture: Picture, frames: int) -> list[Picture]:
    """A picture that does not move, on film: with a grain of its own in every frame."""
    rng = np.random.default_rng(frames)
    grain = rng.integers(-4, 5, (frames, *picture.shape))
    return list((picture + grain).clip(0, 255).astype(np.uint8))


def brighter(picture: Picture, by: int) -> Picture:
    """The same picture in another light."""
    return (picture.astype(np.int16) + by).clip(0, 255).astype(np.uint8)


def looks(pictures: Sequence[Picture]) -> list[int]:
    """The frames of a video after which it is looked at in slow motion."""
    found, start = [], 0
    for span in windows_of((picture.tobytes() for picture in pictures), SPANS):
        found += [start + look.index - span.padding for look in slow_looks(span)]
        start += span.valid
    return found


A, B, C = scene(1), scene(2), scene(3)


def test_a_change_of_picture_is_looked_at_after_the_last_frame_of_the_first_one() -> None:
    assert looks([*moving(A, 40, 1), *moving(B, 90, 1), *moving(C, 30, 1)]) == [39, 129]
    assert looks([*moving(A, 40, 0), *moving(B, 90, 0)]) == [39]


def test_shots_of_three_frames_are_each_looked_at() -> None:
    shots = [moving(scene(seed), 3, 1) for seed in range(20)]
    assert looks([picture for shot in shots for picture in shot]) == list(range(2, 57, 3))


@pytest.mark.parametrize("count", [2, 3, 49, 50, 51, 99, 100, 101, 102, 201])
@pytest.mark.parametrize("place", [0, -2])
def test_the_first_and_the_last_change_of_a_video_are_looked_at(count: int, place: int) -> None:
    last = range(count)[place]
    assert looks([A] * (last + 1) + [B] * (count - last - 1)) == [last]


@pytest.mark.parametrize("border", [99, 100, 101, 199, 200])
def test_a_change_at_the_border_of_two_spans_is_looked_at_once(border: int) -> None:
    assert looks([A] * border + [B] * (250 - border)) == [border - 1]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("by", [90, -90])
def test_a_flash_of_up_to_six_frames_is_not(length: int, by: int) -> None:
    lit = [brighter(one, by if 30 <= n < 30 + length else 0) for n, one in enumerate(filmed(C, 70))]
    assert looks(lit) == []


@pytest.mark.parametrize("length", [1, 3, 6])
def test_something_that_passes_before_the_camera_is_not(length: int) -> None:
    assert looks([*filmed(A, 30), *filmed(B, length), *filmed(A, 31)]) == []


def test_another_picture_for_longer_than_that_is() -> None:
    assert looks([*moving(A, 30, 1), *moving(B, 7, 1), *moving(A, 30, 1)]) == [29, 36]


@pytest.mark.parametrize("held", [2, 3])
@pytest.mark.parametrize("speed", [1, 2, 4])
def test_animation_drawn_on_twos_or_threes_is_not(held: int, speed: int) -> None:
    drawn = moving(A, 60, speed)
    assert looks([picture for picture in drawn for _ in range(held)]) == []


@pytest.mark.parametrize("speed", [1, 3, 6, 11])
def test_fast_motion_is_not(speed: int) -> None:
    assert looks(moving(A, 150, speed)) == []


def test_a_slow_change_of_light_and_pictures_that_do_not_change_are_not() -> None:
    assert looks([brighter(A, index) for index in range(-60, 60)]) == []
    assert looks([A] * 230) == []
    assert looks([A]) == []


def test_a_small_change_is_not() -> None:
    assert looks([*[A] * 30, *[brighter(A, 3)] * 30]) == []


def told(index: int, low: int, high: int) -> Picture:
    """A black or white picture, by the half of the video it is in, whose number is in its first two bytes."""
    picture = np.full((HEIGHT, WIDTH, 3), 0 if index < low else 255, np.uint8)
    picture[0, 0, :2] = divmod(index, 256)
    picture[1:9, :, 0] ^= np.uint8(16 * (index % 8))  # no two in succession are the same picture
    return picture


def test_a_look_shows_every_picture_around_the_change_four_times(indices: Any) -> None:
    frames = np.stack([told(index, 120, 0) for index in range(200)])
    (look,) = slow_looks(Window(frames, 50, 100))
    assert look.index == 119
    assert look.frames.shape == (100, HEIGHT, WIDTH, 3) and look.frames.dtype == np.uint8
    shown = indices(look.frames)
    assert shown == [index for index in range(107, 132) for _ in range(TIMES)]
    assert len(shown) == PICTURES * TIMES
    assert (shown[look.position], shown[look.position + 1]) == (119, 120)


def test_of_pictures_that_are_held_each_is_shown_once_as_often_as_others(indices: Any) -> None:
    frames = np.stack([told(index - index % 3, 120, 0) for index in range(200)])
    (look,) = slow_looks(Window(frames, 50, 100))
    assert look.index == 119
    shown = indices(look.frames)
    assert shown == [index for index in range(117 - 36, 120 + 36, 3) for _ in range(TIMES)]
    assert (shown[look.position], shown[look.position + 1]) == (117, 120)


def test_at_half_the_frame_rate_every_second_frame_is_shown(numbered: Any, indices: Any) -> None:
    spans = list(windows_of(numbered(130), SPANS))
    assert indices(half_rate(spans[0])) == [min(max(index, 0), 129) for index in range(-50, 150, 2)]
    assert indices(half_rate(spans[1])) == [min(index, 129) for index in range(50, 250, 2)]
