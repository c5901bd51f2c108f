"""What STEP3 finds in made-up sequences, whose transitions are known (`benchmarks/shots/transitions.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.bench.scripts import Show, results_of, script_command
from services.bench.shot_accuracy import Counts, judge
from services.bench.shot_truth import CutTruth, load_truth

#: Frames that a boundary may be off: none between pictures that were joined, some where it is a matter of taste.
_AT_CUTS, _AT_FADES = 0, 2


@dataclass(frozen=True)
class MadeUpResult:
    """Agreement with the truth over all sequences of one kind: by STEP3's rules, and by the package's rule."""

    group: str
    frames: int
    found: Counts
    package: Counts

    def __add__(self, other: MadeUpResult) -> MadeUpResult:
        return MadeUpResult(
            self.group, self.frames + other.frames, self.found + other.found, self.package + other.package
        )


def measure_made_up(folder: Path, show: Show) -> list[MadeUpResult]:
    """Make sequences of a folder's videos, whose cuts `truth.json` tells, and judge what is found in them.

    Raises:
        UsageError: the truth is missing or garbled.
        ToolError: it failed.
    """
    load_truth(folder)  # raises
    results: dict[str, MadeUpResult] = {}
    command = script_command("transnet_env", "transitions", str(folder.absolute()))
    for said in results_of(command, "transitions failed"):
        one = _judged(said)
        if one.group not in results:
            show(one.group)
        results[one.group] = results[one.group] + one if one.group in results else one
    return list(results.values())


def _judged(said: dict[str, Any]) -> MadeUpResult:
    truth = CutTruth(tuple(said["hard"]), tuple((first, last) for first, last in said["gradual"]))
    tolerance = _AT_CUTS if truth.hard else _AT_FADES
    found, package = (judge(said[which], truth, tolerance) for which in ("found", "package"))
    return MadeUpResult(said["group"], said["frames"], found, package)
