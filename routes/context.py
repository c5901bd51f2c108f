"""What every route works with; one for each application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from services.database import Database
from services.pipeline import Pipeline
from services.runs import Runs
from services.web.event_feed import EventFeed
from services.web.security import TokenGate
from services.web.settings import WebSettings
from services.web.stream_slots import StreamSlots

#: Where an application keeps its context.
EXTENSION = "workflow"


@dataclass(frozen=True)
class Context:
    """The database, the graph and the limits that all routes of an application share."""

    settings: WebSettings
    database: Database
    runs: Runs
    pipeline: Pipeline
    feed: EventFeed
    streams: StreamSlots
    gate: TokenGate

    @property
    def video_steps(self) -> list[str]:
        """The keys of the steps that work on videos."""
        return [step.key for step in self.pipeline.steps[1:]]

    def close(self) -> None:
        """End the streams and close the database."""
        self.feed.close()
        self.database.close()


def context() -> Context:
    """The context of the application that answers just now."""
    return cast(Context, current_app.extensions[EXTENSION])
