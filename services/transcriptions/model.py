"""A transcription as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any, Literal

from services.projects import UnknownName

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
#: The kind of the events that say how one stands.
KIND = "transcription"
#: States in which there is something to do.
ACTIVE: tuple[State, ...] = ("queued", "running")


class UnknownTranscription(UnknownName):
    """Raised when there is no such transcription: there never was, or it was removed."""

    def __init__(self) -> None:
        super().__init__("There is no such transcription.")


@dataclass(frozen=True)
class Wish:
    """What somebody asked for; what is empty is as STEP4B's parameters say."""

    model: str = ""
    language: str = ""
    task: str = ""


@dataclass(frozen=True)
class Facts:
    """What came of a transcription.

    Args:
        language, language_probability: the language that was heard or given, empty where nothing was said.
        words: how many were recognised.
        model, device, compute_type: what recognised them, and where.
        dropped: segments that were not believed, by reason.
    """

    language: str = ""
    language_probability: float = 0.0
    words: int = 0
    model: str = ""
    device: str = ""
    compute_type: str = ""
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Transcription:
    """A sound file, what was asked for, and how that stands.

    Args:
        key: what it is addressed by; keys sort as their times do.
        name: the file's name.
        size: its bytes.
        added: when it had come, in UTC.
        wish: what is asked for in the present round; asking again is a new one, numbered from 1.
        cancelling: whether the round is to end.
        attempt: how often the round was begun; 0 is not yet.
        reason: a sentence where it did not end well; empty otherwise.
        warnings: what it had to do otherwise than asked, a sentence each.
        done, duration: seconds of sound that are done, and in all; 0 where nobody knows yet.
        seconds: what the round took.
        facts: what came of the last round that ended well; None where none did.
    """

    key: str
    name: str
    size: int
    added: datetime
    wish: Wish
    round: int
    cancelling: bool
    state: State
    attempt: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()
    done: float = 0.0
    duration: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float | None = None
    facts: Facts | None = None

    @property
    def active(self) -> bool:
        """Whether there is still something to do."""
        return self.state in ACTIVE

    @property
    def stem(self) -> str:
        """The name without its suffix, with which the names of its files begin."""
        return PurePath(self.name).stem

    @property
    def told(self) -> dict[str, Any]:
        """What the event of a change says."""
        return {"key": self.key, "state": self.state, "done": self.done, "duration": self.duration}

    def __str__(self) -> str:
        return f"The transcription of {self.name}"
