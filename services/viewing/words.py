"""What is said, for a viewer: the words of any range, in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from services.viewing.index import Index


@dataclass(frozen=True)
class WordView:
    """A word in seconds, half-open; its `probability` is 0..1, `speaker` None where nobody's turn is near."""

    start: float
    end: float
    text: str
    speaker: str | None
    probability: float


def words(index: Index, start: float, end: float) -> list[WordView]:
    """The words that touch a range of seconds."""
    rows, text, speakers = index["words"], index["text"], index.meta["speakers"]
    touching = rows[(rows["start"] < end) & (rows["end"] > start)]
    return [
        WordView(
            round(begin, 3),
            round(until, 3),
            bytes(text[first:last]).decode(),
            None if speaker < 0 else speakers[speaker],
            round(probability, 3),
        )
        for begin, until, speaker, probability, first, last in touching.tolist()
    ]
