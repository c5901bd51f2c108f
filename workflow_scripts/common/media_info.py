"""What is known about a video file, as values, and how `media.json` holds them.

Times are exact fractions of a second on the file's own clock; `start` of the picture is the zero that every
later number counts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.errors import ArtifactError

#: Bumped when the meaning of a field changes; a reader of another generation says so.
GENERATION = 1
_HDR_TRANSFERS = ("smpte2084", "arib-std-b67")


@dataclass(frozen=True)
class Colour:
    """How the numbers in the picture mean colours, in ffmpeg's words; `unknown` where the file does not say."""

    range: str
    matrix: str
    primaries: str
    transfer: str

    @property
    def hdr(self) -> bool:
        """Whether the picture is high dynamic range (PQ or HLG)."""
        return self.transfer in _HDR_TRANSFERS


@dataclass(frozen=True)
class AudioStream:
    """One sound track; `start` and `duration` (seconds) are those of what really decodes.

    `index` counts all streams of the file. `decodable` is False when not one piece of it decodes.
    """

    index: int
    codec: str
    rate: int
    channels: int
    start: Fraction
    duration: Fraction
    default: bool
    language: str
    title: str
    decode_errors: int

    @property
    def decodable(self) -> bool:
        """Whether anything can be heard of it."""
        return self.duration > 0

    @property
    def end(self) -> Fraction:
        """When its last sample ends, in seconds on the file's clock."""
        return self.start + self.duration

    @property
    def label(self) -> str:
        """How to name it to a person: `track 2 (eng, Commentary)`."""
        words = ", ".join(word for word in (self.language, self.title) if word)
        return f"track {self.index}" + (f" ({words})" if words else "")


@dataclass(frozen=True)
class MediaInfo:
    """A video file as measured by decoding all of it.

    Args:
        name, size, sha256: the file.
        container, codec, pix_fmt, bit_depth: formats, in ffmpeg's words.
        video_index: which stream is the picture, of `video_streams` (cover pictures are counted apart).
        width, height: pixels as decoded.
        display_width, display_height: pixels as seen: upright, square pixels.
        rotation: clockwise degrees that bring the picture upright; `mirrored` when it is flipped besides.
        pixel_aspect: width to height of a pixel as decoded.
        interlaced: whether the file marks its pictures as interlaced.
        fps: exact rate when constant, else pictures by seconds.
        variable_frame_rate: whether some picture lies off the grid of every constant rate.
        frames: decoded pictures.
        start, duration: seconds; first picture, and from there to the end of the last one.
        last_picture: seconds that the last picture stays.
        jumps: how often time runs backwards or leaps (broken MPEG streams).
        decode_errors: packets that did not decode, and pictures marked as damaged.
        declared_duration: what the container promises, in seconds; None when it says nothing.
        audio: every sound track, in the file's order.
    """

    name: str
    size: int
    sha256: str
    container: str
    codec: str
    pix_fmt: str
    bit_depth: int
    video_index: int
    video_streams: int
    cover_pictures: int
    width: int
    height: int
    display_width: int
    display_height: int
    rotation: int
    mirrored: bool
    pixel_aspect: Fraction
    interlaced: bool
    colour: Colour
    fps: Fraction
    variable_frame_rate: bool
    frames: int
    start: Fraction
    duration: Fraction
    last_picture: Fraction
    jumps: int
    decode_errors: int
    container_start: Fraction
    declared_duration: Fraction | None
    audio: tuple[AudioStream, ...]

    @property
    def has_sound(self) -> bool:
        """Whether any sound track decodes."""
        return any(track.decodable for track in self.audio)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; fractions as text (`"25"`, `"24000/1001"`)."""
        return {"generation": GENERATION, **_plain(asdict(self))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MediaInfo:
        """The value that `to_dict` came from.

        Raises:
            KeyError, TypeError, ValueError: the data is not what `to_dict` writes.
        """
        if data["generation"] != GENERATION:
            raise ValueError(f"it is of generation {data['generation']}, known is {GENERATION}")
        values = {field.name: data[field.name] for field in fields(cls)}
        for name in ("pixel_aspect", "fps", "start", "duration", "last_picture", "container_start"):
            values[name] = Fraction(values[name])
        declared = values["declared_duration"]
        values["declared_duration"] = None if declared is None else Fraction(declared)
        values["colour"] = Colour(**values["colour"])
        values["audio"] = tuple(_audio(track) for track in values["audio"])
        return cls(**values)


def _audio(data: Mapping[str, Any]) -> AudioStream:
    times = {name: Fraction(data[name]) for name in ("start", "duration")}
    return AudioStream(**{**data, **times})


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def write_media(path: Path, info: MediaInfo) -> None:
    """Write `media.json` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, info.to_dict())


def read_media(path: Path) -> MediaInfo:
    """Read `media.json`.

    Raises:
        ArtifactError: it is missing, unreadable, or not what STEP2 writes.
    """
    data = load_json(path)
    try:
        return MediaInfo.from_dict(data)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ArtifactError(path, f"is not what STEP2 measures ({error}).", hint="Run STEP2 again.") from error
