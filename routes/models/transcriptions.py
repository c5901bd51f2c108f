"""Sound files that are transcribed by themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from routes.models.common import LARGEST, Asked
from routes.models.uploads import FileAsked
from services.transcriptions import State, Transcription, Wish
from services.transcriptions.told import SaidWord
from workflow_scripts.common.events import printable


class WishAsked(Asked):
    """How a file is to be transcribed; what is empty is as STEP4B's parameters say."""

    model: str = Field(default="", max_length=200, description="Name of a speech model that is here.")
    language: str = Field(default="", max_length=10, description="Its code, or `auto` to detect it.")
    task: Literal["", "transcribe", "translate"] = Field(
        default="", description="Keep the language, or make English of it."
    )

    @property
    def wish(self) -> Wish:
        """The same as a value."""
        return Wish(self.model, self.language, self.task)


class SoundAsked(FileAsked, WishAsked):
    """A sound file or video to send, and how it is to be transcribed."""


class WishOut(BaseModel):
    """What was asked for; what is empty is as STEP4B's parameters say."""

    model: str
    language: str
    task: str


class FactsOut(BaseModel):
    """What came of the last round that ended well."""

    language: str = Field(description="Its code; empty where nothing was said.")
    language_probability: float
    words: int
    model: str
    device: str
    compute_type: str
    dropped: dict[str, int] = Field(description="Segments that were not believed, by reason.")


class TranscriptionOut(BaseModel):
    """A file, what was asked for, and how that stands."""

    key: str
    name: str
    size: int
    added: datetime
    wish: WishOut
    round: int = Field(description="Counts from 1; asking again is a new one.")
    state: State
    cancelling: bool
    reason: str
    warnings: list[str]
    done: float = Field(description="Seconds of sound that are done.")
    duration: float = Field(description="Seconds of sound in all; 0 where nobody knows yet.")
    started: datetime | None
    finished: datetime | None
    seconds: float | None = Field(description="What the round took.")
    facts: FactsOut | None

    @classmethod
    def at(cls, one: Transcription) -> TranscriptionOut:
        """A transcription."""
        values = {name: getattr(one, name) for name in cls.model_fields if name not in ("name", "wish", "facts")}
        facts = None if one.facts is None else FactsOut(**vars(one.facts))
        return cls(name=printable(one.name), wish=WishOut(**vars(one.wish)), facts=facts, **values)


class TranscriptionList(BaseModel):
    """The transcriptions, the newest first."""

    transcriptions: list[TranscriptionOut]


class WordsAsked(Asked):
    """Where to go on reading."""

    source: str = Field(default="", max_length=40, description="What the answer before said.")
    after: int = Field(default=0, ge=0, le=LARGEST, description="`next` of the answer before.")


class WordOut(BaseModel):
    """A word in seconds, half-open."""

    start: float
    end: float
    text: str
    probability: float

    @classmethod
    def of(cls, word: SaidWord) -> WordOut:
        """A word."""
        return cls(start=word.start, end=word.end, text=word.text, probability=word.probability)


class WordsOut(BaseModel):
    """What is said: all of it, or what has come since."""

    source: str = Field(description="What the words are from: another one than before, and they begin anew.")
    next: int = Field(description="`after` of the next question.")
    language: str
    words: list[WordOut]


class SoundOut(BaseModel):
    """Whether a browser can play the sound now, and where."""

    ready: bool
    url: str
    share: float = Field(description="How much of it has been made, 0 to 1.")
