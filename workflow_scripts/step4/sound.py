"""Sound that need not lie in memory: samples in a file without a name, and what is known of them beforehand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.engine import BLOCK_SAMPLES, Sound, Waveform, clean_waveform

FULL_SCALE = 32768
"""What the 16-bit samples of a file are divided by."""
SAMPLE_BYTES = 2


class Levels:
    """How loud a sound is, found while its 16-bit samples come by piece by piece."""

    def __init__(self) -> None:
        self._samples = 0
        self._power = 0.0
        self._peak = 0
        self._clipped = 0
        self._before = np.zeros(3, bool)  # which of the last three samples are at full scale

    def add(self, values: NDArray[np.int16]) -> None:
        """Take the samples that follow."""
        wide = values.astype(np.float64)
        size = np.abs(wide)
        self._samples += len(values)
        self._power += float(np.dot(wide, wide))
        self._peak = max(self._peak, int(size.max(initial=0)))
        full = np.concatenate([self._before, size >= FULL_SCALE - 1])
        triple = full[:-2] & full[1:-1] & full[2:]
        # A run of n >= 3 samples holds n - 2 triples; the first triple is the one before these samples.
        self._clipped += int(triple[1:].sum()) + 2 * int((triple[1:] & ~triple[:-1]).sum())
        self._before = full[-3:]

    @property
    def samples(self) -> int:
        """How many samples came by."""
        return self._samples

    @property
    def peak(self) -> float:
        """The largest sample's size, 0..1."""
        return self._peak / FULL_SCALE

    @property
    def clipped(self) -> float:
        """Share of samples that lie in runs of three and more at full scale, 0..1."""
        return self._clipped / max(1, self._samples)

    @property
    def mean_power(self) -> float:
        """Mean of the squared samples, 0..1."""
        return self._power / max(1, self._samples) / FULL_SCALE**2


class FileSound:
    """Mono sound of 16 kHz in a file of 16-bit samples; a `Sound`, for any number of threads.

    Read, not mapped: the pages of a mapped file count as memory of the process. The file has no name, so nothing
    of it stays, however the process ends; its space is free again after `close`.
    """

    def __init__(self, file: IO[bytes], levels: Levels) -> None:
        self._file = file
        self._levels = levels

    def __enter__(self) -> FileSound:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._levels.samples

    def __getitem__(self, part: slice, /) -> Waveform:
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError("a sound is read forwards, sample by sample")
        sound = np.empty(max(0, stop - start), np.float32)
        for begin in range(0, len(sound), BLOCK_SAMPLES):
            block = sound[begin : begin + BLOCK_SAMPLES]
            data = os.pread(self._file.fileno(), SAMPLE_BYTES * len(block), SAMPLE_BYTES * (start + begin))
            np.multiply(np.frombuffer(data, "<i2"), np.float32(1 / FULL_SCALE), out=block)
        return sound

    @property
    def levels(self) -> Levels:
        """How loud it is."""
        return self._levels

    def close(self) -> None:
        """Give the file's space back."""
        self._file.close()


def record(pieces: Iterable[bytes], folder: Path) -> FileSound:
    """Write signed 16-bit little-endian samples to a file without a name in `folder`, whole samples a piece."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the sound closes it
    levels = Levels()
    try:
        for piece in pieces:
            file.write(piece)
            levels.add(np.frombuffer(piece, "<i2"))
        file.flush()
    except BaseException:
        file.close()
        raise
    return FileSound(file, levels)


class _CleanSound:
    """Another sound whose samples are all numbers within [-1, 1]."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound

    def __len__(self) -> int:
        return len(self._sound)

    def __getitem__(self, part: slice, /) -> Waveform:
        return clean_waveform(self._sound[part])


def clean_sound(sound: Sound) -> Sound:
    """The sound with samples that are no numbers as silence and the rest limited to [-1, 1].

    Raises ValueError when it is not mono.
    """
    if isinstance(sound, FileSound | _CleanSound):
        return sound
    clean_waveform(sound[:0])  # says at once that there are more axes
    return _CleanSound(sound)


def blocks(sound: Sound) -> Iterator[Waveform]:
    """The sound, a minute at a time."""
    for start in range(0, len(sound), BLOCK_SAMPLES):
        yield sound[start : start + BLOCK_SAMPLES]


def mean_power(sound: Sound) -> float:
    """Mean of the squared samples; 0 without samples."""
    if isinstance(sound, FileSound):
        return sound.levels.mean_power
    wide = (block.astype(np.float64) for block in blocks(sound))
    return sum(float(np.dot(block, block)) for block in wide) / max(1, len(sound))
