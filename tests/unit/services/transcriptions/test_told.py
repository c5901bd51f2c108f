"""What the process of a transcription tells, in whatever pieces and whatever nonsense lies between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.supervision.step_events import StepEvent
from services.transcriptions import Shelf
from services.transcriptions.told import SaidWord, after, facts_in, words_of, words_so_far
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_transcript
from workflow_scripts.common.errors import ArtifactError


def line(event: str, **data: Any) -> str:
    """An event as the process writes it."""
    return json.dumps({"event": event, **data}) + "\n"


def segment(start: float, *texts: str) -> str:
    """A segment of words of a quarter of a second each."""
    words = [
        {"start": start + number / 4, "end": start + number / 4 + 0.25, "text": text, "probability": 0.5}
        for number, text in enumerate(texts)
    ]
    return line("segment", start=start, end=start + len(texts) / 4, text="".join(texts), words=words)


def test_words_come_once_each_however_often_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert words_so_far(path, 0) == ([], 0)
    first = line("file", duration=9.0) + segment(0, " Bonjour", " à") + "no event\n"
    path.write_text(first + segment(2, " tous.")[:-9])
    words, following = words_so_far(path, 0)
    assert words == [SaidWord(0, 0.25, "Bonjour", 0.5), SaidWord(0.25, 0.5, "à", 0.5)]
    assert words_so_far(path, following) == ([], following)
    path.write_text(first + segment(2, " tous.", " ", "\u202e<b>"))
    words, following = words_so_far(path, following)
    assert [word.text for word in words] == ["tous.", "\\u202e<b>"]
    assert words_so_far(path, following) == ([], following)


def test_more_than_is_read_at_once_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(segment(number, " mot") for number in range(20_000)))
    assert path.stat().st_size > 2_000_000
    words, following = words_so_far(path, 0)
    assert (len(words), words[-1].start, following) == (20_000, 19_999, path.stat().st_size)


def test_events_say_how_it_stands(shelf: Shelf, put: Any) -> None:
    one = shelf.find(put())
    one = after(one, StepEvent("file", "", {"duration": 9.5}))
    one = after(one, StepEvent("progress", "", {"seconds": 4.0}))
    one = after(one, StepEvent("progress", "", {"seconds": 2.0}))  # another attempt on the CPU, from the beginning
    for text in ("no GPU", "no GPU", "\x1b[31m"):
        one = after(one, StepEvent("warning", "", {"text": text}))
    one = after(one, StepEvent("failed", "", {"message": "no sound"}))
    assert (one.duration, one.done, one.reason) == (9.5, 4.0, "no sound")
    assert one.warnings == ("no GPU", "\\x1b[31m")
    assert after(one, StepEvent("something else", "", {})) == one
    assert after(one, StepEvent("file", "", {"duration": "long"})).duration == 0.0


def test_what_came_of_it_is_in_its_last_event_alone() -> None:
    event = StepEvent("finished", "", {"language": "fr", "words": 3, "files": ["a"], "dropped": {"too fast": 1}})
    found = facts_in(event)
    assert found is not None and (found.language, found.words, found.dropped) == ("fr", 3, {"too fast": 1})
    assert facts_in(StepEvent("progress", "", {"words": 3})) is None


def test_the_words_of_a_transcript_come_as_they_are_read(tmp_path: Path) -> None:
    words = (Word(0.5, 0.75, " Bonjour", 0.9), Word(0.75, 1.0, " ", 0.9), Word(1.0, 1.5, " tous.", 0.4))
    said = Spoken(0.5, 1.5, " Bonjour tous.", words, -0.1, 0.0, 1.0)
    path = tmp_path / "a_transcript.json"
    write_transcript(path, Transcript("fr", 0.9, "transcribe", "base", 2.0, (said,)))
    assert words_of(path) == ([SaidWord(0.5, 0.75, "Bonjour", 0.9), SaidWord(1.0, 1.5, "tous.", 0.4)], "fr")
    path.write_text("{}")
    with pytest.raises(ArtifactError):
        words_of(path)
