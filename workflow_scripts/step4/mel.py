"""The mel spectrogram that the GE2E speaker encoder was trained on, in NumPy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.engine import SAMPLE_RATE, Waveform

MEL_BANDS = 40
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
FRAME_RATE = SAMPLE_RATE // HOP_SAMPLES
"""Mel frames per second: 100."""
BLOCK_FRAMES = 4096
TARGET_LEVEL_DB = -30.0
"""Level quiet sound is raised to before the spectrogram; louder sound is left alone, as in Resemblyzer."""


def frame_count(samples: int) -> int:
    """How many mel frames a sound has: one per 160 samples, and one more unless there is no sound."""
    return 1 + samples // HOP_SAMPLES if samples else 0


def mel_spectrogram(waveform: Waveform) -> NDArray[np.float32]:
    """Return the power mel spectrogram of the sound, float32 `(1 + samples // 160, 40)`, 10 ms a frame.

    Equals librosa 0.9's `melspectrogram(sr=16000, n_fft=400, hop_length=160, n_mels=40)` with centred frames
    and zero padding, after Resemblyzer's volume normalisation.
    """
    spectrogram = np.empty((frame_count(len(waveform)), MEL_BANDS), np.float32)
    if not len(waveform):
        return spectrogram
    gain = _gain(waveform)
    for first, frames in _centred_frames(waveform):
        spectrum = np.abs(np.fft.rfft(frames * _WINDOW * gain, axis=1)).astype(np.float32)
        spectrogram[first : first + len(frames)] = np.square(spectrum) @ _FILTERS
    return spectrogram


def _gain(waveform: Waveform) -> np.float32:
    power = float(np.dot(waveform, waveform)) / len(waveform)
    level_db = 10 * np.log10(power + 1e-12)
    return np.float32(max(1.0, 10 ** ((TARGET_LEVEL_DB - level_db) / 20)))


def _centred_frames(waveform: Waveform) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (index of the first frame, frames `(n, 400)`) block by block; frame i is centred on sample 160 i."""
    half = FRAME_SAMPLES // 2
    total = frame_count(len(waveform))
    for first in range(0, total, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, total - first)
        begin = first * HOP_SAMPLES - half
        end = begin + (count - 1) * HOP_SAMPLES + FRAME_SAMPLES
        inside = waveform[max(0, begin) : min(end, len(waveform))]
        padded = np.pad(inside, (max(0, -begin), max(0, end - len(waveform))))
        yield first, np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]


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
