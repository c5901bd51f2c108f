"""The loudness curve of a video's sound: lowest and highest sample of every 2 ms, and of ever longer stretches.

Made once; any range at any zoom is then read from the level that is just fine enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.viewing.jobs import Progress
from services.viewing.playable import Film, require_unchanged
from services.viewing.playable_cache import cache_folder, readable
from workflow_scripts.common.atomic import atomic_writer, remove_leftovers
from workflow_scripts.common.errors import CancelledError, WorkflowError
from workflow_scripts.common.ffmpeg import decode_pcm

#: Samples a second that are looked at, and pairs a second of the finest level.
RATE, FINEST = 16000, 500
#: How many pairs of a level become one of the next.
_POOL = 4
#: Levels: from 2 ms to 8 s a pair.
_LEVELS = 7
_SAMPLES = RATE // FINEST

Pairs = NDArray[np.int8]


@dataclass(frozen=True)
class Peaks:
    """The lowest and the highest sample of each of `len(pairs)` equal parts of `[start, end)` seconds.

    `pairs` is int8 `(n, 2)`: -128 and 127 are as loud as can be. The channels are mixed to their mean.
    """

    start: float
    end: float
    pairs: Pairs


def has_peaks(film: Film) -> bool:
    """Whether the curve of a video has been made."""
    return _open(film) is not None


def make_peaks(film: Film, progress: Progress) -> None:
    """Make the curve of a video that has sound, unless it is there.

    Raises:
        ToolError: the sound cannot be decoded.
        NotMeasured: the video was replaced meanwhile.
        WorkflowError: it cannot be written; the sentence says why.
        CancelledError: the application is ending.
    """
    if has_peaks(film):
        return
    levels = [np.concatenate(list(_finest(film, progress)))]
    while len(levels) < _LEVELS:
        levels.append(_pooled(levels[-1]))
    require_unchanged(film)
    try:
        path = _path(film)
        remove_leftovers(path.parent)
        with atomic_writer(path, "wb") as stream:
            np.save(stream, np.concatenate(levels))
    except OSError as error:
        raise WorkflowError(
            f"The sound curve of {film.video.name} cannot be kept: {error.strerror}.",
            hint="Make room on the disk, or let the project's folder be written.",
            retry=True,
        ) from error


def read_peaks(film: Film, start: float, end: float, points: int) -> Peaks | None:
    """The curve of a range in so many parts, None where it has not been made; no sample is left out.

    Args:
        start, end: seconds, half-open; cut to the video.
        points: how many parts, at least 1; finer than 2 ms neighbours are the same.
    """
    levels = _open(film)
    if levels is None:
        return None
    end = min(end, film.seconds)
    start = min(max(0.0, start), end)
    if end <= start:
        return Peaks(start, end, np.zeros((0, 2), np.int8))
    wanted = points / (end - start)
    number = min(_LEVELS - 1, max(0, math.floor(math.log(FINEST / wanted, _POOL)))) if wanted < FINEST else 0
    sizes = _sizes(film)
    level = levels[sum(sizes[:number]) : sum(sizes[: number + 1])]
    edges = np.linspace(start, end, points + 1) * (FINEST / _POOL**number)
    first = np.minimum(np.floor(edges[:-1] + 1e-6).astype(np.int64), len(level) - 1)
    last = np.clip(np.ceil(edges[1:] - 1e-6).astype(np.int64), first + 1, len(level))
    return Peaks(start, end, _extremes(level, first, last))


def _extremes(level: Pairs, first: NDArray[np.int64], last: NDArray[np.int64]) -> Pairs:
    """The lowest and highest of `level[first:last]`, for each; the ranges may overlap by one."""
    begin, stop = int(first[0]), int(last[-1])
    part = np.concatenate([level[begin:stop], level[stop - 1 : stop]])  # reduceat wants every index inside
    bounds = np.stack([first, last], -1).ravel() - begin
    low = np.minimum.reduceat(part[:, 0], bounds)[::2]
    high = np.maximum.reduceat(part[:, 1], bounds)[::2]
    return np.stack([low, high], -1)


def _finest(film: Film, progress: Progress) -> Iterator[Pairs]:
    """The finest level, piece by piece, `(n, 2)` each."""
    samples = math.ceil(film.media.frames * RATE / film.media.fps / _SAMPLES) * _SAMPLES
    seen, rest = 0, b""
    with readable(film.video.path) as path:
        for piece in decode_pcm(path, RATE, samples=samples):
            if progress.ended:
                raise CancelledError("The application is ending.")
            rest += piece
            whole = len(rest) - len(rest) % (2 * _SAMPLES)
            wave = np.frombuffer(rest[:whole], "<i2").reshape(-1, _SAMPLES)
            rest, seen = rest[whole:], seen + whole // 2
            progress.tell(seen / samples)
            yield (np.stack([wave.min(1), wave.max(1)], -1) >> 8).astype(np.int8)


def _pooled(level: Pairs) -> Pairs:
    """The next level: every `_POOL` pairs become one."""
    starts = np.arange(0, len(level), _POOL)
    return np.stack([np.minimum.reduceat(level[:, 0], starts), np.maximum.reduceat(level[:, 1], starts)], -1)


def _sizes(film: Film) -> list[int]:
    """How many pairs each level has."""
    sizes = [math.ceil(film.media.frames * FINEST / film.media.fps)]
    while len(sizes) < _LEVELS:
        sizes.append(math.ceil(sizes[-1] / _POOL))
    return sizes


def _open(film: Film) -> Pairs | None:
    """All levels one after the other, read from the disk as needed; None where they are not, or not whole."""
    try:
        levels: Pairs = np.load(_path(film), mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return levels if levels.shape == (sum(_sizes(film)), 2) and levels.dtype == np.int8 else None


def _path(film: Film) -> Path:
    return cache_folder(film) / "peaks.npy"
