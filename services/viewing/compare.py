"""Two results of one step for one video, now and then: where they differ, and by how much. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from services.viewing.compare_faces import face_differences
from services.viewing.index import Index, runs_of

#: Frames by which a cut may be off and still be the same one, moved: half a second.
MOVED = 12


@dataclass(frozen=True)
class Difference:
    """Frames, half-open, 0-based, in which two results differ.

    `only_now`, `only_then`: a cut, or speech, that only one has; `moved`: a cut that lies elsewhere; `speakers`:
    others speak; `count`: another number of faces; `place`: faces elsewhere; `speaking`: others of them speak.
    """

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Figure:
    """A figure of both results."""

    name: str
    now: float
    then: float


@dataclass(frozen=True)
class Comparison:
    """How two results compare over the frames that both have.

    Args:
        agreement: 0..1. Of shots, cuts in the very same place by all (F1); of the others, frames that are the same.
        figures: of both.
        differing_seconds: how long they differ; of shots, None.
        differences: in order of time.
    """

    agreement: float
    figures: tuple[Figure, ...]
    differing_seconds: float | None
    differences: tuple[Difference, ...]


def compare_shots(now: Index, then: Index) -> Comparison:
    """Cuts that only one has, and such as have moved by at most half a second."""
    ours, theirs = (set(index["shots"]["start"][1:].tolist()) for index in (now, then))
    same = ours & theirs
    moved = _moved(ours - same, theirs - same)
    found = [Difference(min(pair), max(pair) + 1, "moved") for pair in moved]
    found += [Difference(cut, cut + 1, "only_now") for cut in ours - same - {one for one, _ in moved}]
    found += [Difference(cut, cut + 1, "only_then") for cut in theirs - same - {one for _, one in moved}]
    figures = (_frames(now, then), Figure("shots", len(now["shots"]), len(then["shots"])))
    agreement = 2 * len(same) / (len(ours) + len(theirs)) if ours or theirs else 1.0
    return Comparison(agreement, figures, None, tuple(sorted(found, key=lambda one: one.start)))


def compare_sound(now: Index, then: Index, fps: Fraction) -> Comparison:
    """Frames with speech in only one, and those in which others speak, speakers mapped one to one as is best."""
    length = min(len(now["voices"]), len(then["voices"]))
    pairs = np.stack([now["voices"][:length], then["voices"][:length]], axis=1)
    unique, inverse, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    sets = [[frozenset(labels) for labels in index.meta["voices"]] for index in (now, then)]
    voices = [(sets[0][ours], sets[1][theirs]) for ours, theirs in unique.tolist()]
    mapping = _best_mapping(voices, counts.tolist())
    kinds = np.array([_speech_kind(*pair, mapping) for pair in voices], np.uint8)
    per_frame = kinds[inverse.reshape(-1)] if length else np.zeros(0, np.uint8)
    figures = (
        _frames(now, then),
        Figure("speech_seconds", *(float(np.count_nonzero(one["voices"]) / fps) for one in (now, then))),
        Figure("speakers", len(now.meta["speakers"]), len(then.meta["speakers"])),
        Figure("turns", len(now["turns"]), len(then["turns"])),
    )
    return _by_frame(per_frame, ("only_now", "only_then", "speakers"), figures, fps)


def compare_faces(now: Index, then: Index, fps: Fraction) -> Comparison:
    """Frames with another number of faces, with faces elsewhere, or in which others of them speak."""
    per_frame = face_differences(now, then)
    figures = (
        _frames(now, then),
        Figure("faces", len(now["detections"]), len(then["detections"])),
        Figure("identities", len(now.meta["ids"]), len(then.meta["ids"])),
        Figure("speaking_faces", *(int(one["detections"]["speaking"].sum()) for one in (now, then))),
        Figure("frames_with_faces", *(int((np.diff(one["offsets"]) > 0).sum()) for one in (now, then))),
    )
    return _by_frame(per_frame, ("count", "place", "speaking"), figures, fps)


#: How the results of a step are compared.
COMPARE: Mapping[str, Callable[[Index, Index, Fraction], Comparison]] = {
    "STEP3": lambda now, then, _fps: compare_shots(now, then),
    "STEP4": compare_sound,
    "STEP5": compare_faces,
}


def _frames(now: Index, then: Index) -> Figure:
    return Figure("frames", now.meta["frames"] or 0, then.meta["frames"] or 0)


def _by_frame(
    kinds: NDArray[np.uint8], names: tuple[str, ...], figures: tuple[Figure, ...], fps: Fraction
) -> Comparison:
    """What numbers for each frame come to: 0 is the same, 1 the first of the names, and so on."""
    found = [
        Difference(start, end, name)
        for number, name in enumerate(names, 1)
        for start, end in runs_of(kinds == number).tolist()
    ]
    differing = int(np.count_nonzero(kinds))
    agreement = 1 - differing / len(kinds) if len(kinds) else 1.0
    ordered = tuple(sorted(found, key=lambda one: one.start))
    return Comparison(agreement, figures, float(differing / fps), ordered)


def _moved(ours: set[int], theirs: set[int]) -> list[tuple[int, int]]:
    """Cuts of both that belong together, the nearest first, each used once."""
    near = sorted(
        (abs(one - other), one, other)
        for one in ours
        for other in range(one - MOVED, one + MOVED + 1)
        if other in theirs
    )
    found: list[tuple[int, int]] = []
    taken: set[tuple[int, int]] = set()
    for _, one, other in near:
        if not {(0, one), (1, other)} & taken:
            taken |= {(0, one), (1, other)}
            found.append((one, other))
    return found


def _speech_kind(ours: frozenset[str], theirs: frozenset[str], mapping: Mapping[str, str]) -> int:
    if bool(ours) != bool(theirs):
        return 1 if ours else 2
    return 0 if ours == {mapping.get(label, f"then {label}") for label in theirs} else 3


def _best_mapping(voices: list[tuple[frozenset[str], frozenset[str]]], counts: list[int]) -> dict[str, str]:
    """Speakers of then to those of now, one to one, so that most frames agree."""
    from scipy.optimize import linear_sum_assignment  # takes a while to load, and is seldom wanted

    ours = sorted({label for pair in voices for label in pair[0]})
    theirs = sorted({label for pair in voices for label in pair[1]})
    together = np.zeros((len(theirs), len(ours)))
    for (now, then), count in zip(voices, counts, strict=True):
        for other in then:
            for one in now:
                together[theirs.index(other), ours.index(one)] += count
    rows, columns = linear_sum_assignment(-together)
    return {theirs[row]: ours[column] for row, column in zip(rows, columns, strict=True) if together[row, column]}
