"""Who speaks in each 10 ms frame, from labelled windows and from what the segmentation network heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.clustering import similarity_to_clusters
from workflow_scripts.step4.local_speakers import CHUNK_FRAMES, STEP_FRAMES, LocalSpeech, unpacked
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.segmentation import LOCAL_SPEAKERS
from workflow_scripts.step4.speech import drop_short, fill_gaps, runs
from workflow_scripts.step4.windows import Windows

TEMPERATURE = 0.05
"""Difference in similarity that makes one speaker e times likelier in a window."""
NO_SPEAKER = -1
LEAST_VOTES = 20
"""Frames alone that name a local speaker."""
SHORTEST_OVERLAP_SECONDS = 0.1
SHORTEST_PAUSE_SECONDS = 0.1
BLOCK_FRAMES = 30_000
"""Votes are counted for five minutes at a time: there is one for every frame and speaker."""


def leading_speaker(
    frames: int, windows: Windows, embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The speaker whom the windows over each frame name: int64 `(frames,)`, NO_SPEAKER where no window lies.

    A window speaks loudest for its middle. It speaks half by its label, half by its own similarity to everybody.
    """
    leading = np.full(frames, NO_SPEAKER, np.int64)
    if not len(windows):
        return leading
    similarity = similarity_to_clusters(embeddings, embeddings, labels)
    likelihood = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / TEMPERATURE)
    likelihood /= likelihood.sum(axis=1, keepdims=True)
    voice = (likelihood + np.eye(likelihood.shape[1])[labels]) / 2
    for here in _blocks(frames):
        votes = _window_votes(here, windows, voice)
        leading[here.start : here.stop] = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), NO_SPEAKER)
    return leading


def _blocks(frames: int) -> list[range]:
    return [range(first, min(first + BLOCK_FRAMES, frames)) for first in range(0, frames, BLOCK_FRAMES)]


def _window_votes(here: range, windows: Windows, voice: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the windows say in some frames, `(frames, speakers)`; `voice` is what each says in its middle."""
    votes = np.zeros((len(here), voice.shape[1]), np.float32)
    first = np.searchsorted(windows.end, here.start, side="right")
    last = np.searchsorted(windows.start, here.stop)
    for start, end, vote in zip(windows.start[first:last], windows.end[first:last], voice[first:last], strict=True):
        frames = np.arange(max(start, here.start), min(end, here.stop))
        offset = np.abs(frames + 0.5 - (start + end) / 2) / ((end - start) / 2)
        votes[frames - here.start] += np.outer(1 - 0.9 * offset, vote)
    return votes


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
    names = _names(leading, local) if local else None
    for here in _blocks(len(speech)):
        part = slice(here.start, here.stop)
        votes = np.zeros((len(here), speakers), np.float32)
        if local is not None and names is not None:
            _add_named_votes(votes, here, local, names)
        known = np.nonzero(leading[part] != NO_SPEAKER)[0]
        votes[known, leading[part][known]] += CHUNK_FRAMES  # more than all chunks together: the windows lead
        wanted = np.rint(local.count[part]) if local else np.ones(len(here))
        _choose(active[part], votes, np.where(speech[part], np.clip(wanted, 1, speakers), 0))
    return _tidied(_everywhere(active, speech), speech)


def _choose(active: NDArray[np.bool_], votes: NDArray[np.float32], wanted: NDArray[np.float64]) -> None:
    """Mark in `active` the `wanted` speakers of each frame with the most votes; `votes` is used up."""
    for rank in range(int(wanted.max(initial=0))):
        best = votes.argmax(axis=1)
        rows = np.nonzero((wanted > rank) & (votes.max(axis=1) > 0))[0]
        active[rows, best[rows]] = True
        votes[rows, best[rows]] = 0


def turns(active: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """The turns `(start, end, speaker)` in seconds of an activity `(frames, speakers)`."""
    spans = [(span, speaker) for speaker in range(active.shape[1]) for span in runs(active[:, speaker])]
    return [(int(span[0]) / FRAME_RATE, int(span[1]) / FRAME_RATE, speaker) for span, speaker in spans]


def _names(leading: NDArray[np.int64], local: LocalSpeech) -> NDArray[np.int64]:
    """Who each local speaker is, int64 `(chunks, 3)`, NO_SPEAKER where too little is heard of one alone."""
    alone = np.where(np.rint(local.count) <= 1, leading, NO_SPEAKER)
    names = np.full((len(local), LOCAL_SPEAKERS), NO_SPEAKER, np.int64)
    for chunk, bits in enumerate(local.bits):
        here = alone[chunk * STEP_FRAMES : chunk * STEP_FRAMES + CHUNK_FRAMES]
        for speaker, heard in enumerate(unpacked(bits[: len(here)]).T):
            known = here[heard & (here != NO_SPEAKER)]
            if len(known) >= LEAST_VOTES:
                names[chunk, speaker] = np.bincount(known).argmax()
    return names


def _add_named_votes(votes: NDArray[np.float32], here: range, local: LocalSpeech, names: NDArray[np.int64]) -> None:
    """Add, for the frames `here`, how many chunks hear each speaker: to float32 `(frames, speakers)`."""
    first = max(0, (here.start - CHUNK_FRAMES) // STEP_FRAMES + 1)
    for chunk in range(first, min(len(local), -(-here.stop // STEP_FRAMES))):
        begin = chunk * STEP_FRAMES
        frames = range(max(begin, here.start), min(begin + CHUNK_FRAMES, here.stop))
        heard = unpacked(local.bits[chunk, frames.start - begin : frames.stop - begin])
        for speaker, name in enumerate(names[chunk]):
            if name != NO_SPEAKER:
                votes[frames.start - here.start : frames.stop - here.start, name] += heard[:, speaker]


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
