"""From transition probabilities to shots."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.timeline import Shot

#: A score stands alone when both its neighbours are below this share of it.
_ALONE = 0.2


def find_cuts(
    probabilities: npt.NDArray[np.float32], threshold: float, hard_cut_threshold: float | None = None
) -> list[int]:
    """Where new shots begin.

    A run of frames above the threshold is one transition, cut at its peak: the network's score says "the shot
    ends with this frame", so the new shot begins one frame later. A score that stands alone is a hard cut from a
    lower threshold on: between two pictures that are alike (talking heads before the same wall) the network is
    less sure of itself, but it names the one frame. A transition on the last frame cuts nothing.

    Args:
        probabilities: (n,), one per frame, in 0..1.
        threshold: a frame takes part in a transition when its probability is above this.
        hard_cut_threshold: the same for a frame that stands alone; None is `threshold`.

    Returns:
        ascending frame indices in 1..n-1.
    """
    padded = np.concatenate([[0.0], probabilities, [0.0]])
    neighbours = np.maximum(padded[:-2], padded[2:])
    alone = (neighbours < _ALONE * probabilities) & (probabilities > (hard_cut_threshold or threshold))
    positive = np.concatenate([[False], (probabilities > threshold) | alone, [False]])
    edges = np.flatnonzero(np.diff(positive.astype(np.int8)))
    peaks = [int(start) + int(np.argmax(probabilities[start:end])) for start, end in edges.reshape(-1, 2)]
    return [peak + 1 for peak in peaks if peak + 1 < len(probabilities)]


def shots_between(cuts: list[int], frames: int) -> tuple[Shot, ...]:
    """The shots that cuts leave: contiguous, half-open, from frame 0 to the last."""
    return tuple(Shot(start, end) for start, end in pairwise([0, *cuts, frames]))
