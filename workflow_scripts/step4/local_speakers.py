"""What the segmentation network heard, chunk by chunk, laid on the 10 ms frames of the whole sound.

A *local speaker* is one of the three outputs of one chunk; a *voice* is a chain of local speakers of consecutive
chunks that are active at the same moments. A voice is one person only while the network tells people apart: it
ends when nobody of it speaks for a whole chunk, and two similar voices in one chunk may share an output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.segmentation import (
    CHUNK_SECONDS,
    FRAME_CENTRE_SECONDS,
    FRAME_STEP_SECONDS,
    LOCAL_SPEAKERS,
    STEP_SECONDS,
)

CHUNK_FRAMES = round(CHUNK_SECONDS * FRAME_RATE)
STEP_FRAMES = round(STEP_SECONDS * FRAME_RATE)
COVER = CHUNK_FRAMES // STEP_FRAMES
"""Chunks that cover a frame."""
ONSET = 0.5
SHORTEST_FRAMES = 20
"""A local speaker that is active for less in a whole chunk is no voice."""
SAME_VOICE_OVERLAP = 0.5
"""Two local speakers are one voice when their activities overlap by more than this (intersection over union)."""
BLOCK_CHUNKS = 512
NO_VOICE = -1
_ORDERS = np.array(list(permutations(range(LOCAL_SPEAKERS))))


@dataclass(frozen=True)
class LocalSpeech:
    """Activity of local speakers.

    `bits` uint8 `(chunks, 500)`, 10 ms frames of each chunk: bit s is set where local speaker s is active;
    `score` float32 `(frames,)`, how surely anybody speaks; `count` float32 `(frames,)`, how many speak on average
    over the chunks that cover a frame.
    """

    bits: NDArray[np.uint8]
    score: NDArray[np.float32]
    count: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.bits)

    def active(self, first: int, last: int) -> NDArray[np.bool_]:
        """Who is active in the chunks `[first, last)`: bool `(chunks, 500, 3)`."""
        return unpacked(self.bits[first:last])

    def within(self, speech: NDArray[np.bool_]) -> LocalSpeech:
        """Return the same with nobody active outside `speech`, bool `(frames,)`."""
        padded = np.pad(speech, (0, max(0, len(self) * STEP_FRAMES + CHUNK_FRAMES - len(speech))))
        in_chunk = np.lib.stride_tricks.sliding_window_view(padded, CHUNK_FRAMES)[::STEP_FRAMES][: len(self)]
        return LocalSpeech(self.bits * in_chunk, self.score, np.where(speech, self.count, np.float32(0)))


def packed(active: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Activity `(…, 3)` as bits, uint8 `(…)`."""
    return np.packbits(active, axis=-1, bitorder="little")[..., 0]


def unpacked(bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Bits `(…)` as activity, bool `(…, 3)`."""
    return np.unpackbits(bits[..., None], axis=-1, count=LOCAL_SPEAKERS, bitorder="little").view(np.bool_)


def local_speech(batches: Iterable[NDArray[np.float32]], chunks: int, frames: int) -> LocalSpeech:
    """Lay the network's probabilities, `(chunks of a batch, network frames, 3)`, on `frames` frames of 10 ms.

    `chunks` is how many come in all.
    """
    times = (np.arange(CHUNK_FRAMES) + 0.5) / FRAME_RATE
    nearest = np.rint((times - FRAME_CENTRE_SECONDS) / FRAME_STEP_SECONDS).astype(np.int64)
    length = max(frames, chunks * STEP_FRAMES + CHUNK_FRAMES)
    score, count, cover = (np.zeros(length, np.float32) for _ in range(3))
    bits = np.zeros((chunks, CHUNK_FRAMES), np.uint8)
    for index, chunk in enumerate(chunk for batch in batches for chunk in batch):
        probability = chunk[np.clip(nearest, 0, len(chunk) - 1)]
        active = probability >= ONSET
        bits[index] = packed(active)
        here = slice(index * STEP_FRAMES, index * STEP_FRAMES + CHUNK_FRAMES)
        score[here] += probability.max(axis=1)
        count[here] += active.sum(axis=1)
        cover[here] += 1
    cover = np.maximum(cover, 1)
    return LocalSpeech(bits, (score / cover)[:frames], (count / cover)[:frames])


def voices(local: LocalSpeech) -> NDArray[np.int64]:
    """Chain the local speakers into voices: the voice of each or NO_VOICE, int64 `(chunks, 3)`."""
    names = np.full((len(local), LOCAL_SPEAKERS), NO_VOICE, np.int64)
    following = 0
    for chunk, (enough, agreement) in enumerate(_agreements(local)):
        if chunk:
            order = _ORDERS[agreement[np.arange(LOCAL_SPEAKERS), _ORDERS].sum(axis=1).argmax()]
            for before, now in enumerate(order):
                if enough[now] and agreement[before, now] > SAME_VOICE_OVERLAP:
                    names[chunk, now] = names[chunk - 1, before]
        for speaker in np.nonzero(enough & (names[chunk] == NO_VOICE))[0]:
            names[chunk, speaker] = following
            following += 1
    return names


def _agreements(local: LocalSpeech) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """For each chunk, which local speakers are active for long enough, `(3,)`, and how they go on.

    That is the intersection over union of each local speaker of the chunk before, `(3, 3)`; zeros at first.
    """
    for first in range(0, len(local), BLOCK_CHUNKS):
        active = local.active(max(0, first - 1), first + BLOCK_CHUNKS)
        if not first:  # before the first chunk is silence
            active = np.concatenate([np.zeros_like(active[:1]), active])
        before, now = active[:-1, STEP_FRAMES:].astype(np.float32), active[1:, :-STEP_FRAMES].astype(np.float32)
        both = before.transpose(0, 2, 1) @ now
        either = before.sum(axis=1)[:, :, None] + now.sum(axis=1)[:, None, :] - both
        yield from zip(active[1:].sum(axis=1) >= SHORTEST_FRAMES, both / np.maximum(either, 1), strict=True)


def leading_voice(local: LocalSpeech, names: NDArray[np.int64]) -> NDArray[np.int64]:
    """The voice that most chunks hear in each frame: int64 `(frames,)`, NO_VOICE where none does."""
    frames = len(local.count)
    leading = np.full(frames, NO_VOICE, np.int64)
    for hop in range(-(-frames // STEP_FRAMES)):
        covering = range(max(0, hop - COVER + 1), min(hop + 1, len(names)))
        if not covering:
            continue
        offsets = [(hop - chunk) * STEP_FRAMES for chunk in covering]
        pairs = zip(covering, offsets, strict=True)
        here = [local.bits[chunk, o : o + STEP_FRAMES] for chunk, o in pairs]
        heard = unpacked(np.stack(here)).transpose(0, 2, 1).reshape(-1, STEP_FRAMES)
        owners = names[covering.start : covering.stop].ravel()
        known = np.unique(owners[owners != NO_VOICE])
        if not len(known):
            continue
        votes = (owners[None] == known[:, None]).astype(np.int64) @ heard.astype(np.int64)
        best = np.where(votes.max(axis=0) > 0, known[votes.argmax(axis=0)], NO_VOICE)
        leading[hop * STEP_FRAMES : (hop + 1) * STEP_FRAMES] = best[: frames - hop * STEP_FRAMES]
    return leading
