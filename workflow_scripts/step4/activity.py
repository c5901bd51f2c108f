"""Who speaks in each 10 ms frame, from labelled windows and from what the segmentation network heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.clustering import similarity_to_clusters
from workflow_scripts.step4.local_speakers import CHUNK_FRAMES, STEP_FRAMES, LocalSpeech
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.speech import drop_short, fill_gaps, runs
from workflow_scripts.step4.windows import Windows

TEMPERATURE = 0.05
"""Difference in similarity that makes one speaker e times likelier in a window."""
NO_SPEAKER = -1
LEAST_VOTES = 20
"""Frames alone that name a local speaker."""
SHORTEST_OVERLAP_SECONDS = 0.1
SHORTEST_PAUSE_SECONDS = 0.1


def leading_speaker(
    frames: int, windows: Windows, embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The speaker whom the windows over each frame name: int64 `(frames,)`, NO_SPEAKER where no window lies.

    A window speaks loudest for its middle. It speaks half by its label, half by its own similarity to everybody.
    """
    if not len(windows):
        return np.full(frames, NO_SPEAKER, np.int64)
    vectors = embeddings.astype(np.float64)
    similarity = similarity_to_clusters(vectors, vectors, labels)
    likelihood = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / TEMPERATURE)
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    voice = (likelihood + np.eye(likelihood.shape[1])[labels]) / 2
    votes = np.zeros((frames, voice.shape[1]), np.float32)
    for start, end, vote in zip(windows.start, windows.end, voice, strict=True):
        offset = np.abs(np.arange(start, end) + 0.5 - (start + end) / 2) / ((end - start) / 2)
        votes[start:end] += np.outer(1 - 0.9 * offset, vote)
    return np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), NO_SPEAKER)


def speaker_activity(
    speech: NDArray[np.bool_], leading: NDArray[np.int64], local: LocalSpeech | None, speakers: int
) -> NDArray[np.bool_]:
    """Who speaks in each frame: bool `(frames, speakers)`; somebody wherever there is speech, nobody elsewhere.

    With the segmentation network as many speak at once as it hears; its local speakers are named by the leading
    speaker of the moments in which they speak alone.
    """
    active = np.zeros((len(speech), speakers), bool)
    if not speakers:
        return active
    votes = _named_votes(leading, local, speakers) if local else np.zeros(active.shape, np.float32)
    known = np.nonzero(leading != NO_SPEAKER)[0]
    votes[known, leading[known]] += CHUNK_FRAMES  # more than all chunks together: the windows lead
    wanted = np.rint(local.count) if local else np.ones(len(speech))
    wanted = np.where(speech, np.clip(wanted, 1, speakers), 0)
    for rank in range(int(wanted.max(initial=0))):
        best = votes.argmax(axis=1)
        rows = np.nonzero((wanted > rank) & (votes.max(axis=1) > 0))[0]
        active[rows, best[rows]] = True
        votes[rows, best[rows]] = 0
    return _tidied(_everywhere(active, speech), speech)


def turns(active: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """The turns `(start, end, speaker)` in seconds of an activity `(frames, speakers)`."""
    spans = [(span, speaker) for speaker in range(active.shape[1]) for span in runs(active[:, speaker])]
    return [(int(span[0]) / FRAME_RATE, int(span[1]) / FRAME_RATE, speaker) for span, speaker in spans]


def _named_votes(leading: NDArray[np.int64], local: LocalSpeech, speakers: int) -> NDArray[np.float32]:
    """How many chunks hear each speaker in each frame, float32 `(frames, speakers)`."""
    frames = len(leading)
    alone = np.where(np.rint(local.count) <= 1, leading, NO_SPEAKER)
    votes = np.zeros((frames, speakers), np.float32)
    for chunk, activity in enumerate(local.active):
        here = slice(chunk * STEP_FRAMES, min(chunk * STEP_FRAMES + CHUNK_FRAMES, frames))
        names = alone[here]
        for heard in activity[: len(names)].T:
            known = names[heard & (names != NO_SPEAKER)]
            if len(known) >= LEAST_VOTES:
                votes[here, np.bincount(known, minlength=speakers).argmax()] += heard
    return votes


def _everywhere(active: NDArray[np.bool_], speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give speech that nobody claims to the speakers of the nearest claimed frame, or to the first speaker."""
    claimed = np.nonzero(active.any(axis=1))[0]
    open_frames = np.nonzero(speech & ~active.any(axis=1))[0]
    if not len(claimed):
        active[open_frames, 0] = True
        return active
    after = np.searchsorted(claimed, open_frames).clip(0, len(claimed) - 1)
    before = (after - 1).clip(0)
    nearer = np.abs(claimed[before] - open_frames) <= np.abs(claimed[after] - open_frames)
    active[open_frames] = active[np.where(nearer, claimed[before], claimed[after])]
    return active


def _tidied(active: NDArray[np.bool_], speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close the shortest gaps of each speaker inside speech and drop the shortest talking over somebody else."""
    for speaker in range(active.shape[1]):
        own = fill_gaps(active[:, speaker], round(SHORTEST_PAUSE_SECONDS * FRAME_RATE)) & speech
        others = np.delete(active, speaker, axis=1).any(axis=1)
        long_enough = drop_short(own, round(SHORTEST_OVERLAP_SECONDS * FRAME_RATE))
        active[:, speaker] = long_enough | (own & ~others)
    return active
