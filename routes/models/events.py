"""Events and logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from routes.models.common import LARGEST, Asked


class EventsAsked(Asked):
    """Which events, from where on."""

    after: int | None = Field(default=None, ge=0, le=LARGEST, description="The last id that was read.")
    run: int | None = Field(default=None, ge=0, le=LARGEST)
    step_run: int | None = Field(default=None, ge=0, le=LARGEST)
    kind: str | None = Field(default=None, description="One or several kinds, with commas.")


class PollAsked(EventsAsked):
    """Which events, how many, and how long to wait for the first."""

    limit: int = Field(default=500, ge=1, le=1000)


class EventOut(BaseModel):
    """Something that happened; ids grow and are never used again."""

    id: int
    time: datetime
    kind: str
    run: int | None
    step_run: int | None
    data: dict[str, Any]


class EventList(BaseModel):
    """Events, oldest first; `last` is `after` for the next question."""

    events: list[EventOut]
    last: int


class LogAsked(Asked):
    """Which part of a log; offsets and sizes in bytes."""

    offset: int = Field(default=0, ge=0, le=LARGEST)
    size: int = Field(default=65_536, ge=1, le=1_000_000)
    end: bool = Field(default=False, description="The last part in place of the one at the offset.")


class LogOut(BaseModel):
    """Part of a log. `next` is the offset of the next; `left_out` bytes before this part were not kept."""

    text: str
    offset: int
    next: int
    left_out: int
