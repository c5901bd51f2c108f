"""The mel spectrogram that the GE2E speaker encoder was trained on, in NumPy."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.engine import SAMPLE_RATE, Sound

MEL_BANDS = 40
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FRAME_RATE = SAMPLE_RATE // HOP_SAMPLES
"""Mel frames per second: 100."""
BLOCK_FRAMES = 4096
KEPT_BLOCKS = 4
"""Blocks of 41 s that are kept, 0.7 MB each: as many as the windows lie in that are compared at one time."""
TARGET_LEVEL_DB = -30.0
"""Level quiet sound is raised to before the spectrogram; louder sound is left alone, as in Resemblyzer."""


def frame_count(samples: int) -> int:
    """How many mel frames a sound has: one per 160 samples, and one more unless there is no sound."""
    return 1 + samples // HOP_SAMPLES if samples else 0


class MelSpectrogram:
    """The power mel spectrogram of a sound, computed where it is looked at: slices of float32 `(frames, 40)`.

    Equals librosa 0.9's `melspectrogram(sr=16000, n_fft=400, hop_length=160, n_mels=40)` with centred frames
    and zero padding, after Resemblyzer's volume normalisation. Frames are 10 ms. The last blocks that were looked
    at are kept; any number of threads may look.
    """

    def __init__(self, sound: Sound, power: float) -> None:
        """Take a sound and its mean power."""
        self._sound = sound
        self._gain = np.float32(max(1.0, 10 ** ((TARGET_LEVEL_DB - 10 * np.log10(power + 1e-12)) / 20)))
        self._kept: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return frame_count(len(self._sound))

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(len(self))
        found = np.empty((max(0, stop - start), MEL_BANDS), np.float32)
        for first in range(start - start % BLOCK_FRAMES, stop, BLOCK_FRAMES):
            begin, end = max(start, first), min(stop, first + BLOCK_FRAMES)
            found[begin - start : end - start] = self._block(first)[begin - first : end - first]
        return found

    def _block(self, first: int) -> NDArray[np.float32]:
        """The block that begins with frame `first`, float32 `(up to BLOCK_FRAMES, 40)`."""
        with self._lock:
            if first not in self._kept:
                while len(self._kept) >= KEPT_BLOCKS:
                    self._kept.popitem(last=False)
                self._kept[first] = self._computed(first)
            self._kept.move_to_end(first)
            return self._kept[first]

    def _computed(self, first: int) -> NDArray[np.float32]:
        frames = _centred_frames(self._sound, first, min(BLOCK_FRAMES, len(self) - first))
        spectrum = np.abs(np.fft.rfft(frames * _WINDOW * self._gain, axis=1)).astype(np.float32)
        return np.asarray(np.square(spectrum) @ _FILTERS)


def _centred_frames(sound: Sound, first: int, count: int) -> NDArray[np.float32]:
    """Frames `first` to `first + count`, float32 `(count, 400)`; frame i is centred on sample 160 i."""
    begin = first * HOP_SAMPLES - FRAME_SAMPLES // 2
    end = begin + (count - 1) * HOP_SAMPLES + FRAME_SAMPLES
    inside = sound[max(0, begin) : min(end, len(sound))]
    padded = np.pad(inside, (max(0, -begin), max(0, end - len(sound))))
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]


def _mel_of_hertz(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    above = 15 + np.log(np.maximum(hertz, 1e-9) / 1000) / (np.log(6.4) / 27)
    return np.where(hertz >= 1000, above, hertz * 3 / 200)


def _hertz_of_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel >= 15, 1000 * np.exp((np.log(6.4) / 27) * (mel - 15)), mel * 200 / 3)


def _mel_filters() -> NDArray[np.float32]:
    """Triangular filters of equal area over the 201 FFT bins, float32 `(201, 40)`."""
    top = SAMPLE_RATE / 2
    bins = np.linspace(0, top, FRAME_SAMPLES // 2 + 1)
    limits = _mel_of_hertz(np.array([0.0, top]))
    edges = _hertz_of_mel(np.linspace(limits[0], limits[1], MEL_BANDS + 2))
    widths = np.diff(edges)
    ramps = edges[:, None] - bins[None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]))
    return np.ascontiguousarray((triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).T, dtype=np.float32)


_FILTERS = _mel_filters()
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES)).astype(np.float32)
