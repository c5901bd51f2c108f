"""Sentences about what went wrong, grouped by their shape: what differs from case to case is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from workflow_scripts.common.events import printable

#: What stands for what was left out.
GAP = "…"
_VARYING = re.compile(
    r"“[^”]*”|‘[^’]*’|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)"  # what is quoted
    r"|(?<![^\s(\[“'=:])/[^\s,;:()]+"  # a path
    r"|\b[0-9a-f]{12,}\b"  # a digest
    r"|(?<![\w.])[-+]?\d+(?:[.,:]\d+)*"  # a number or a time, but not that of STEP4
)


@dataclass(frozen=True)
class Complaint:
    """One sentence about one video or step run, with the run it is from and when that step run ended."""

    sentence: str
    step: str
    run_id: int
    when: datetime
    video: str = ""
    project: str = ""


@dataclass(frozen=True)
class Reason:
    """All complaints of one shape: how often, in which steps, and the newest of them as an example."""

    shape: str
    count: int
    steps: tuple[str, ...]
    newest: Complaint


def shape_of(complaint: Complaint) -> str:
    """A sentence without names, paths and numbers."""
    text = complaint.sentence
    names = {complaint.video, Path(complaint.video).stem, complaint.project}
    shown = sorted((printable(name) for name in names if name.strip()), key=len, reverse=True)
    if shown:  # a name within a word is not that name
        text = re.sub("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in shown), GAP, text)
    text = " ".join(_VARYING.sub(GAP, text).split())
    return text.removeprefix(f"{GAP}: ") or GAP


def reasons(complaints: Iterable[Complaint]) -> tuple[Reason, ...]:
    """Complaints by shape, the most frequent first, then the newest."""
    found: dict[str, Reason] = {}
    for complaint in complaints:
        shape = shape_of(complaint)
        known = found.get(shape) or Reason(shape, 0, (), complaint)
        newest = max(known.newest, complaint, key=lambda one: (one.when, one.run_id))
        steps = tuple(sorted({*known.steps, complaint.step}))
        found[shape] = replace(known, count=known.count + 1, steps=steps, newest=newest)
    return tuple(sorted(found.values(), key=lambda one: (-one.count, -one.newest.when.timestamp(), one.shape)))
