"""How well found boundaries agree with true cuts: pure functions over frame indices.

The rules, for a tolerance of t frames:

- A boundary within t frames of a hard cut finds it. Each cut is found by one boundary and each boundary finds one
  cut; the nearest pairs first.
- A boundary that found no hard cut finds a gradual transition when it lies between its first and last mixed frame,
  t frames before and after included; with t = 0 that is the mixed frames themselves. One boundary finds one
  transition, and as many transitions are found as such pairs can be made.
- What is left is false, but for boundaries within t frames of an excused index. So the second boundary inside one
  gradual transition is false.

Nobody can tell of which kind a false boundary was meant to be, so each counts against hard cuts and against gradual
transitions alike, when these are looked at apart; what found the other kind is then set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.bench.shot_truth import CutTruth


@dataclass(frozen=True)
class Score:
    """How many cuts were there, how many of them were found, and how many boundaries are at none."""

    there: int
    found: int
    false: int

    @property
    def precision(self) -> float | None:
        """The share of boundaries that found something; None without any."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """The share of cuts that were found; None without any."""
        return _share(self.found, self.there)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None when there was nothing to find and nothing was."""
        return _share(2 * self.found, self.there + self.found + self.false)


@dataclass(frozen=True)
class Counts:
    """What was there and what was found, in one video or, added up, in many."""

    hard: int = 0
    hard_found: int = 0
    gradual: int = 0
    gradual_found: int = 0
    false: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.hard + other.hard,
            self.hard_found + other.hard_found,
            self.gradual + other.gradual,
            self.gradual_found + other.gradual_found,
            self.false + other.false,
        )

    def scores(self) -> dict[str, Score]:
        """Hard cuts and gradual transitions apart, and all together."""
        return {
            "hard": Score(self.hard, self.hard_found, self.false),
            "gradual": Score(self.gradual, self.gradual_found, self.false),
            "all": Score(self.hard + self.gradual, self.hard_found + self.gradual_found, self.false),
        }


def judge(boundaries: Iterable[int], truth: CutTruth, tolerance: int) -> Counts:
    """Compare the boundaries found in one video with its truth.

    Args:
        boundaries: first frames of new shots, in any order; one that is named twice counts once.
        truth: on the same clock as the boundaries.
        tolerance: in frames.
    """
    said = set(boundaries)
    at_hard = _at_cuts(said, truth.hard, tolerance)
    in_gradual = _in_spans(said - at_hard, truth.gradual, tolerance)
    left = said - at_hard - in_gradual
    false = [one for one in left if all(abs(one - index) > tolerance for index in truth.excused)]
    return Counts(len(truth.hard), len(at_hard), len(truth.gradual), len(in_gradual), len(false))


def _at_cuts(boundaries: Iterable[int], cuts: Sequence[int], tolerance: int) -> set[int]:
    """The boundaries that found a hard cut."""
    near = [(abs(one - cut), cut, one) for one in boundaries for cut in cuts if abs(one - cut) <= tolerance]
    matched: dict[int, int] = {}
    for _, cut, one in sorted(near):
        if cut not in matched and one not in matched.values():
            matched[cut] = one
    return set(matched.values())


def _in_spans(boundaries: Iterable[int], spans: Sequence[tuple[int, int]], tolerance: int) -> set[int]:
    """The boundaries that found a gradual transition.

    Giving each boundary, from the first on, the open transition that ends first makes as many pairs as can be.
    """
    opened = sorted(spans, key=lambda span: span[1])
    matched = set()
    for one in sorted(boundaries):
        for span in opened:
            if span[0] - tolerance <= one <= span[1] + tolerance:
                opened.remove(span)
                matched.add(one)
                break
    return matched


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
