"""Measuring whether the sound of a converted video lies where it lay in the source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.media import open_media

#: Loudness is compared in steps of this many seconds.
STEP = Fraction(1, 200)
WINDOW_S = 10
_SEARCH = 60  # steps to either side: 0.3 s


def loudness(path: Path, stream: int, zero: Fraction, seconds: Fraction) -> NDArray[np.float32]:
    """Root mean square of a sound track per step, float32 `(n,)`, from `zero` on the file's clock, silence where
    there is no sound; damaged packets are passed over."""
    import av

    count = int(seconds / STEP) + 1
    energy, samples = np.zeros(count), np.zeros(count)
    with open_media(path) as container:
        for packet in container.demux(container.streams[stream]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if isinstance(frame, av.AudioFrame) and frame.pts is not None and frame.time_base is not None:
                    begin = (frame.pts * Fraction(frame.time_base) - zero) / STEP
                    _add(frame, float(begin), energy, samples)
    curve: NDArray[np.float32] = np.sqrt(energy / np.maximum(samples, 1)).astype(np.float32)
    return curve


def _add(frame: object, begin: float, energy: NDArray[np.float64], samples: NDArray[np.float64]) -> None:
    from av import AudioFrame

    assert isinstance(frame, AudioFrame)
    wave = frame.to_ndarray().astype(np.float64)
    if not frame.format.is_planar:
        wave = wave.reshape(-1, len(frame.layout.channels)).T
    if frame.format.name.startswith("u8"):
        wave -= 128
    per_sample = 1 / (frame.sample_rate * float(STEP))
    steps = np.floor(begin + np.arange(wave.shape[1]) * per_sample).astype(np.int64)
    inside = (steps >= 0) & (steps < len(energy))
    if not inside.any():
        return
    steps, power = steps[inside], (wave.mean(axis=0) ** 2)[inside]
    first, last = steps[0], steps[-1] + 1
    energy[first:last] += np.bincount(steps - first, weights=power)
    samples[first:last] += np.bincount(steps - first)


def lags(before: NDArray[np.float32], after: NDArray[np.float32]) -> dict[str, float]:
    """Seconds by which the sound came later, at `start`, `middle` and `end`; a place where loudness does not
    change enough to tell is left out."""
    count, window = min(len(before), len(after)), int(WINDOW_S / STEP)
    window = min(window, count)
    places = {"start": 0, "middle": (count - window) // 2, "end": count - window}
    found = {}
    for name, first in places.items():
        lag = _lag(before[first : first + window], after[first : first + window])
        if lag is not None:
            found[name] = lag * float(STEP)
    return found


def _lag(before: NDArray[np.float32], after: NDArray[np.float32]) -> int | None:
    """The shift in steps at which two loudness curves agree best, None when they hardly agree anywhere."""
    reach = min(_SEARCH, len(before) // 3)
    core = _normal(before[reach : len(before) - reach])
    if core is None:
        return None
    scores = []
    for shift in range(-reach, reach + 1):
        part = _normal(after[reach + shift : len(after) - reach + shift])
        scores.append(0.0 if part is None else float(core @ part))
    best = max(scores)
    if best < 0.6:
        return None
    # A steady pulse agrees at several shifts: the smallest of the nearly best ones is meant.
    return min((abs(i - reach), i - reach) for i, score in enumerate(scores) if score >= best - 0.005)[1]


def _normal(curve: NDArray[np.float32]) -> NDArray[np.float64] | None:
    centred = curve - np.float64(curve.mean()) if len(curve) else np.zeros(0)
    size = float(np.linalg.norm(centred))
    if not len(curve) or size < 1e-4 * max(1e-9, float(np.abs(curve).max())) * len(curve):
        return None
    return centred / size
