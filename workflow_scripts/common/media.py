"""Measuring a video file by decoding all of it, with PyAV, always: one yardstick whatever ffmpeg is installed."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.ffmpeg import FORMAT_WHITELIST, file_address
from workflow_scripts.common.frame_times import measure
from workflow_scripts.common.manifest import sha256_of
from workflow_scripts.common.media_info import AudioStream, Colour, MediaInfo, read_media, write_media

if TYPE_CHECKING:
    from av import AudioStream as AvAudio
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

__all__ = ["AudioStream", "Colour", "MediaInfo", "open_media", "probe", "read_media", "write_media"]

#: Beyond this one picture does not fit into the memory of an encoder on a laptop; 8K is 7680x4320.
MAX_SIDE = 8192
#: Below this there is nothing to see, and H.264 in 4:2:0 has no such pictures.
MIN_SIDE = 16
MAX_AUDIO_STREAMS = 64
MAX_GAP_S = 3600
TIME_LIMIT_S = 4 * 3600.0

_PLAYLISTS = (b"ffconcat version", b"#EXTM3U", b"v=0", b"[playlist]", b"<MPD", b"<ASX", b"<smil")
_RANGES = {1: "tv", 2: "pc"}
_MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
             9: "bt2020nc", 10: "bt2020c", 14: "ictcp"}  # fmt: skip
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              11: "smpte431", 12: "smpte432"}  # fmt: skip
_TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
              13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084",
              18: "arib-std-b67"}  # fmt: skip


@dataclass
class _Picture:
    """What decoding the picture has shown so far."""

    ticks: array[int] = field(default_factory=lambda: array("q"))
    last_ticks: int = 0
    interlaced: int = 0
    errors: int = 0
    first: VideoFrame | None = None


@dataclass
class _Sound:
    """What decoding one sound track has shown so far, in seconds."""

    start: Fraction | None = None
    end: Fraction = Fraction(0)
    rate: int = 0
    channels: int = 0
    errors: int = 0


def open_media(path: Path) -> InputContainer:
    """Open a file for reading with the same restrictions as ffmpeg gets: local, and a real container.

    Raises:
        RefusedError: it is no such file; the sentence says why.
    """
    import av

    _refuse_by_look(path)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMAT_WHITELIST}
    try:
        return av.open(file_address(path), options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise RefusedError(
            f"{path.name}: cannot be read as a video: it is damaged, cut off, or no video at all.",
            hint="Play it on another machine, or export it again.",
        ) from error


def _refuse_by_look(path: Path) -> None:
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError as error:
        shown = os.fsencode(path.name).decode("utf-8", "backslashreplace")
        raise RefusedError(f"{shown}: its name is not valid UTF-8.", hint="Rename the file.") from error
    if not path.is_file():
        raise RefusedError(f"{path.name}: is not a file.")
    with path.open("rb") as stream:
        head = stream.read(512)
    if not head:
        raise RefusedError(f"{path.name}: is empty (0 bytes).")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(_PLAYLISTS) or (text.startswith(b"<?xml") and any(mark in head for mark in _PLAYLISTS)):
        raise RefusedError(f"{path.name}: is a playlist that names other files, not a video.")


def probe(
    path: Path,
    *,
    progress: Callable[[int], None] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> MediaInfo:
    """Decode all of a video file and measure it; memory does not grow with its length (8 bytes a picture).

    `progress` gets the number of pictures decoded so far. Raises RefusedError when the file holds no picture,
    cannot be read, is cut off beyond use, or has an absurd size, count of tracks or clock.
    """
    deadline = time.monotonic() + time_limit_s
    with open_media(path) as container:
        video, covers, count = _choose_video(path, container)
        _check_header(path, container, video)
        picture, sounds = _Picture(), {stream.index: _Sound() for stream in container.streams.audio}
        for _ in _decode_all(container, video, picture, sounds):
            if progress:
                progress(len(picture.ticks))
            if time.monotonic() > deadline:
                raise RefusedError(f"{path.name}: reading it took more than {time_limit_s:.0f} s.", retry=True)
        info = _summary(path, container, video, picture, sounds, (count, covers))
    _check_promise(info)
    return info


def _choose_video(path: Path, container: InputContainer) -> tuple[VideoStream, int, int]:
    """The picture (the default one, else the first), how many cover pictures and how many pictures there are."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    if not moving:
        what = "holds sound but no picture" if container.streams.audio else "holds no picture and no sound"
        raise RefusedError(f"{path.name}: {what}.")
    chosen = next((stream for stream in moving if stream.disposition & Disposition.default), moving[0])
    return chosen, len(container.streams.video) - len(moving), len(moving)


def _check_header(path: Path, container: InputContainer, video: VideoStream) -> None:
    """Refuse, before anything is decoded, what would cost too much."""
    if video.codec_context is None or not video.codec_context.is_decoder:
        raise RefusedError(f"{path.name}: its picture is in a format that nothing here can decode.")
    _check_size(path, video.codec_context.width, video.codec_context.height)
    tracks = len(container.streams.audio)
    if tracks > MAX_AUDIO_STREAMS:
        raise RefusedError(f"{path.name}: has {tracks} sound tracks; more than {MAX_AUDIO_STREAMS} is no video.")


def _nothing_decodes(path: Path) -> RefusedError:
    return RefusedError(f"{path.name}: has a picture track, but not one picture of it can be decoded.")


def _check_size(path: Path, width: int, height: int) -> None:
    if width == height == 0:
        raise _nothing_decodes(path)
    if width > MAX_SIDE or height > MAX_SIDE:
        raise RefusedError(f"{path.name}: {width}x{height} pixels is larger than {MAX_SIDE}x{MAX_SIDE}.")
    if width < MIN_SIDE or height < MIN_SIDE:
        raise RefusedError(f"{path.name}: {width}x{height} pixels is smaller than {MIN_SIDE}x{MIN_SIDE}.")


def _decode_all(
    container: InputContainer, video: VideoStream, picture: _Picture, sounds: dict[int, _Sound]
) -> Iterator[None]:
    """Decode everything into `picture` and `sounds`, yielding after each packet; damaged packets are counted."""
    import av

    video.thread_type = "AUTO"
    packets = container.demux([video, *container.streams.audio])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:  # the file ends in the middle: what was read until here counts
            picture.errors += 1
            for rest in video.codec_context.decode(None):
                _see(picture, rest)
            return
        try:
            frames: Sequence[Any] = packet.decode()
        except av.error.FFmpegError:
            (picture if packet.stream is video else sounds[packet.stream.index]).errors += 1
            continue
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                _see(picture, frame)
            elif isinstance(frame, av.AudioFrame):
                _hear(sounds[packet.stream.index], frame)
        yield


def _see(picture: _Picture, frame: VideoFrame) -> None:
    if frame.pts is not None:
        tick = frame.pts
    elif picture.ticks:  # a picture without a time follows the one before
        tick = picture.ticks[-1] + max(1, frame.duration)
    else:
        tick = 0
    picture.ticks.append(tick)
    picture.last_ticks = frame.duration or 0
    picture.interlaced += frame.interlaced_frame
    picture.errors += frame.is_corrupt
    if picture.first is None:
        picture.first = frame


def _hear(sound: _Sound, frame: Any) -> None:
    start = sound.end if frame.pts is None else frame.pts * Fraction(frame.time_base)
    if sound.start is None:
        sound.start = start
    sound.end = max(sound.end, start + Fraction(frame.samples, frame.sample_rate))
    sound.rate, sound.channels = frame.sample_rate, len(frame.layout.channels)


def _summary(
    path: Path,
    container: InputContainer,
    video: VideoStream,
    picture: _Picture,
    sounds: dict[int, _Sound],
    streams: tuple[int, int],
) -> MediaInfo:
    frame = picture.first
    if frame is None:
        raise _nothing_decodes(path)
    _check_size(path, frame.width, frame.height)
    time_base = Fraction(video.time_base or Fraction(1, 90000))
    audio = tuple(_audio_stream(stream, sounds[stream.index]) for stream in container.streams.audio)
    stated = (video.guessed_rate, video.average_rate, video.base_rate)
    times = measure(
        picture.ticks,
        time_base,
        rates=[Fraction(rate) for rate in stated if rate and 1 <= rate <= 1000],
        last_ticks=picture.last_ticks,
        sound_end=max((track.end for track in audio if track.decodable), default=None),
        leaps_are_jumps=container.format.name in ("mpeg", "mpegts"),
    )
    if times.longest_gap > MAX_GAP_S:
        hours = float(times.longest_gap / 3600)
        raise RefusedError(f"{path.name}: one picture of it stands still for {hours:.1f} hours.")
    aspect = Fraction(video.sample_aspect_ratio or 1) or Fraction(1)
    rotation, mirrored = _orientation(frame)
    width, height = _seen_size(frame.width, frame.height, aspect, rotation)
    context = video.codec_context
    return MediaInfo(
        name=path.name,
        size=path.stat().st_size,
        sha256=sha256_of(path),
        container=container.format.name,
        codec=context.codec.canonical_name,
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in frame.format.components),
        video_index=video.index,
        video_streams=streams[0],
        cover_pictures=streams[1],
        width=frame.width,
        height=frame.height,
        display_width=width,
        display_height=height,
        rotation=rotation,
        mirrored=mirrored,
        pixel_aspect=aspect,
        interlaced=picture.interlaced * 100 > len(picture.ticks),
        colour=_colour(frame),
        fps=times.fps,
        variable_frame_rate=not times.constant,
        frames=len(picture.ticks),
        start=times.start,
        duration=times.duration,
        last_picture=times.last_picture,
        jumps=times.jumps,
        decode_errors=picture.errors,
        container_start=Fraction(container.start_time or 0, 1_000_000),
        declared_duration=_declared(container, video),
        audio=audio,
    )


def _audio_stream(stream: AvAudio, sound: _Sound) -> AudioStream:
    from av.stream import Disposition

    start = sound.start or Fraction(0)
    return AudioStream(
        index=stream.index,
        codec=stream.codec_context.codec.canonical_name if stream.codec_context else "unknown",
        rate=sound.rate,
        channels=sound.channels,
        start=start,
        duration=max(Fraction(0), sound.end - start) if sound.start is not None else Fraction(0),
        default=bool(stream.disposition & Disposition.default),
        language=stream.metadata.get("language", "").replace("und", ""),
        title=stream.metadata.get("title", ""),
        decode_errors=sound.errors,
    )


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Clockwise degrees to upright (0, 90, 180, 270), and whether the picture is mirrored besides."""
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data
    matrix = side_data.get(Type.DISPLAYMATRIX)  # 3x3, 16.16 fixed point, row by row
    mirrored = False
    if matrix is not None:
        a, b, _, c, d = memoryview(bytes(matrix)).cast("i")[:5]
        mirrored = a * d - b * c < 0
    return round(-frame.rotation / 90) * 90 % 360, mirrored


def _seen_size(width: int, height: int, aspect: Fraction, rotation: int) -> tuple[int, int]:
    """The size in square pixels, upright; the side that a pixel makes longer grows, so no detail is lost."""
    if aspect > 1:
        width = round(width * aspect)
    else:
        height = round(height / aspect)
    return (height, width) if rotation in (90, 270) else (width, height)


def _colour(frame: VideoFrame) -> Colour:
    def word(words: dict[int, str], value: Any) -> str:
        return words.get(int(value), "unknown")

    return Colour(
        range=word(_RANGES, frame.color_range),
        matrix=word(_MATRICES, frame.colorspace),
        primaries=word(_PRIMARIES, frame.color_primaries),
        transfer=word(_TRANSFERS, frame.color_trc),
    )


def _declared(container: InputContainer, video: VideoStream) -> Fraction | None:
    if video.duration and video.time_base:
        return video.duration * Fraction(video.time_base)
    return Fraction(container.duration, 1_000_000) if container.duration else None


def _check_promise(info: MediaInfo) -> None:
    """Refuse a file that holds less than half of what it promises, and lacks more than a minute."""
    ends: Sequence[Fraction] = [info.start + info.duration, *(track.end for track in info.audio)]
    real, declared = max(ends) - info.container_start, info.declared_duration
    if declared is not None and real * 2 < declared and declared - real > 60:
        raise RefusedError(
            f"{info.name}: says it is {_clock(declared)} long but holds {_clock(real)}; it is cut off.",
            hint="Copy or export it again.",
        )


def _clock(seconds: Fraction) -> str:
    minutes, rest = divmod(float(seconds), 60)
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}:{rest:04.1f}"
