"""Sound in a file instead of memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step4.engine import BLOCK_SAMPLES
from workflow_scripts.step4.sound import Levels, blocks, clean_sound, mean_power, record

RNG = np.random.default_rng(0)


def samples(count: int) -> np.ndarray:
    return RNG.integers(-20000, 20000, count).astype("<i2")


def pieces(values: np.ndarray, size: int) -> Iterator[bytes]:
    for start in range(0, len(values), size):
        yield values[start : start + size].tobytes()


@pytest.mark.parametrize("part", [slice(None), slice(3, 5), slice(990, 2000), slice(-7, None), slice(5, 3)])
def test_a_part_is_what_it_is_of_the_sound_in_memory(tmp_path: Path, part: slice) -> None:
    values = samples(1000)
    with record(pieces(values, 300), tmp_path) as sound:
        assert len(sound) == 1000
        assert sound[part].dtype == np.float32
        assert np.array_equal(sound[part], values[part] / np.float32(32768))


def test_more_than_a_block_is_read_in_one_go(tmp_path: Path) -> None:
    values = samples(2 * BLOCK_SAMPLES + 17)
    with record(pieces(values, 1 << 19), tmp_path) as sound:
        assert np.array_equal(sound[5:], values[5:] / np.float32(32768))
        assert [len(block) for block in blocks(sound)] == [BLOCK_SAMPLES, BLOCK_SAMPLES, 17]


def test_only_what_follows_each_other_is_read(tmp_path: Path) -> None:
    with record([samples(10).tobytes()], tmp_path) as sound, pytest.raises(ValueError, match="forwards"):
        sound[::2]


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    values = samples(100_000)
    right: list[bool] = []

    def read(start: int) -> None:
        for begin in range(start, 90_000, 997):
            right.append(
                np.array_equal(sound[begin : begin + 800], values[begin : begin + 800] / np.float32(32768))
            )

    with record([values.tobytes()], tmp_path) as sound:
        threads = [threading.Thread(target=read, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(right) > 300 and all(right)


def test_no_name_is_ever_left_in_the_folder(tmp_path: Path) -> None:
    with record([samples(10).tobytes()], tmp_path) as sound:
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="closed"):
        sound[0:1]


def test_an_error_while_it_is_written_passes_through(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"\0\0"
        raise RuntimeError("the decoder stopped")

    with pytest.raises(RuntimeError, match="the decoder stopped"):
        record(failing(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.sampled_from([0, 100, 32767, -32768]), max_size=40), st.integers(1, 7))
def test_samples_are_clipped_where_three_follow_each_other_at_full_scale(values: list[int], size: int) -> None:
    levels = Levels()
    for start in range(0, len(values), size):
        levels.add(np.array(values[start : start + size], np.int16))
    text = "".join("#" if abs(value) >= 32767 else "." for value in values)
    expected = sum(len(run) for run in text.split(".") if len(run) >= 3)
    assert levels.clipped == pytest.approx(expected / max(1, len(values)))


def test_levels_are_those_of_the_whole_sound(tmp_path: Path) -> None:
    values = np.concatenate([np.full(500, 16384), np.full(500, -32768), np.zeros(1000)]).astype("<i2")
    with record(pieces(values, 300), tmp_path) as sound:
        assert sound.levels.peak == 1.0
        assert sound.levels.clipped == 0.25
        assert sound.levels.mean_power == mean_power(sound) == mean_power(sound[:]) == (0.25 + 1) / 4
    with record([], tmp_path) as empty:
        assert (len(empty), empty.levels.peak, empty.levels.clipped, mean_power(empty)) == (0, 0, 0, 0)
    assert mean_power(np.zeros(0, np.float32)) == 0


def test_a_part_of_a_damaged_sound_is_clean() -> None:
    damaged = np.array([0.5, np.nan, np.inf, 3.0, -2.0], np.float32)
    clean = clean_sound(damaged)
    assert clean[1:].tolist() == [0, 0, 1, -1]
    assert clean_sound(clean) is clean and len(clean) == 5
    assert mean_power(clean) == pytest.approx((0.25 + 2) / 5)
    with pytest.raises(ValueError, match="one axis"):
        clean_sound(np.zeros((2, 10), np.float32))
