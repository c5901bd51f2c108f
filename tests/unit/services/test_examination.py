"""The doctor's findings, kept for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.doctor import Finding
from services.examination import FRESH, Examination

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Doctor:
    """Counts how often it looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.time = NOON

    def look(self) -> list[Finding]:
        self.looks += 1
        return [Finding("disk", "note", f"look {self.looks}"), Finding("env", "problem", "missing")]


def test_findings_are_kept_until_they_are_old_or_somebody_asks() -> None:
    doctor = Doctor()
    examination = Examination(doctor.look, lambda: doctor.time)
    first = examination.recent()
    assert (first.when, first.problems, examination.recent()) == (NOON, 1, first)
    doctor.time += timedelta(minutes=1)
    again = examination.again()
    assert again.findings[0].text == "look 2" and again.when == doctor.time
    doctor.time += FRESH + timedelta(seconds=1)
    assert examination.recent().findings[0].text == "look 3"
    assert doctor.looks == 3
