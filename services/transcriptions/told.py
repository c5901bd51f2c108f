"""What the process of a transcription tells (workflow_scripts/step4/transcribe_file.py), as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from services.supervision.step_events import EventReader, StepEvent
from services.transcriptions.model import Facts, Transcription
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.events import printable


@dataclass(frozen=True)
class SaidWord:
    """A word in seconds, half-open; its `probability` is 0..1."""

    start: float
    end: float
    text: str
    probability: float


def after(one: Transcription, event: StepEvent) -> Transcription:
    """How a transcription stands after an event of its process."""
    data = event.data
    if event.kind == "file":
        return replace(one, duration=_number(data, "duration"))
    if event.kind == "progress":
        return replace(one, done=max(one.done, _number(data, "seconds")))
    if event.kind == "warning":
        return replace(one, warnings=tuple(dict.fromkeys((*one.warnings, _text(data, "text")))))
    if event.kind == "failed":
        return replace(one, reason=_text(data, "message"))
    return one


def facts_in(event: StepEvent) -> Facts | None:
    """What came of it, where an event says so."""
    if event.kind != "finished":
        return None
    known = {field.name: event.data[field.name] for field in fields(Facts) if field.name in event.data}
    return Facts(**known)


def words_so_far(path: Path, offset: int) -> tuple[list[SaidWord], int]:
    """The words that were told from an offset of a file of events on, and the offset of the next ones."""
    reader, found = EventReader(path, offset), []
    while (events := reader.read()) or reader.more:
        told = (word for event in events if event.kind == "segment" for word in event.data["words"])
        found += [_word(word) for word in told if str(word["text"]).strip()]
    return found, reader.offset


def words_of(path: Path) -> tuple[list[SaidWord], str]:
    """The words of a transcript, and its language."""
    transcript = read_transcript(path)
    words = [SaidWord(w.start, w.end, printable(w.text.strip()), w.probability) for w in transcript.words]
    return [word for word in words if word.text], transcript.language


def _word(data: Mapping[str, Any]) -> SaidWord:
    text = printable(str(data["text"]).strip())
    return SaidWord(float(data["start"]), float(data["end"]), text, float(data["probability"]))


def _number(data: Mapping[str, Any], name: str) -> float:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _text(data: Mapping[str, Any], name: str) -> str:
    return printable(str(data.get(name, "")))
