"""Pictures and sound of a video, for looking at it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from routes.models.common import Asked
from services.viewing.peaks import Peaks


class PlaybackOut(BaseModel):
    """What a browser plays of a video; while it is being made there is no address."""

    ready: bool
    url: str | None
    kind: Literal["original", "proxy"]
    share: float = Field(description="How much of it is made, 0..1.")
    version: str = Field(description="Of the content; with it as `v` thumbnails may be kept for ever.")


class VideoAsked(Asked):
    """Which content of the video; without it, whatever there is now."""

    v: str = Field(default="", max_length=64, description="The video's version, from `playback`.")


class ThumbAsked(VideoAsked):
    """Which thumbnail."""

    height: int = Field(default=90, ge=16, le=360, description="In pixels.")


class PeaksAsked(Asked):
    """Which part of the sound curve, seconds; without an end, to the end of the video."""

    start: float = Field(default=0, ge=0, le=1e7)
    end: float | None = Field(default=None, ge=0, le=1e7)
    points: int = Field(default=1000, ge=1, le=8000)


class PeaksOut(BaseModel):
    """The lowest and highest sample, -128..127, of each of equal parts of `[start, end)` seconds, mixed to mono."""

    has_sound: bool
    start: float = 0.0
    end: float = 0.0
    peaks: list[list[int]] = []

    @classmethod
    def of(cls, peaks: Peaks) -> PeaksOut:
        """A part of the curve."""
        return cls(has_sound=True, start=peaks.start, end=peaks.end, peaks=peaks.pairs.tolist())
