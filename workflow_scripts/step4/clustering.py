"""Which windows are the same speaker, and how many speakers there are.

Windows are over-clustered, then the most similar pair of clusters is merged until all are too different to be
one person. Similarity is *relative*: how alike windows of two clusters are, divided by how alike windows of the
same cluster are. A recording's channel raises both alike and a voice's variety lowers both alike: they cancel out.
Measured on 73 sounds (real ones and dialogues put together from them): 0.91-1.06 between parts of one voice,
0.5-0.9 between people, similar ones in the same room up to 0.95.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from workflow_scripts.step4.contacts import Contacts
from workflow_scripts.step4.engine import SpeakerCount
from workflow_scripts.step4.windows import Windows

FIRST_CLUSTERS = 30
"""Clusters to begin with, or twice the smallest number of speakers asked for when that is more: no more speakers
can be found. Beginning with 12, 20 or 30 gave the same numbers on those sounds."""
ONE_SPEAKER, TOLD_APART = 0.88, 0.92
"""Relative similarity from which two clusters are one speaker: as a rule, and where the segmentation network
tells the two apart. In the middle of what gives the same numbers: 0.87-0.89 and 0.90-0.93 (with 0.90, two people
on one telephone line become one). The lowest figure of a single voice in a real recording was 0.914."""
MEETINGS = 3
"""Chunks in which two clusters must meet before the network's word counts."""
TYPICAL_SIMILARITY, TYPICAL_PAIRS = 0.75, 2
"""Similarity of two windows of one voice, and how many measured pairs it weighs as much as."""
PRIOR_WINDOWS = 1.0
"""How many independent windows the assumption "one speaker" weighs as much as."""
WINDOW_SECONDS = 1.6
FRAMES_PER_SECOND = 100
PURE_SECONDS = 2.4
"""A run of windows shorter than this inside a stretch may be nothing but windows across a change of speaker."""
LEAST_EVIDENCE_SECONDS = 1.0
"""A speaker has at least this much speech in runs that are not mere transitions."""
MOST_WINDOWS = 2000
"""Windows that are compared pair by pair (16 MB of distances); of more, whole stretches are left out."""
BLOCK_WINDOWS = 4096
"""Windows that are given to their cluster at a time, 8 MB in double precision."""
REFINEMENTS = 10

Vectors = NDArray[np.float64]
Embeddings = NDArray[np.float32] | NDArray[np.float64]
Labels = NDArray[np.int64]


def cluster(
    embeddings: NDArray[np.float32], windows: Windows, contacts: Contacts | None, speakers: SpeakerCount
) -> Labels:
    """Return the speaker of each window: int64 `(windows,)`, numbers without gaps from 0.

    Args:
        embeddings: one unit vector per window, float32 `(windows, dimensions)`.
        windows: where they lie.
        contacts: what the segmentation network heard there; None without that network.
        speakers: how many to find. Fewer come back when there are fewer windows than that.
    """
    if len(windows) == 0:
        return np.zeros(0, np.int64)
    chosen = _some_stretches(windows)
    evidence = _Evidence.of(
        embeddings[chosen].astype(np.float64), windows[chosen], contacts[chosen] if contacts else None
    )
    labels = _merge(evidence, *_limits(speakers, len(chosen)))
    if len(chosen) == len(windows):
        return labels
    return _nearest(embeddings, evidence.vectors, labels)


@dataclass(frozen=True)
class _Evidence:
    """The windows that are compared, float64 `(windows, dimensions)`, and the pairs of them that share sound.

    `one` and `other` hold such pairs in both orders, and each window with itself; `similarity` is their cosine.
    """

    vectors: Vectors
    windows: Windows
    contacts: Contacts | None
    one: Labels
    other: Labels
    similarity: Vectors

    @classmethod
    def of(cls, vectors: Vectors, windows: Windows, contacts: Contacts | None) -> _Evidence:
        index = np.arange(len(vectors))
        parts = [(index, index, np.einsum("ij,ij->i", vectors, vectors))]
        for lag in range(1, len(vectors)):
            shares = windows.start[lag:] < windows.end[:-lag]
            if not shares.any():  # windows are in order of time: those further apart share none either
                break
            earlier, later = index[:-lag][shares], index[lag:][shares]
            cosine = np.einsum("ij,ij->i", vectors[:-lag], vectors[lag:])[shares]
            parts += [(earlier, later, cosine), (later, earlier, cosine)]
        one, other, similarity = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(vectors, windows, contacts, one, other, similarity)

    def shared(self, labels: Labels) -> tuple[Vectors, Labels]:
        """Sum of the similarities, and number, of the pairs that share sound: `(clusters, clusters)` each."""
        clusters = int(labels.max()) + 1
        place = labels[self.one], labels[self.other]
        similarity, number = np.zeros((clusters, clusters)), np.zeros((clusters, clusters), np.int64)
        np.add.at(similarity, place, self.similarity)
        np.add.at(number, place, 1)
        return similarity, number


def _limits(speakers: SpeakerCount, windows: int) -> tuple[int, int]:
    """Smallest and largest number of clusters."""
    low = speakers.exact or speakers.minimum or 1
    high = speakers.exact or speakers.maximum or windows
    return min(low, windows), min(high, windows)


def _some_stretches(windows: Windows) -> NDArray[np.int64]:
    """Indices of the windows to compare: all, or those of stretches drawn by lot, the same in every run.

    Not every n-th stretch: in a dialogue all even ones are the same person.
    """
    if len(windows) <= MOST_WINDOWS:
        return np.arange(len(windows))
    sizes = np.bincount(windows.stretch)
    order = np.random.default_rng(0).permutation(len(sizes))
    drawn = order[np.cumsum(sizes[order]) <= MOST_WINDOWS]
    if not len(drawn):  # a single stretch is longer than that: take every n-th window
        return np.arange(0, len(windows), -(-len(windows) // MOST_WINDOWS))
    return np.nonzero(np.isin(windows.stretch, drawn))[0]


def _merge(evidence: _Evidence, low: int, high: int) -> Labels:
    """Merge clusters from many to as many as there are speakers, between `low` and `high`."""
    count = len(evidence.vectors)
    if count == 1:
        return np.zeros(1, np.int64)
    first = min(count, max(FIRST_CLUSTERS, 2 * low))
    labels = _numbered(fcluster(linkage(evidence.vectors, "ward"), first, "maxclust"))
    while True:
        labels = _refined(evidence.vectors, labels, low)
        clusters = int(labels.max()) + 1
        if clusters <= low:
            return labels
        seconds = _pure_seconds(evidence.windows, labels)
        weakest = int(seconds.argmin())
        if seconds[weakest] < LEAST_EVIDENCE_SECONDS:
            labels = _without(evidence.vectors, labels, weakest)
            continue
        excess = _relative_similarity(evidence, labels, seconds) - _one_speaker_from(evidence.contacts, labels)
        np.fill_diagonal(excess, -np.inf)
        one, other = np.unravel_index(int(excess.argmax()), excess.shape)
        if excess[one, other] < 0 and clusters <= high:
            return labels
        labels = _numbered(np.where(labels == one, other, labels))


def _relative_similarity(evidence: _Evidence, labels: Labels, seconds: Vectors) -> Vectors:
    """How alike each two clusters are, 1 for one voice, drawn to 1 by little sound: `(clusters, clusters)`."""
    # The similarities of all pairs of two clusters add up to the product of their sums: no table of all pairs.
    sums, sizes = _sums(evidence.vectors, labels), np.bincount(labels)
    everything, all_pairs = sums @ sums.T, np.outer(sizes, sizes)
    shared, shared_pairs = evidence.shared(labels)
    total, pairs = everything - shared, all_pairs - shared_pairs
    # Clusters whose windows all share sound with each other have no pair to measure; theirs is the plain mean.
    between = np.where(pairs > 0, total / np.maximum(pairs, 1), everything / all_pairs)
    own = (total.diagonal() + TYPICAL_PAIRS * TYPICAL_SIMILARITY) / (pairs.diagonal() + TYPICAL_PAIRS)
    relative = between / np.sqrt(np.outer(own, own))
    independent = np.minimum(seconds[:, None], seconds[None]) / WINDOW_SECONDS
    return np.asarray((independent * relative + PRIOR_WINDOWS) / (independent + PRIOR_WINDOWS))


def _one_speaker_from(contacts: Contacts | None, labels: Labels) -> Vectors:
    """Relative similarity from which each two clusters are one speaker: `(clusters, clusters)`."""
    clusters = int(labels.max()) + 1
    if contacts is None:
        return np.full((clusters, clusters), ONE_SPEAKER)
    met, separate = contacts.meetings(labels)
    return np.where((met >= MEETINGS) & (separate > met / 2), TOLD_APART, ONE_SPEAKER)


def _pure_seconds(windows: Windows, labels: Labels) -> Vectors:
    """Seconds of each cluster in runs of windows that fill a stretch or are long: `(clusters,)`."""
    new_stretch = np.diff(windows.stretch) != 0
    edges = np.nonzero(new_stretch | (np.diff(labels) != 0))[0] + 1
    first = np.concatenate([[0], edges])
    last = np.concatenate([edges, [len(labels)]]) - 1
    begins = np.concatenate([[True], new_stretch])[first]
    ends = np.concatenate([new_stretch, [True]])[last]
    length = (windows.end[last] - windows.start[first]) / FRAMES_PER_SECOND
    pure = (begins & ends) | (length >= PURE_SECONDS)
    seconds = np.zeros(int(labels.max()) + 1)
    np.add.at(seconds, labels[first], length * pure)
    return seconds


def _refined(vectors: Vectors, labels: Labels, low: int) -> Labels:
    """Give every window to the nearest centroid until nothing moves, never falling below `low` clusters."""
    for _ in range(REFINEMENTS):
        moved = _nearest(vectors, vectors, labels)
        if int(moved.max()) + 1 < min(low, int(labels.max()) + 1) or np.array_equal(moved, labels):
            break
        labels = moved
    return labels


def _nearest(vectors: Embeddings, known: Vectors, labels: Labels) -> Labels:
    """The cluster of `known` nearest to each vector, seen from the mean of all: what all share is the channel."""
    if labels.max() == 0:
        return np.zeros(len(vectors), np.int64)
    return _numbered(similarity_to_clusters(vectors, known, labels).argmax(axis=1))


def _without(vectors: Vectors, labels: Labels, cluster_index: int) -> Labels:
    """Hand the windows of one cluster to the nearest others."""
    similarity = vectors @ _unit(_sums(vectors, labels)).T
    similarity[:, cluster_index] = -np.inf
    return _numbered(np.where(labels == cluster_index, similarity.argmax(axis=1), labels))


def similarity_to_clusters(vectors: Embeddings, known: Embeddings, labels: Labels) -> Vectors:
    """Cosine of each vector with the mean direction of each cluster of `known`, both seen from the mean of all."""
    clusters = int(labels.max()) + 1
    centre = known.mean(axis=0, dtype=np.float64) if clusters > 1 else np.zeros(known.shape[1])
    sums = np.zeros((clusters, known.shape[1]))
    for here in _blocks(len(known)):
        sums += _sums(_unit(known[here] - centre), labels[here], clusters)
    directions = _unit(sums).T
    return np.concatenate([_unit(vectors[here] - centre) @ directions for here in _blocks(len(vectors))])


def _blocks(count: int) -> list[slice]:
    return [slice(first, first + BLOCK_WINDOWS) for first in range(0, count, BLOCK_WINDOWS)]


def _sums(vectors: Vectors, labels: Labels, clusters: int | None = None) -> Vectors:
    """The sum of each cluster's vectors, float64 `(clusters, dimensions)`."""
    return np.asarray(np.eye(clusters or int(labels.max()) + 1)[labels].T @ vectors)


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12))


def _numbered(labels: NDArray[np.int32] | NDArray[np.int64]) -> Labels:
    """Number the labels from 0 without gaps."""
    numbers: Labels = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return numbers
