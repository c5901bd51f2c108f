"""What the page of a video shows. Frames count from 0, ranges are half-open, seconds are those of the picture."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from routes.models.common import LARGEST, Asked
from routes.models.projects import StepFigures
from services.status import VideoStatus
from services.viewing.compare import Comparison
from services.viewing.overview import Overview
from workflow_scripts.common.events import printable

#: How many frames' boxes are told at once.
MOST_FRAMES = 500
_KEY = Field(
    default=None, max_length=100, description="The key of an earlier result; without it, what there is now."
)


class OfAsked(Asked):
    """Which result."""

    of: str | None = _KEY


class FramesAsked(OfAsked):
    """Which frames, half-open."""

    start: int = Field(default=0, ge=0, le=LARGEST)
    end: int = Field(ge=0, le=LARGEST)

    @model_validator(mode="after")
    def _not_too_many(self) -> FramesAsked:
        if not 0 <= self.end - self.start <= MOST_FRAMES:
            raise ValueError(f"end must be 0 to {MOST_FRAMES} frames after start")
        return self


class RangeAsked(OfAsked):
    """Which frames, half-open, told by how many points."""

    start: int = Field(default=0, ge=0, le=LARGEST)
    end: int = Field(default=LARGEST, ge=0, le=LARGEST)
    points: int = Field(default=1000, ge=1, le=10_000)


class SecondsAsked(OfAsked):
    """Which seconds, half-open."""

    start: float = Field(default=0, ge=0, le=1e9)
    end: float = Field(default=1e9, ge=0, le=1e9)


class WordsAsked(Asked):
    """Which seconds, half-open."""

    start: float = Field(default=0, ge=0, le=1e9)
    end: float = Field(default=1e9, ge=0, le=1e9)


class CompareAsked(Asked):
    """Which step's results, and which earlier one to compare with what there is now."""

    step: Literal["STEP3", "STEP4", "STEP5"]
    of: str = Field(max_length=100, description="The key of an earlier result.")


class Progressing(BaseModel):
    """What is still being read, and the share of it done, 0..1."""

    what: str
    share: float


class SpeakerOut(BaseModel):
    """A speaker: how long, and that as a share of the video."""

    label: str
    seconds: float
    share: float


class IdentityOut(BaseModel):
    """An identity of the tracking; `first` and `last` are frames it is seen in."""

    id: str
    label: str
    frames: int
    first: int
    last: int
    speaking_frames: int


class EarlierOut(BaseModel):
    """An earlier result of a step; `changed` are the parameters that differ: then, and now."""

    key: str
    finished: str
    device: str
    state: str
    changed: dict[str, tuple[Any, Any]]


class ViewOut(BaseModel):
    """A video at first sight; what nobody has measured is null. `problems` are sentences by kind of data."""

    fps: float | None
    frames: int | None
    duration: float | None
    width: int | None
    height: int | None
    has_sound: bool
    steps: dict[str, StepFigures]
    speakers: list[SpeakerOut]
    identities: list[IdentityOut]
    available: dict[str, bool]
    problems: dict[str, str]
    preparing: Progressing | None = Field(
        description="Until this is null, speakers and identities may be missing: ask again."
    )
    earlier: dict[str, list[EarlierOut]]

    @classmethod
    def of(cls, status: VideoStatus, seen: Overview) -> ViewOut:
        """What is known of a video."""
        values = {field: getattr(seen, field) for field in ("available", "problems")}
        media = seen.media
        return cls(
            fps=float(media.fps) if media else None,
            frames=media.frames if media else None,
            duration=float(media.duration) if media else None,
            width=media.width if media else None,
            height=media.height if media else None,
            has_sound=bool(media and media.has_sound),
            steps={key: StepFigures.of(step) for key, step in status.steps.items()},
            speakers=[SpeakerOut(**asdict(one)) for one in seen.speakers],
            identities=[IdentityOut(**asdict(one)) for one in seen.identities],
            available=values["available"],
            problems={kind: printable(text) for kind, text in values["problems"].items()},
            preparing=Progressing(**asdict(seen.preparing)) if seen.preparing else None,
            earlier={step: [EarlierOut(**asdict(one)) for one in found] for step, found in seen.earlier.items()},
        )


class ShotOut(BaseModel):
    """A shot, and the transition that begins it; its `first` and `last` frame are both inside. Null: not known."""

    start: int
    end: int
    kind: Literal["hard", "gradual"] | None
    score: float | None
    first: int | None
    last: int | None


class ShotsOut(BaseModel):
    """The shots, in order."""

    shots: list[ShotOut]


class ScoresOut(BaseModel):
    """Scores of frames, the largest of every `step` of them; empty where the file has none."""

    start: int
    end: int
    step: int
    single: list[float]
    many: list[float]


class TurnOut(BaseModel):
    """A turn, in seconds."""

    start: float
    end: float
    speaker: str
    score: float | None


class SoundOut(BaseModel):
    """What touches the range: turns, and where the delivered file has speech; in seconds."""

    turns: list[TurnOut]
    speech: list[tuple[float, float]]


class WordOut(BaseModel):
    """A word, in seconds; `speaker` is null where nobody's turn is near."""

    start: float
    end: float
    text: str
    speaker: str | None
    probability: float


class WordsOut(BaseModel):
    """The words that touch the range, and the language as a code (`fr`)."""

    language: str
    words: list[WordOut]


class PresenceOut(BaseModel):
    """Where an identity is seen: start, end, and the share of the frames it is seen in there in which it speaks."""

    id: str
    spans: list[tuple[int, int, float]]


class FacesOut(BaseModel):
    """Identities in a range, those seen most first, `more` besides, and where `anybody` is seen."""

    identities: list[PresenceOut]
    more: int
    anybody: list[tuple[int, int, float]]


class BoxOut(BaseModel):
    """An object in a frame, in pixels; null is not known. `mouth` is how far it is open."""

    id: str
    x0: int | None
    y0: int | None
    x1: int | None
    y1: int | None
    confidence: float | None
    speaking: bool
    mouth: float | None
    speaker: list[str]
    label: str
    source: str


class FramesOut(BaseModel):
    """What is in each frame from `start` on; fewer frames than asked for where the file ends."""

    start: int
    frames: list[list[BoxOut]]


class DifferenceOut(BaseModel):
    """Frames in which two results differ."""

    start: int
    end: int
    kind: Literal["only_now", "only_then", "moved", "speakers", "count", "place", "speaking"]


class FigureOut(BaseModel):
    """A figure of both results."""

    name: str
    now: float
    then: float


class ComparisonOut(BaseModel):
    """How two results compare; `agreement` is 0..1."""

    agreement: float
    differing_seconds: float | None
    figures: list[FigureOut]
    differences: list[DifferenceOut]

    @classmethod
    def of(cls, found: Comparison) -> ComparisonOut:
        """A comparison."""
        return cls(**asdict(found))
