"""The frame clock: which frames a segment marks, and time codes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.clock import FrameClock, parse_timecode, timecode
from workflow_scripts.common.timeline import Segment

RATES = st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(1), Fraction(120)])
CLOCKS = st.builds(FrameClock, RATES, st.integers(0, 200))
SEGMENTS = st.tuples(st.floats(0, 20), st.floats(0, 20)).filter(lambda t: t[0] < t[1]).map(lambda t: Segment(*t))


def overlap(clock: FrameClock, index: int, segment: Segment) -> Fraction:
    """How much of a frame a segment covers, in frames."""
    begin = max(Fraction(segment.start), index / clock.fps)
    end = min(Fraction(segment.end), (index + 1) / clock.fps)
    return max(Fraction(0), end - begin) * clock.fps


@given(CLOCKS, SEGMENTS)
def test_a_segment_marks_exactly_the_frames_it_overlaps_by_half_a_frame_or_more(
    clock: FrameClock, segment: Segment
) -> None:
    marked = [i for i in range(clock.frames) if overlap(clock, i, segment) >= Fraction(1, 2)]
    assert list(clock.frames_of(segment)) == marked


@given(st.integers(0, 20), st.integers(1, 20), st.integers(1, 16), st.sampled_from([Fraction(1), Fraction(4)]))
def test_the_half_frame_itself_counts_and_anything_less_does_not(
    start: int, length: int, per: int, fps: Fraction
) -> None:
    clock = FrameClock(fps, 50)
    segment = Segment(start / per, (start + length) / per)
    marked = [i for i in range(clock.frames) if overlap(clock, i, segment) >= Fraction(1, 2)]
    assert list(clock.frames_of(segment)) == marked


@pytest.mark.parametrize(
    ("start", "end", "marked"),
    [
        (0.0, 0.04, [0]),
        (0.0, 0.019, []),
        (0.021, 0.059, []),  # a little of two frames, half of none
        (0.03, 0.07, [1]),
        (1.92, 1000.0, [48, 49]),  # it may end after the video
        (2.0, 3.0, []),
    ],
)
def test_frames_of_a_segment_at_25_frames_a_second(start: float, end: float, marked: list[int]) -> None:
    assert list(FrameClock(Fraction(25), 50).frames_of(Segment(start, end))) == marked


@given(CLOCKS, st.lists(SEGMENTS, max_size=5))
def test_the_mask_is_one_where_any_segment_marks_the_frame(clock: FrameClock, segments: list[Segment]) -> None:
    mask = clock.mask(segments)
    assert len(mask) == clock.frames
    assert [bool(mark) for mark in mask] == [
        any(i in clock.frames_of(segment) for segment in segments) for i in range(clock.frames)
    ]


@given(st.integers(0, 1_000_000), RATES)
def test_seconds_are_those_that_float_division_gives_rounded_to_a_millisecond(index: int, fps: Fraction) -> None:
    clock = FrameClock(fps, index + 1)
    assert clock.time(index) * fps == index
    assert abs(Fraction(clock.timecode_sec(index)) - clock.time(index)) <= Fraction(1, 2000) + Fraction(1, 10**9)
    assert FrameClock(Fraction(25), index + 1).timecode_sec(index) == round(index / 25, 3)


def test_the_length_of_a_clock_is_exact() -> None:
    assert FrameClock(Fraction(30000, 1001), 3).duration == Fraction(1001, 10000)


@given(st.integers(0, 400 * 3600 * 1000))
def test_a_time_code_read_back_is_the_same_time(milliseconds: int) -> None:
    seconds = Fraction(milliseconds, 1000)
    assert parse_timecode(timecode(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (Fraction(0), "00:00:00.000"),
        (Fraction(45, 25), "00:00:01.800"),
        (Fraction(1, 2000), "00:00:00.001"),  # half a millisecond rounds up
        (Fraction(59_9996, 10_000), "00:01:00.000"),
        (Fraction(3599_9995, 10_000), "01:00:00.000"),
        (Fraction(100 * 3600), "100:00:00.000"),
    ],
)
def test_time_codes_of_known_times(seconds: Fraction, text: str) -> None:
    assert timecode(seconds) == text


@pytest.mark.parametrize(
    "text", ["", "1", "00:00", "00:00:00", "00:00:-1.000", "00:00:1/0", "0:60:00.000", "a:b:c"]
)
def test_what_is_no_time_code_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="timecode"):
        parse_timecode(text)


@pytest.mark.parametrize(("fps", "frames"), [(Fraction(0), 1), (Fraction(-25), 1), (Fraction(25), -1)])
def test_a_clock_without_rate_or_with_fewer_than_no_frames_is_refused(fps: Fraction, frames: int) -> None:
    with pytest.raises(ValueError, match="frame clock"):
        FrameClock(fps, frames)
