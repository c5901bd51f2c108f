"""What the page of a video shows first: its picture, who is in it, and what can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from services.projects import UnknownName
from services.viewing import faces, sound
from services.viewing.index import Index
from services.viewing.indexes import Indexes
from services.viewing.jobs import Preparing
from services.viewing.sources import KINDS, Kind, source_of
from workflow_scripts.common.artifacts.tracking import thinned_warning
from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.earlier import KEPT, Earlier, earlier_results
from workflow_scripts.common.errors import ArtifactError, VideoError
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.media_info import MediaInfo, read_media
from workflow_scripts.common.projects import Video

#: Seconds to wait for each index of a video that is opened for the first time.
_WAIT_S = 0.15


@dataclass(frozen=True)
class EarlierView:
    """An earlier result, and the parameters whose values are others now: `(then, now)`."""

    key: str
    finished: str
    device: str
    state: str
    changed: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Overview:
    """What is known of a video at first sight.

    Args:
        media: what STEP2 measured; None where it has not.
        speakers, identities: those who speak, and those who are seen, most first.
        available: the kinds of data there are, each a name.
        preparing: what is still being read, and how far that is; until then there are no speakers or identities.
        problems: why a kind of data cannot be shown, or not be trusted, by kind.
        earlier: by step, newest first.
    """

    media: MediaInfo | None
    speakers: list[sound.SpeakerView]
    identities: list[faces.IdentityView]
    available: Mapping[str, bool]
    preparing: Preparing | None
    problems: Mapping[str, str]
    earlier: Mapping[str, list[EarlierView]]


def media_of(video: Video) -> MediaInfo | None:
    """What STEP2 measured of a video, None where it has not, or where that cannot be read."""
    try:
        return read_media(video.workflow / "media.json")
    except ArtifactError:
        return None


def rate_of(video: Video) -> Fraction:
    """The frame rate of a video; where nobody measured it, the one that STEP2 makes."""
    media = media_of(video)
    return WORKING_RATE if media is None else media.fps


def overview(indexes: Indexes, video: Video) -> Overview:
    """What is known of a video at first sight; never waits long."""
    media = media_of(video)
    found: dict[Kind, Index] = {}
    preparing: list[Preparing] = []
    problems: dict[str, str] = {}
    there = [kind for kind in KINDS if source_of(video, kind) is not None]
    for kind in there:
        try:
            answer = indexes.get(video, kind, wait_s=_WAIT_S)
        except UnknownName:  # it has gone since
            continue
        except VideoError as error:
            problems[kind] = str(error)
            continue
        if isinstance(answer, Preparing):
            preparing.append(answer)
        else:
            found[kind] = answer
            if said := _doubt(kind, answer, media):
                problems[kind] = said
    duration = float(media.duration) if media else 0.0
    return Overview(
        media,
        sound.speakers(found["sound"], duration) if "sound" in found else [],
        faces.identities(found["faces"]) if "faces" in found else [],
        _available([kind for kind in there if kind in found or kind not in problems], found),
        min(preparing, key=lambda one: one.share, default=None),
        problems,
        {step: _earlier(video, step) for step in KEPT},
    )


def _available(readable: list[Kind], found: Mapping[Kind, Index]) -> dict[str, bool]:
    """What can be asked for; of scores that is known once they have been read."""
    shots = found.get("shots")
    return {
        "shots": "shots" in readable,
        "scores": shots is not None and "single" in shots.arrays,
        "turns": "sound" in readable,
        "words": "words" in readable,
        "faces": "faces" in readable,
    }


def _doubt(kind: Kind, index: Index, media: MediaInfo | None) -> str:
    """Why an artifact that can be read does not fit the picture; empty where it does."""
    frames = index.meta["frames"]
    if media is None or frames is None or frames == media.frames:
        return ""
    thinned = thinned_warning(frames, media.frames) if kind == "faces" else None
    return thinned or f"It holds {frames} frames, the video has {media.frames}."


def _earlier(video: Video, step: str) -> list[EarlierView]:
    now = read_manifest(video.workflow / f"{step}.json")
    return [_view(one, now) for one in earlier_results(video.workflow, step)]


def _view(one: Earlier, now: Manifest | None) -> EarlierView:
    then = one.manifest
    before, after = _values(then), _values(now) if now else {}
    names = sorted({*before, *after}) if now else ()
    changed = {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
    return EarlierView(one.key, then.finished, then.device_used, then.state, changed)


def _values(manifest: Manifest) -> dict[str, Any]:
    described = manifest.parameters.items()
    return {name: entry.get("value") for name, entry in described if isinstance(entry, Mapping)}
