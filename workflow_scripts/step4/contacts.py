"""What the segmentation network says about two speakers: does it tell them apart where they meet?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.step4.local_speakers import CHUNK_FRAMES, COVER, STEP_FRAMES, LocalSpeech, unpacked
from workflow_scripts.step4.segmentation import LOCAL_SPEAKERS
from workflow_scripts.step4.windows import Windows

CORE_FRAMES = 40
"""The middle of a window, where its voice is surest; neighbouring windows' middles do not overlap."""
MEETING_FRAMES = 50
"""Two speakers meet in a chunk where each is heard for half a second."""


@dataclass(frozen=True)
class Contacts:
    """For each window and each chunk over its middle, the frames in which each local speaker is active there.

    `chunk` int32 `(windows, chunks)`, -1 where there is none; `heard` int16 `(windows, chunks, 3)`.
    """

    chunk: NDArray[np.int32]
    heard: NDArray[np.int16]

    def __getitem__(self, chosen: NDArray[np.int64]) -> Contacts:
        return Contacts(self.chunk[chosen], self.heard[chosen])

    def meetings(self, labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count, for each pair of clusters, the chunks they meet in and those where the network separates them.

        `labels` int64 `(windows,)`; returns two symmetric int64 `(clusters, clusters)`.
        """
        clusters = int(labels.max()) + 1
        known = self.chunk >= 0
        chunks, chunk = np.unique(self.chunk[known], return_inverse=True)
        frames = np.zeros((len(chunks), clusters, LOCAL_SPEAKERS), np.int32)
        owner = np.broadcast_to(labels[:, None], self.chunk.shape)[known]
        np.add.at(frames, (chunk, owner), self.heard[known])
        talks = frames.sum(axis=2) >= MEETING_FRAMES
        place = np.where(talks, frames.argmax(axis=2), -1)
        met = _pairs(talks)
        together = sum((_pairs(place == speaker) for speaker in range(LOCAL_SPEAKERS)), np.zeros_like(met))
        return met, met - together


def _pairs(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """In how many rows of `(rows, clusters)` each two clusters are: `(clusters, clusters)`."""
    whole = present.astype(np.float32)  # exact up to 16 million rows, and quicker than integers
    return (whole.T @ whole).astype(np.int64)


def contacts_of(windows: Windows, local: LocalSpeech) -> Contacts:
    """Look up what the network heard in the middle of each window."""
    reach = COVER + 1
    chunk = np.full((len(windows), reach), -1, np.int32)
    heard = np.zeros((len(windows), reach, LOCAL_SPEAKERS), np.int16)
    middle = (windows.start + windows.end) // 2
    half = np.minimum(CORE_FRAMES, windows.end - windows.start) // 2
    for row, (first, last) in enumerate(zip(middle - half, middle + half, strict=True)):
        earliest = max(0, -(-(first - CHUNK_FRAMES + 1) // STEP_FRAMES))
        for column, index in enumerate(range(earliest, min(last // STEP_FRAMES + 1, len(local)))):
            begin = index * STEP_FRAMES
            piece = local.bits[index, max(0, first - begin) : max(0, last - begin)]
            chunk[row, column] = index
            heard[row, column] = unpacked(piece).sum(axis=0)
    return Contacts(chunk, heard)
