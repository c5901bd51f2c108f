"""Tracking JSON: what is seen in every frame, raw `<stem>.json` (STEP5), reduced `<stem>_tracking.json` (STEP6).

Both are written frame by frame and the raw one is read the same way, so memory does not grow with length.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import (
    check_number,
    compact,
    count_from_json,
    frames_list,
    load_json,
    open_text,
    rate_from_json,
    rate_in_json,
)
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError

#: A tracking file that holds fewer than this share of its video's frames was thinned out by an older system
#: (489 real files hold about 53 %).
THINNED_SHARE = 0.9


@dataclass(frozen=True)
class TrackedObject:
    """One object in one frame; pixels are integers of the 25 fps video, the box is inclusive-exclusive.

    `box` is `(xmin, ymin, xmax, ymax)` and None where an old file has none; `active_speakers` are the labels
    attributed to this face, empty for everything that is not a face.
    """

    id: str
    label: str
    source: str
    box: tuple[int, int, int, int] | None
    centroid_x: int
    centroid_y: int | None = None
    confidence: float | None = None
    blendshapes: Mapping[str, float] | None = None
    is_speaking: bool = False
    speaking_confidence: float = 0.0
    speaking_method: str | None = None
    speaking_sources: Mapping[str, Any] = field(default_factory=dict)
    active_speakers: tuple[str, ...] = ()

    @property
    def width(self) -> int | None:
        """Width of the box in pixels."""
        return None if self.box is None else self.box[2] - self.box[0]

    @property
    def height(self) -> int | None:
        """Height of the box in pixels."""
        return None if self.box is None else self.box[3] - self.box[1]


@dataclass(frozen=True)
class Alignment:
    """What the reduced file says about picture against sound; `warnings` are sentences."""

    video: FrameClock
    audio_frames: int
    audio_fps: Fraction
    warnings: tuple[str, ...] = ()


def write_raw_tracking(
    path: Path, video_path: str, engine: str, frames: Iterable[Iterable[TrackedObject]], clock: FrameClock
) -> None:
    """Write the raw file of STEP5, one frame per line, numbered from 1, empty where nothing is seen.

    Raises:
        ValueError: the number of frames is not the clock's.
    """
    metadata = {
        "video_path": video_path,
        "total_frames": clock.frames,
        "fps": rate_in_json(clock.fps),
        "tracking_engine": engine,
    }
    with atomic_writer(path) as stream:
        stream.write(f'{{"metadata": {json.dumps(metadata, ensure_ascii=False)}, "frames": [\n')
        count = 0
        for count, objects in enumerate(frames, 1):
            entry = {"frame": count, "tracked_objects": [_raw(item) for item in objects]}
            stream.write((",\n" if count > 1 else "") + json.dumps(entry, ensure_ascii=False))
        stream.write("\n]}\n")
        _check_count(count, clock)


def write_reduced_tracking(path: Path, frames: Iterable[Iterable[TrackedObject]], alignment: Alignment) -> None:
    """Write the reduced file of STEP6: compact, no space after a colon (the editors' streaming parser breaks).

    Raises:
        ValueError: the number of frames is not the video's.
    """
    clock = alignment.video
    with atomic_writer(path) as stream:
        stream.write('{"frames_analysis":[')
        count = 0
        for count, objects in enumerate(frames, 1):
            entry = {"frame": count, "tracked_objects": [_reduced(item) for item in objects]}
            stream.write(("," if count > 1 else "") + compact(entry))
        _check_count(count, clock)
        temporal = {
            "video_total_frames": clock.frames,
            "audio_total_frames": alignment.audio_frames,
            "video_fps": rate_in_json(clock.fps),
            "audio_fps": rate_in_json(alignment.audio_fps),
            "warnings": list(alignment.warnings),
        }
        tail = {"fps": rate_in_json(clock.fps), "total_frames": clock.frames, "temporal_alignment": temporal}
        stream.write("]," + compact(tail)[1:])


def _check_count(count: int, clock: FrameClock) -> None:
    if count != clock.frames:
        raise ValueError(f"{count} tracked frames for {clock.frames} frames of picture")


def _raw(item: TrackedObject) -> dict[str, Any]:
    xmin, ymin, xmax, ymax = item.box or (None, None, None, None)
    return {
        "id": item.id,
        "centroid_x": item.centroid_x,
        "centroid_y": item.centroid_y,
        "bbox_xmin": xmin,
        "bbox_ymin": ymin,
        "bbox_xmax": xmax,
        "bbox_ymax": ymax,
        "bbox_width": item.width,
        "bbox_height": item.height,
        "source": item.source,
        "label": item.label,
        "confidence": item.confidence,
        "blendshapes": None if item.blendshapes is None else dict(item.blendshapes),
        "is_speaking": item.is_speaking,
        "speaking_confidence": item.speaking_confidence,
        "speaking_method": item.speaking_method,
        "speaking_sources": dict(item.speaking_sources),
        "active_speakers": list(item.active_speakers),
    }


def _reduced(item: TrackedObject) -> dict[str, Any]:
    return {
        "id": item.id,
        "centroid_x": item.centroid_x,
        "source": item.source,
        "label": item.label,
        "confidence": item.confidence,
        "active_speakers": list(item.active_speakers),
        "bbox_width": item.width,
        "bbox_height": item.height,
    }


@dataclass(frozen=True)
class TrackingFile:
    """A tracking file that can be iterated frame by frame, as often as needed.

    `fps`, `total_frames` and `engine` are None where the file does not say.
    """

    path: Path
    fps: Fraction | None
    total_frames: int | None
    engine: str | None
    _entries: tuple[dict[str, Any], ...] | None

    def frames(self) -> Iterator[tuple[TrackedObject, ...]]:
        """The objects of frame 0, 1, 2, ….

        Raises:
            ArtifactError: frames are not numbered 1, 2, 3, …, an object has no id, or a total contradicts.
        """
        entries = _stream_entries(self.path) if self._entries is None else iter(self._entries)
        count = 0
        for index, entry in enumerate(entries):
            check_number(self.path, entry, index)
            objects = entry.get("tracked_objects") or []
            if not isinstance(objects, list):
                raise ArtifactError(self.path, f"the objects of frame {index + 1} are no list.")
            yield tuple(_object(self.path, index, item) for item in objects)
            count = index + 1
        if self.total_frames is not None and count != self.total_frames:
            raise ArtifactError(self.path, f"says {self.total_frames} frames and holds {count}.")


def read_tracking(path: Path) -> TrackingFile:
    """Open a tracking JSON of any generation, raw or reduced, plain or gzipped.

    A file of ours (one frame per line) is streamed; any other is loaded whole.

    Raises:
        ArtifactError: it holds no frames (`{"ok": true}`, `{"tracks": []}`) or is no JSON at all.
    """
    head = _our_head(path)
    if head is not None:
        return _tracking_file(path, head, None)
    data = load_json(path)
    metadata = data.get("metadata")
    head = {**data, **metadata} if isinstance(metadata, dict) else data
    return _tracking_file(path, head, tuple(frames_list(path, data)))


def thinned_warning(tracked: int, video_frames: int) -> str | None:
    """A sentence when a tracking file has far fewer frames than its video, else None."""
    if tracked >= THINNED_SHARE * video_frames:
        return None
    return f"only {tracked} of {video_frames} frames are tracked; their numbers cannot be trusted."


def _tracking_file(path: Path, head: dict[str, Any], entries: tuple[dict[str, Any], ...] | None) -> TrackingFile:
    engine = head.get("tracking_engine")
    return TrackingFile(
        path,
        rate_from_json(path, head.get("fps")),
        count_from_json(path, head),
        engine if isinstance(engine, str) else None,
        entries,
    )


def _our_head(path: Path) -> dict[str, Any] | None:
    """The metadata of a file that `write_raw_tracking` wrote, None when it is another."""
    with open_text(path) as stream:
        first = stream.readline(100_000)
    if not (first.startswith('{"metadata": ') and first.endswith(', "frames": [\n')):
        return None
    try:
        head = json.loads(first[: -len(', "frames": [\n')] + "}")["metadata"]
    except (ValueError, KeyError, RecursionError):
        return None
    return head if isinstance(head, dict) else None


def _stream_entries(path: Path) -> Iterator[dict[str, Any]]:
    with open_text(path) as stream:
        stream.readline()
        for line in stream:
            text = line.strip()
            if text == "]}":
                if stream.read().strip():  # to the end, where a packed file has its checksum
                    raise ArtifactError(path, "goes on after its end.")
                return
            if not text:
                continue
            try:
                entry = json.loads(text.removesuffix(","))
            except (ValueError, RecursionError) as error:
                raise ArtifactError(path, f"a frame is not valid JSON ({error}).") from error
            if not isinstance(entry, dict):
                raise ArtifactError(path, "an entry of frames is not a frame.")
            yield entry
    raise ArtifactError(path, "ends in the middle: it is not complete.")


def _object(path: Path, index: int, item: object) -> TrackedObject:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str | int):
        raise ArtifactError(path, f"an object of frame {index + 1} has no id.")
    try:
        return _tolerant_object(item)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"{type(error).__name__}: {error}"
        raise ArtifactError(path, f"object {item['id']} of frame {index + 1} is damaged ({what}).") from error


def _tolerant_object(item: dict[str, Any]) -> TrackedObject:
    centroid_y, confidence = item.get("centroid_y"), item.get("confidence")
    for name, kind in (("blendshapes", dict), ("speaking_sources", dict), ("active_speakers", list)):
        if item.get(name) and not isinstance(item[name], kind):
            raise TypeError(f"{name} is no {kind.__name__}")
    return TrackedObject(
        id=str(item["id"]),
        label=str(item["label"]),
        source=str(item["source"]),
        box=_box(item),
        centroid_x=round(float(item["centroid_x"])),
        centroid_y=None if centroid_y is None else round(float(centroid_y)),
        confidence=None if confidence is None else float(confidence),
        blendshapes=item.get("blendshapes"),
        is_speaking=bool(item.get("is_speaking")),
        speaking_confidence=float(item.get("speaking_confidence") or 0.0),
        speaking_method=item.get("speaking_method"),
        speaking_sources=item.get("speaking_sources") or {},
        active_speakers=tuple(str(label) for label in item.get("active_speakers") or ()),
    )


def _box(item: dict[str, Any]) -> tuple[int, int, int, int] | None:
    corners = [item.get(f"bbox_{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    if None in corners:  # a reduced file holds the size alone: placed round its centre, vertically from 0
        width, height = item.get("bbox_width"), item.get("bbox_height")
        if width is None or height is None:
            return None
        left = round(float(item["centroid_x"]) - float(width) / 2)
        top = round(float(item.get("centroid_y") or float(height) / 2) - float(height) / 2)
        return (left, top, left + round(float(width)), top + round(float(height)))
    xmin, ymin, xmax, ymax = (round(float(value)) for value in corners if value is not None)
    return (xmin, ymin, xmax, ymax)
