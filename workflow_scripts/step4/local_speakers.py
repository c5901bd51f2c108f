"""What the segmentation network heard, chunk by chunk, laid on the 10 ms frames of the whole sound.

A *local speaker* is one of the three outputs of one chunk; a *voice* is a chain of local speakers of consecutive
chunks that are active at the same moments. A voice is one person only while the network tells people apart: it
ends when nobody of it speaks for a whole chunk, and two similar voices in one chunk may share an output.
"""

from __future__ import annotations

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

    `active` bool `(chunks, 500, 3)`, 10 ms frames of each chunk; `score` float32 `(frames,)`, how surely anybody
    speaks; `count` float32 `(frames,)`, how many speak on average over the chunks that cover a frame.
    """

    active: NDArray[np.bool_]
    score: NDArray[np.float32]
    count: NDArray[np.float32]

    def within(self, speech: NDArray[np.bool_]) -> LocalSpeech:
        """Return the same with nobody active outside `speech`, bool `(frames,)`."""
        beyond = max(0, len(self.active) * STEP_FRAMES + CHUNK_FRAMES - len(speech))
        padded = np.concatenate([speech, np.zeros(beyond, bool)])
        active = self.active.copy()
        for chunk, activity in enumerate(active):
            activity &= padded[chunk * STEP_FRAMES : chunk * STEP_FRAMES + CHUNK_FRAMES, None]
        return LocalSpeech(active, self.score, np.where(speech, self.count, 0).astype(np.float32))


def local_speech(chunks: NDArray[np.float32], frames: int) -> LocalSpeech:
    """Lay the network's probabilities `(chunks, network frames, 3)` on `frames` frames of 10 ms."""
    times = (np.arange(CHUNK_FRAMES) + 0.5) / FRAME_RATE
    nearest = np.rint((times - FRAME_CENTRE_SECONDS) / FRAME_STEP_SECONDS).astype(np.int64)
    nearest = np.clip(nearest, 0, chunks.shape[1] - 1)
    length = max(frames, len(chunks) * STEP_FRAMES + CHUNK_FRAMES)
    score, count, cover = (np.zeros(length, np.float32) for _ in range(3))
    active = np.zeros((len(chunks), CHUNK_FRAMES, LOCAL_SPEAKERS), bool)
    for index, chunk in enumerate(chunks):
        probability = chunk[nearest]
        active[index] = probability >= ONSET
        here = slice(index * STEP_FRAMES, index * STEP_FRAMES + CHUNK_FRAMES)
        score[here] += probability.max(axis=1)
        count[here] += active[index].sum(axis=1)
        cover[here] += 1
    cover = np.maximum(cover, 1)
    return LocalSpeech(active, (score / cover)[:frames], (count / cover)[:frames])


def voices(local: LocalSpeech) -> NDArray[np.int64]:
    """Chain the local speakers into voices: the voice of each or NO_VOICE, int64 `(chunks, 3)`."""
    enough = local.active.sum(axis=1) >= SHORTEST_FRAMES
    names = np.full((len(local.active), LOCAL_SPEAKERS), NO_VOICE, np.int64)
    following = 0
    for chunk, agreement in enumerate(_agreements(local.active)):
        if chunk:
            order = _ORDERS[agreement[np.arange(LOCAL_SPEAKERS), _ORDERS].sum(axis=1).argmax()]
            for before, now in enumerate(order):
                if enough[chunk, now] and agreement[before, now] > SAME_VOICE_OVERLAP:
                    names[chunk, now] = names[chunk - 1, before]
        for speaker in np.nonzero(enough[chunk] & (names[chunk] == NO_VOICE))[0]:
            names[chunk, speaker] = following
            following += 1
    return names


def _agreements(active: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """Intersection over union of each local speaker of the chunk before with each of the chunk: `(3, 3)` each."""
    found = [np.zeros((LOCAL_SPEAKERS, LOCAL_SPEAKERS), np.float32)] if len(active) else []
    for first in range(1, len(active), BLOCK_CHUNKS):
        last = min(first + BLOCK_CHUNKS, len(active))
        before = active[first - 1 : last - 1, STEP_FRAMES:].astype(np.float32)
        now = active[first:last, :-STEP_FRAMES].astype(np.float32)
        both = before.transpose(0, 2, 1) @ now
        either = before.sum(axis=1)[:, :, None] + now.sum(axis=1)[:, None, :] - both
        found.extend(both / np.maximum(either, 1))
    return found


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
        heard = np.concatenate([local.active[chunk, o : o + STEP_FRAMES].T for chunk, o in pairs])
        owners = names[covering.start : covering.stop].ravel()
        known = np.unique(owners[owners != NO_VOICE])
        if not len(known):
            continue
        votes = (owners[None] == known[:, None]).astype(np.int64) @ heard.astype(np.int64)
        best = np.where(votes.max(axis=0) > 0, known[votes.argmax(axis=0)], NO_VOICE)
        here = slice(hop * STEP_FRAMES, min((hop + 1) * STEP_FRAMES, frames))
        leading[here] = best[: here.stop - here.start]
    return leading
