"""From the network's scores to transitions, and from those to shots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.timeline import Shot, Transition

Floats = npt.NDArray[np.float32]

#: A score stands alone when both its neighbours are below this share of it.
_ALONE = 0.2
#: The second head marks a frame as part of a transition above the first value; in between it may sink to the other.
_PART, _PART_BETWEEN = 0.3, 0.2
#: A gradual transition that the second head marks needs this score of the first one, or ...
_SUPPORT = 0.3
#: ... this at half the frame rate, where a slow one looks like those the network knows.
_HALF_RATE = 0.5
#: An abrupt change needs this score in slow motion.
_SLOW = 0.4
#: A transition of at most so many frames is a hard cut: the second head may mark a frame on either side.
_HARD_FRAMES = 3


@dataclass(frozen=True)
class Scores:
    """What the network says about every frame of a video, float32 in 0..1.

    Args:
        single: (n,), the probability that a shot ends with the frame.
        many: (n,), the probability that the frame is part of a transition.
        half: (ceil(n / 2),), `single` of every second frame, seen at half the frame rate; 0 where not looked at.
        slow: (n,), `single` seen in slow motion; 0 where not looked at.
    """

    single: Floats
    many: Floats
    half: Floats
    slow: Floats

    @classmethod
    def empty(cls, frames: int) -> Scores:
        """Zero everywhere."""
        single, many, slow = np.zeros((3, frames), np.float32)
        return cls(single, many, np.zeros((frames + 1) // 2, np.float32), slow)


@dataclass(frozen=True)
class Thresholds:
    """`usual`: a frame ends a shot above this; `alone`: the same for a score that stands alone."""

    usual: float = 0.5
    alone: float = 0.2

    @property
    def decisive(self) -> tuple[float, ...]:
        """The scores of the first head near which a decision may turn."""
        return (self.usual, self.alone, _SUPPORT, _HALF_RATE, _SLOW)


USUAL_THRESHOLDS = Thresholds()


def is_sure(single: Floats, many: Floats, thresholds: Thresholds, doubt: float) -> bool:
    """Whether scores of successive frames that are off by up to `doubt` leave every decision as it is.

    They do where all are numbers, none is that near to a threshold, and no two so like one another that the peak of
    a transition may move. A transition that reaches the first or the last frame may have its peak beyond it.
    """
    likely = single > min(thresholds.decisive)
    marked = _marked(many)
    near = [np.abs(single - value) for value in thresholds.decisive]
    near += [np.abs(many - _PART), np.abs(_beside(single) - _ALONE * single)[likely] / (1 + _ALONE)]
    near += [np.abs(many[end:start].min() - _PART_BETWEEN) for end, start in _gaps(many)]
    if not all(np.all(distance >= doubt) for distance in near):  # false too for what is no number
        return False
    if likely[0] or likely[-1] or max(many[0], many[-1]) > _PART:
        return False
    rivals = [*_runs(single > thresholds.usual), *marked, *((start - 1, end + 1) for start, end in marked)]
    return all(_has_one_peak(single[start:end], thresholds, 2 * doubt) for start, end in rivals)


def _has_one_peak(single: Floats, thresholds: Thresholds, lead: float) -> bool:
    """Whether the highest of some scores is low, or higher than all others by so much."""
    ordered = np.sort(np.append(single, 0))
    return bool(ordered[-1] <= min(thresholds.decisive) or ordered[-1] - ordered[-2] >= lead)


def find_transitions(scores: Scores, thresholds: Thresholds) -> list[Transition]:
    """The transitions of a video, in order.

    A run of frames above the usual threshold is one transition, cut at its peak: the score says "the shot ends
    with this frame", so that the new shot begins one frame later. To these come

    - a score that stands alone, from a lower threshold on, where the picture changes abruptly: between two that are
      alike (talking heads before the same wall) the network is less sure of itself, but it names the one frame;
    - an abrupt change of the picture that is a cut when it is seen in slow motion, as between very short shots;
    - frames that the second head marks as a transition where the first one half agrees, at the usual or at half
      the frame rate: slow fades and dissolves.

    Frames that the second head marks without a gap are one transition, cut at its highest peak. A transition on the
    last frame cuts nothing.
    """
    peaks = dict(_peaks(scores, thresholds))
    for index in np.flatnonzero(scores.slow > _SLOW):
        if not any(near in peaks for near in range(index - 2, index + 3)):
            peaks[int(index)] = float(scores.slow[index])
    sharp = set(np.flatnonzero(_stands_alone(scores.single) | (scores.slow > _SLOW)))
    found = []
    for start, end in _marked(scores.many):
        inside = {peak: peaks.pop(peak) for peak in list(peaks) if start - 1 <= peak <= end}
        if not inside and end - start > _HARD_FRAMES and not _is_named(scores.single, start, end, thresholds):
            inside = _slow_transition(scores, start, end)
        found += _in_one_run(inside, sharp, start, end)
    found += [_hard(peak, score) for peak, score in peaks.items()]
    return sorted((one for one in found if one.cut < len(scores.single)), key=lambda one: one.cut)


def _in_one_run(peaks: dict[int, float], sharp: set[int], start: int, end: int) -> list[Transition]:
    """The transitions among frames `[start, end)` that the second head marks without a gap.

    Sharp peaks are hard cuts, several of them shots of a few frames. Otherwise it is one transition: at the sharp
    peak, where a fade ends in a cut, else at the highest.
    """
    if not peaks:
        return []
    cuts = [peak for peak in peaks if peak in sharp] or [max(peaks, key=lambda one: peaks[one])]
    if end - start <= _HARD_FRAMES or len(cuts) > 1:
        return [_hard(peak, peaks[peak]) for peak in cuts]
    peak = cuts[0]
    return [Transition("gradual", peak + 1, min(start, peak), max(end - 1, peak), round(peaks[peak], 4))]


def _hard(peak: int, score: float) -> Transition:
    return Transition("hard", peak + 1, peak, peak + 1, round(score, 4))


def _stands_alone(single: Floats) -> npt.NDArray[np.bool_]:
    """Where both neighbours of a score are far below it."""
    return _beside(single) < _ALONE * single


def _beside(single: Floats) -> Floats:
    """The higher one of the neighbours of every score."""
    padded = np.pad(single, 1)
    return np.maximum(padded[:-2], padded[2:])


def _peaks(scores: Scores, thresholds: Thresholds) -> Iterator[tuple[int, float]]:
    """The frame and the score of every transition the first head names on its own."""
    single = scores.single
    alone = _stands_alone(single) & (np.minimum(single, scores.slow) > thresholds.alone)
    for start, end in _runs((single > thresholds.usual) | alone):
        peak = start + int(np.argmax(single[start:end]))
        yield peak, float(single[peak])


def _slow_transition(scores: Scores, start: int, end: int) -> dict[int, float]:
    """The peak of frames that only the second head marks, if the first one half agrees."""
    peak = start + int(np.argmax(scores.single[start:end]))
    if scores.single[peak] > _SUPPORT:
        return {peak: float(scores.single[peak])}
    half = scores.half[start // 2 : (end + 1) // 2]
    best = int(np.argmax(half))
    if half[best] > _HALF_RATE:
        return {min(2 * (start // 2 + best) + 1, len(scores.single) - 1): float(half[best])}
    return {}


def needs_half_rate(single: Floats, many: Floats, thresholds: Thresholds) -> bool:
    """Whether the second head marks frames among these that the first one does not name as a transition."""
    return not all(_is_named(single, start, end, thresholds) for start, end in _marked(many))


def _is_named(single: Floats, start: int, end: int, thresholds: Thresholds) -> bool:
    """Whether the first head names a transition on or beside frames `[start, end)`."""
    return bool(single[max(start - 1, 0) : end + 1].max() > thresholds.usual)


def _marked(many: Floats) -> list[tuple[int, int]]:
    """The runs of frames that the second head marks, half-open."""
    joined: list[tuple[int, int]] = []
    for start, end in _runs(many > _PART):
        if joined and many[joined[-1][1] : start].min() > _PART_BETWEEN:
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _gaps(many: Floats) -> list[tuple[int, int]]:
    """What lies between frames that the second head marks for certain, half-open."""
    return [(end, start) for (_, end), (start, _) in pairwise(_runs(many > _PART))]


def _runs(positive: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The runs of true values, half-open."""
    edges = np.flatnonzero(np.diff(np.pad(positive, 1).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def drop_short_shots(transitions: Sequence[Transition], frames: int, shortest: int) -> list[Transition]:
    """Without the weakest transitions, until no shot is shorter than `shortest` frames.

    Of the two ends of a shot that is too short the weaker one goes; the beginning and end of the video stay.
    """
    kept = list(transitions)
    while kept:
        lengths = [len(shot) for shot in shots_between([one.cut for one in kept], frames)]
        shot = int(np.argmin(lengths))
        if lengths[shot] >= shortest:
            break
        ends = [end for end in (shot - 1, shot) if 0 <= end < len(kept)]
        del kept[min(ends, key=lambda end: kept[end].score)]
    return kept


def shots_between(cuts: Sequence[int], frames: int) -> tuple[Shot, ...]:
    """The shots that cuts leave: contiguous, half-open, from frame 0 to the last."""
    return tuple(Shot(start, end) for start, end in pairwise([0, *cuts, frames]))
