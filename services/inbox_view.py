"""What lies in the inbox, for people: what STEP1 would take, what it would leave, whether anybody watches it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from services.configuration import general_settings
from services.names import Named
from services.upload_names import ARCHIVE_SUFFIXES, PROCESSED
from workflow_scripts.common.paths import inbox_folder
from workflow_scripts.common.projects import is_video_name


@dataclass(frozen=True)
class InboxEntry:
    """A file or folder of the inbox; `size` in bytes, None for a folder. STEP1 decides about `other` by content."""

    name: Named
    kind: Literal["archive", "video", "folder", "other"]
    size: int | None
    modified: datetime


@dataclass(frozen=True)
class Inbox:
    """The inbox: its folder, the newest of what lies in it, how much that is in all, what the watch does with it.

    `steps` is what the watch starts (None: all), after `quiet_s` seconds without a change.
    """

    folder: Path
    entries: tuple[InboxEntry, ...]
    total: int
    watched: bool
    steps: str | None
    quiet_s: float


def look_into_inbox(most: int) -> Inbox:
    """The inbox now, at most so many entries of it."""
    settings, folder = general_settings(), inbox_folder()
    try:
        with os.scandir(folder) as found:
            entries = [one for one in map(_entry, found) if one is not None]
    except FileNotFoundError:
        entries = []
    entries.sort(key=lambda one: one.modified, reverse=True)
    return Inbox(
        folder=folder,
        entries=tuple(entries[:most]),
        total=len(entries),
        watched=settings.watch_inbox,
        steps=settings.inbox_steps,
        quiet_s=settings.inbox_quiet_s,
    )


def _entry(entry: os.DirEntry[str]) -> InboxEntry | None:
    if entry.name.startswith(".") or entry.name == PROCESSED:
        return None
    try:
        stat, is_folder = entry.stat(), entry.is_dir()
    except OSError:  # gone meanwhile, or a link that leads nowhere
        return None
    kind: Literal["archive", "video", "folder", "other"] = "other"
    if is_folder:
        kind = "folder"
    elif entry.name.lower().endswith(ARCHIVE_SUFFIXES):
        kind = "archive"
    elif is_video_name(entry.name):
        kind = "video"
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    return InboxEntry(Named.of(entry.name), kind, None if is_folder else stat.st_size, modified)
