"""From the time stamps of decoded pictures to rate, length and flaws of a video; pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

#: A grid of pictures may be off by this much and still be one: containers that count milliseconds round to it.
TOLERANCE = Fraction(1, 1000)
#: In MPEG streams a leap beyond this is a broken clock, not a long picture (as ffmpeg has it).
LEAP = Fraction(10)
#: A last picture may claim this long to stay without a reason.
LAST_PICTURE = Fraction(10)

_COMMON = [Fraction(n) for n in (10, 12, 15, 24, 25, 30, 48, 50, 60, 100, 120, 240)]
_COMMON += [Fraction(n * 1000, 1001) for n in (12, 15, 24, 30, 48, 60, 120, 240)]


@dataclass(frozen=True)
class FrameTimes:
    """Rate and length of a row of pictures, seconds; see `MediaInfo` for the meaning of each."""

    fps: Fraction
    constant: bool
    start: Fraction
    duration: Fraction
    last_picture: Fraction
    jumps: int
    longest_gap: Fraction


def measure(
    ticks: Sequence[int],
    time_base: Fraction,
    *,
    rates: Iterable[Fraction],
    last_ticks: int,
    sound_end: Fraction | None,
    leaps_are_jumps: bool,
) -> FrameTimes:
    """Measure a row of at least one picture.

    Args:
        ticks: when each decoded picture is shown, in units of `time_base`, in decoding order.
        rates: what the file says its rate is, most trusted first.
        last_ticks: how long the last picture says it stays; 0 when it does not say.
        sound_end: when the sound ends, in seconds on the same clock.
        leaps_are_jumps: whether the container is one whose clock may leap (MPEG program and transport streams).
    """
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    leap = LEAP / time_base
    sane = [gap for gap in gaps if gap > 0 and not (leaps_are_jumps and gap > leap)]
    jumps = len(gaps) - len(sane)
    stated = next(iter(rates), Fraction(25))
    usual = median_low(sane) if sane else max(1, round(1 / (stated * time_base)))
    longest = max(sane, default=usual)
    near_end = gaps[-1] if gaps and 0 < gaps[-1] * time_base <= 1 else usual
    last = _last(last_ticks, near_end, longest, time_base, ticks[-1], sound_end)
    duration = (sum(sane) + jumps * usual + last) * time_base
    grid = _grid(ticks, time_base, rates) if not jumps else None
    return FrameTimes(
        fps=grid or len(ticks) / duration,
        constant=grid is not None,
        start=ticks[0] * time_base,
        duration=len(ticks) / grid if grid else duration,
        last_picture=last * time_base,
        jumps=jumps,
        longest_gap=longest * time_base,
    )


def _last(
    claimed: int, before: int, longest: int, time_base: Fraction, last_tick: int, sound_end: Fraction | None
) -> int:
    """How long the last picture stays, in ticks: its own word if that can be, else the gap before it.

    Containers write 1 ms or eight hours there; 9/90000 s stands in a real phone file.
    """
    reasons = [Fraction(longest), LAST_PICTURE / time_base]
    if sound_end is not None:
        reasons.append(sound_end / time_base - last_tick)
    return claimed if before / 2 <= claimed <= max(reasons) else before


def _grid(ticks: Sequence[int], time_base: Fraction, rates: Iterable[Fraction]) -> Fraction | None:
    """The constant rate on whose grid every picture lies within the tolerance, the best where several fit."""
    if len(ticks) == 1:
        return next(iter(rates), None)
    mean = (len(ticks) - 1) / ((ticks[-1] - ticks[0]) * time_base)
    near = [rate for rate in _COMMON if abs(rate - mean) < mean / 100]
    candidates = dict.fromkeys([*rates, *near, mean.limit_denominator(1001)])
    candidates.pop(Fraction(0), None)  # less than a picture in half an hour
    fits = {rate: error for rate in candidates if (error := _worst(ticks, time_base, rate)) is not None}
    return min(fits, key=lambda rate: fits[rate]) if fits else None


def _worst(ticks: Sequence[int], time_base: Fraction, rate: Fraction) -> Fraction | None:
    """The largest distance in seconds of a picture from the grid of `rate`, None beyond the tolerance."""
    allowed = min(max(TOLERANCE, time_base), 1 / (4 * rate))
    step = 1 / (rate * time_base)  # ticks a picture
    limit = allowed / time_base * step.denominator
    worst = 0
    for index, tick in enumerate(ticks):
        off = abs((tick - ticks[0]) * step.denominator - index * step.numerator)
        if off > limit:
            return None
        worst = max(worst, off)
    return worst * time_base / step.denominator
