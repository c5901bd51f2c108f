"""Where the data of the video page comes from: which artifacts there are for a video, now and earlier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from services.names import name_of
from services.projects import UnknownName
from workflow_scripts.common.artifacts import transcripts, transitions, turns
from workflow_scripts.common.earlier import Earlier, earlier_results
from workflow_scripts.common.projects import Project, Video, is_video_name

Kind = Literal["shots", "sound", "faces", "words"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: The step whose result each kind is.
STEP_OF: Mapping[Kind, str] = {"shots": "STEP3", "sound": "STEP4", "faces": "STEP5", "words": "STEP4B"}
#: How people call each kind.
WORD_OF: Mapping[Kind, str] = {"shots": "shots", "sound": "speech", "faces": "faces", "words": "words"}
#: Raised when an index holds something else than before.
_GENERATION = 1


@dataclass(frozen=True)
class Source:
    """The files one kind of data is read from, by role, and the folder its indexes are kept in.

    `name` tells results apart: `now`, or the key of an earlier one.
    """

    kind: Kind
    name: str
    files: Mapping[str, Path]
    folder: Path

    def signature(self) -> str:
        """What changes when a file does: it stands for their sizes, times and places on the disk."""
        seen: list[object] = [_GENERATION, self.kind]
        for role, path in sorted(self.files.items()):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            seen.append((role, path.name[-20:], stat.st_size, stat.st_mtime_ns, stat.st_ino))
        return hashlib.sha256(json.dumps(seen).encode("utf-8", "surrogateescape")).hexdigest()[:20]

    def results(self) -> set[str]:
        """The names of all results of this kind that are still there."""
        workflow = self.folder.parents[1]
        return {"now", *(one.key for one in earlier_results(workflow, STEP_OF[self.kind]))}

    @property
    def size(self) -> int:
        """Bytes of all files as they lie on the disk."""
        return sum(path.stat().st_size for path in self.files.values() if path.is_file())


def find_viewed(project: Project, key: str) -> Video:
    """A video of a project by the key of its file or of the one STEP2 makes of it, without asking how it stands.

    Raises:
        UnknownName: there is none.
    """
    name = name_of(key)
    if name is not None and is_video_name(name):
        asked = Video(project, name)
        for video in (asked.converted, asked):
            if video.path.is_file() and name in (video.name, video.converted.name):
                return video
            if video.path.is_file():
                break  # the converted one hides what it was made from
        else:
            for video in project.videos():
                if video.converted.name == name:
                    return video
    raise UnknownName("There is no such video in this project.")


def source_of(video: Video, kind: Kind, of: str | None = None) -> Source | None:
    """Where a kind of data is read from, now or `of` an earlier result; None where there is nothing.

    Raises:
        UnknownName: there is no such earlier result.
    """
    files = _files_of(earlier_of(video, STEP_OF[kind], of), kind) if of else _files_now(video, kind)
    there = {role: path for role, path in files.items() if path is not None and path.is_file()}
    folder = video.workflow / "viewer" / "index"
    return Source(kind, of or "now", there, folder) if there else None


def earlier_of(video: Video, step: str, key: str) -> Earlier:
    """An earlier result of a step.

    Raises:
        UnknownName: there is none of that key.
    """
    for one in earlier_results(video.workflow, step):
        if one.key == key:
            return one
    raise UnknownName(f"There is no such earlier result of {step}.")


def _files_now(video: Video, kind: Kind) -> dict[str, Path | None]:
    if kind == "shots":
        return {"scenes": video.delivered(".csv"), "transitions": video.workflow / transitions.NAME}
    if kind == "words":
        return {"transcript": video.delivered(transcripts.JSON_SUFFIX)}
    if kind == "faces":
        return {"tracking": _first(video.delivered(".json"), video.delivered("_tracking.json"))}
    return {
        "audio": _first(video.delivered("_audio.json"), video.workflow / "audio.raw.json.gz"),
        "turns": video.workflow / turns.NAME,
        "rttm": video.delivered(".rttm"),
    }


def _files_of(one: Earlier, kind: Kind) -> dict[str, Path | None]:
    roles: Mapping[Kind, tuple[str, ...]] = {
        "shots": ("scenes", "transitions"),
        "faces": ("tracking",),
        "sound": ("audio", "turns"),
        "words": ("transcript",),
    }
    return {role: one.file(role) for role in roles[kind]}


def _first(*paths: Path) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
