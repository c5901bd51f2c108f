"""Rate, length and flaws follow from the time stamps alone."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.frame_times import FrameTimes, measure

MS = Fraction(1, 1000)


def times(
    ticks: list[int], base: Fraction = MS, *, last: int = 0, sound: Fraction | None = None, mpeg: bool = False
) -> FrameTimes:
    return measure(ticks, base, rates=[], last_ticks=last, sound_end=sound, leaps_are_jumps=mpeg)


RATES = [Fraction(25), Fraction(24), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(10)]


@given(
    rate=st.sampled_from(RATES),
    count=st.integers(30, 400),
    base=st.sampled_from([MS, Fraction(1, 90000), Fraction(1, 12800)]),
    start=st.integers(0, 5000),
)
def test_a_constant_rate_is_found_exactly_whatever_the_clock(
    rate: Fraction, count: int, base: Fraction, start: int
) -> None:
    ticks = [start + round(i / (rate * base)) for i in range(count)]
    found = measure(ticks, base, rates=[rate], last_ticks=0, sound_end=None, leaps_are_jumps=False)
    assert found.constant
    assert found.fps == rate
    assert found.duration == count / rate
    assert found.start == start * base
    assert found.jumps == 0


def test_the_rate_is_found_without_the_files_word_for_it() -> None:
    assert times([i * 40 for i in range(50)]).fps == 25
    assert times([round(i * 1001 / 30) for i in range(300)]).fps == Fraction(30000, 1001)


def test_one_picture_off_the_grid_makes_the_rate_variable() -> None:
    ticks = [i * 40 for i in range(50)]
    ticks[20] += 9
    assert not times(ticks).constant


def test_a_dropped_picture_makes_the_rate_variable() -> None:
    assert not times([i * 40 for i in range(50) if i != 20]).constant


@pytest.mark.parametrize(
    ("last", "sound", "seconds"),
    [
        (0, None, "2.55"),  # says nothing: like the gap before it
        (1, None, "2.55"),  # 1 ms, as FLV writes
        (500, None, "3"),  # a long last picture
        (8 * 3600 * 1000, None, "2.55"),  # eight hours is no last picture
        (60_000, None, "2.55"),  # nor is a minute without a reason
        (60_000, Fraction("62.5"), "62.5"),  # unless the sound goes on as long
    ],
)
def test_how_long_the_last_picture_stays(last: int, sound: Fraction | None, seconds: str) -> None:
    ticks = [i * 50 + (i % 2) * 10 for i in range(51)]  # variable, the last at 2.5 s
    usual = Fraction("2.5") + MS * 40  # the gap before is 40 ms
    expected = Fraction(seconds)
    found = times(ticks, last=last, sound=sound)
    assert found.duration == (usual if seconds == "2.55" else expected)


def test_a_clock_that_leaps_is_a_jump_in_mpeg_and_a_long_picture_elsewhere() -> None:
    ticks = [0, 40, 80, 30_080, 30_120]
    assert times(ticks, mpeg=True).jumps == 1
    assert times(ticks, mpeg=True).duration == Fraction("0.2")
    assert times(ticks).jumps == 0
    assert times(ticks).longest_gap == 30


def test_time_that_runs_backwards_is_a_jump() -> None:
    found = times([0, 40, 80, 0, 40, 80])
    assert found.jumps == 1
    assert found.duration == Fraction("0.24")


def test_one_single_picture_has_a_length() -> None:
    assert times([0], last=40).duration == Fraction("0.04")
    assert measure([7], MS, rates=[Fraction(25)], last_ticks=0, sound_end=None, leaps_are_jumps=False).fps == 25


def test_after_a_slow_end_the_last_picture_stays_as_long_as_the_one_before() -> None:
    fast = [5000 + round(i * 50 / 3) for i in range(180)]
    found = times([0, 1000, 2000, 3000, 4000, *fast, 8000, 9000, 10_000, 11_000, 12_000])
    assert not found.constant
    assert found.duration == 13
