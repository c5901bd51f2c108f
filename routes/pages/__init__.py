"""The dashboard: a page a file, server-rendered; parts of pages are fetched anew when events say so."""

from __future__ import annotations

from routes.pages import frame, history, pipeline, project, run, settings, system, transcribe, video

#: Where the pages are.
AREAS = (frame, pipeline, project, video, run, transcribe, history, system, settings)
