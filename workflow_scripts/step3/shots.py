"""From transition probabilities to shots."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.timeline import Shot


def find_cuts(probabilities: npt.NDArray[np.float32], threshold: float) -> list[int]:
    """Where new shots begin.

    A run of frames above the threshold is one transition, cut at its peak: the network's score says "the shot
    ends with this frame", so the new shot begins one frame later. A transition on the last frame cuts nothing.

    Args:
        probabilities: (n,), one per frame, in 0..1.
        threshold: a frame takes part in a transition when its probability is above this.

    Returns:
        ascending frame indices in 1..n-1.
    """
    positive = np.concatenate([[False], probabilities > threshold, [False]])
    edges = np.flatnonzero(np.diff(positive.astype(np.int8)))
    peaks = [start + int(np.argmax(probabilities[start:end])) for start, end in edges.reshape(-1, 2)]
    return [peak + 1 for peak in peaks if peak + 1 < len(probabilities)]


def shots_between(cuts: list[int], frames: int) -> tuple[Shot, ...]:
    """The shots that cuts leave: contiguous, half-open, from frame 0 to the last."""
    edges = [0, *cuts, frames]
    return tuple(Shot(start, end) for start, end in pairwise(edges))
