"""Periods of whole days on this machine's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.runs.rows import moment

#: The most days of a period.
LONGEST = 366
#: Periods of more days are looked at by weeks where a day alone would say little.
_BY_WEEKS = 31
#: Days before and after these are taken for them: nothing happened there, and calendars end.
_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 31)


@dataclass(frozen=True)
class Period:
    """The days from `first` to `last`, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> tuple[date, ...]:
        """Every day, the first one first."""
        return tuple(self.first + timedelta(days=number) for number in range(self.length))

    @property
    def length(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    @property
    def bounds(self) -> tuple[str, str]:
        """Its beginning and its end, half-open, as the store writes times."""
        return _midnight(self.first), _midnight(self.last + timedelta(days=1))

    @property
    def weekly(self) -> bool:
        """Whether it is long enough to be looked at by weeks."""
        return self.length > _BY_WEEKS

    @property
    def stretches(self) -> tuple[date, ...]:
        """The first day of each stretch: its days, or its weeks (from Monday) where it is long."""
        return tuple(dict.fromkeys(map(self.stretch_of, self.days)))

    def stretch_of(self, day: date) -> date:
        """The first day of the stretch that a day is in; the first week of a period may lack days."""
        return max(self.first, day - timedelta(days=day.weekday())) if self.weekly else day


def period_of(today: date, days: int = 30, first: date | None = None, last: date | None = None) -> Period:
    """The period that is asked for: the last `days`, or from `first` to `last` in whichever order.

    Where only one end is given, the other is `days` away, and never later than today; no period is longer than
    `LONGEST` days: its beginning gives way.
    """
    span = timedelta(days=min(max(days, 1), LONGEST) - 1)
    first, last = (None if day is None else min(max(day, _FIRST), _LAST) for day in (first, last))
    if first is None:
        last = last or today
        first = last - span
    elif last is None:
        last = max(first, min(today, first + span))
    first, last = min(first, last), max(first, last)
    return Period(max(first, last - timedelta(days=LONGEST - 1)), last)


def day_of(stored: str) -> date:
    """The day, on this machine's calendar, of a time as the store writes it."""
    return datetime.fromisoformat(stored).astimezone().date()


def _midnight(day: date) -> str:
    return moment(datetime.combine(day, time()).astimezone(UTC))
