"""The index of the words: times, speakers and probabilities as arrays, all texts in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from services.viewing.index import Index
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.events import printable

#: A word in seconds, half-open; `speaker` counts in the meta's `speakers`, -1 is nobody; its text in UTF-8 is
#: `[first, last)` of the array `text`.
WORD = np.dtype(
    [("start", "f8"), ("end", "f8"), ("speaker", "i4"), ("probability", "f4"), ("first", "u8"), ("last", "u8")]
)


def words_index(files: Mapping[str, Path], tell: Callable[[float], None]) -> Index:
    """Words in the order of the transcript; the meta has `speakers` and the `language`."""
    transcript = read_transcript(files["transcript"])
    tell(0.8)
    found = sorted(transcript.words, key=lambda word: word.start)
    speakers = sorted({word.speaker for word in found if word.speaker is not None})
    place = {label: number for number, label in enumerate(speakers)}
    texts = [printable(word.text.strip()).encode() for word in found]
    edges = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    rows = np.zeros(len(found), WORD)
    rows["start"], rows["end"] = [word.start for word in found], [word.end for word in found]
    rows["speaker"] = [-1 if word.speaker is None else place[word.speaker] for word in found]
    rows["probability"] = [word.probability for word in found]
    rows["first"], rows["last"] = edges[:-1], edges[1:]
    meta = {
        "frames": None,
        "speakers": [printable(label) for label in speakers],
        "language": printable(transcript.language),
    }
    tell(1.0)
    return Index({"words": rows, "text": np.frombuffer(b"".join(texts), np.uint8)}, meta)
