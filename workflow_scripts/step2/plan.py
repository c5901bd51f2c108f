"""Deciding what becomes of a video: it stays as it is, or it is converted, why and how; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.ffmpeg import Filter
from workflow_scripts.common.media import MAX_SIDE, MIN_SIDE
from workflow_scripts.common.media_info import AudioStream, MediaInfo

#: Sound may start this much before or after the picture without anybody noticing: one frame.
SOUND_OFFSET = Fraction(1, 25)
SOUND_CODECS = ("aac", "mp3")
#: The clock of ffmpeg's filters while time stamps are moved: 90 kHz holds every common rate exactly enough.
_TICKS = 90_000
#: Holes in the sound from here on are filled; ffmpeg's own 0.1 s would let it drift by two frames.
_SHORTEST_HOLE = "0.01"


@dataclass(frozen=True)
class Untouched:
    """The video already is what every later step expects."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Convert:
    """How a video is made into constant 25 pictures a second.

    `reasons` are the properties that made it necessary, `frames` what the result must hold, `sound` the track
    that is kept. Filters and `keep_timestamps` are those of `Conversion`.
    """

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    frames: int
    video_filters: tuple[Filter, ...]
    sizes_may_change: bool
    sound: AudioStream | None
    sound_filters: tuple[Filter, ...]
    sound_rate: int
    sound_channels: int
    keep_timestamps: bool


def plan(info: MediaInfo, *, suffix: str, can_tone_map: bool) -> Untouched | Convert:
    """Decide about a measured video.

    Args:
        suffix: of its name, without the dot.
        can_tone_map: whether ffmpeg has the filters for high dynamic range.

    Raises:
        RefusedError: its pixel aspect would give a picture of absurd size.
    """
    sound = choose_sound(info.audio)
    reasons = _reasons(info, sound, suffix)
    warnings = _warnings(info, sound)
    if not reasons:
        return Untouched(warnings)
    if info.colour.hdr and not can_tone_map:
        warnings += (f"{info.name}: high dynamic range is kept as it is; this ffmpeg cannot map its tones.",)
    frames = max(1, math.floor(info.duration * WORKING_RATE + Fraction(1, 2)))
    keep = info.jumps == 0
    zero = info.start if keep else info.start - info.container_start
    rate = sound.rate if sound and sound.rate in (44100, 48000) else 48000
    return Convert(
        reasons=reasons,
        warnings=warnings,
        frames=frames,
        video_filters=_video_filters(info, zero, frames, can_tone_map),
        sizes_may_change=not info.interlaced,
        sound=sound,
        sound_filters=_sound_filters(zero, frames, rate),
        sound_rate=rate,
        sound_channels=min(sound.channels, 2) if sound else 0,
        keep_timestamps=keep,
    )


def choose_sound(tracks: tuple[AudioStream, ...]) -> AudioStream | None:
    """The track to keep: of those that decode the one marked as default, else the first."""
    heard = [track for track in tracks if track.decodable]
    return next((track for track in heard if track.default), heard[0] if heard else None)


def _reasons(info: MediaInfo, sound: AudioStream | None, suffix: str) -> tuple[str, ...]:
    """What keeps a video from being left as it is, in words."""
    late = sound is not None and abs(sound.start - info.start) > SOUND_OFFSET
    rate = float(round(info.fps, 3))
    checks = (
        (info.variable_frame_rate, f"variable frame rate, {rate:g} on average"),
        (not info.variable_frame_rate and info.fps != WORKING_RATE, f"{rate:g} frames a second"),
        (info.jumps > 0, f"its clock jumps {info.jumps} times"),
        (info.start != 0, f"picture starts at {float(info.start):.3f} s"),
        (info.codec != "h264", f"codec {info.codec}"),
        (info.pix_fmt != "yuv420p", f"pixel format {info.pix_fmt}"),
        (info.colour.hdr, f"high dynamic range ({info.colour.transfer})"),
        (info.interlaced, "interlaced"),
        (info.rotation != 0, f"rotated by {info.rotation} degrees"),
        (info.mirrored, "mirrored"),
        (_square_size(info) != (info.width, info.height) and info.rotation == 0, _size_reason(info)),
        (info.decode_errors > 0, f"{info.decode_errors} damaged pictures"),
        (suffix.lower() != "mp4" or "mp4" not in info.container, f"container {suffix.lower()}"),
        (info.video_streams > 1, f"{info.video_streams} pictures"),
        (info.cover_pictures > 0, "a cover picture"),
        (len(info.audio) > 1, f"{len(info.audio)} sound tracks"),
        (len(info.audio) == 1 and sound is None, "a sound track that does not decode"),
        (sound is not None and sound.codec not in SOUND_CODECS, f"sound codec {sound.codec if sound else ''}"),
        (late, f"sound starts at {float(sound.start - info.start) if sound else 0:+.3f} s"),
    )
    return tuple(words for applies, words in checks if applies)


def _size_reason(info: MediaInfo) -> str:
    if info.pixel_aspect != 1:
        return f"pixel aspect {info.pixel_aspect.numerator}:{info.pixel_aspect.denominator}"
    return f"odd size {info.width}x{info.height}"


def _warnings(info: MediaInfo, sound: AudioStream | None) -> tuple[str, ...]:
    name = info.name
    others = [track.label for track in info.audio if track is not sound and track.decodable]
    silent = [track.label for track in info.audio if not track.decodable]
    texts = []
    if sound and others:
        texts.append(f"{name}: has several sound tracks; kept is {sound.label}, left out: {', '.join(others)}.")
    if silent:
        texts.append(f"{name}: nothing of its sound {', '.join(silent)} can be decoded; it is left out.")
    if sound and sound.decode_errors:
        texts.append(f"{name}: {sound.decode_errors} pieces of its sound are damaged; there it is silent.")
    if info.video_streams > 1:
        texts.append(f"{name}: holds {info.video_streams} pictures; kept is the one in track {info.video_index}.")
    if info.decode_errors:
        texts.append(f"{name}: {info.decode_errors} of its pictures are damaged.")
    if info.jumps:
        texts.append(f"{name}: its clock jumps {info.jumps} times; the pieces were put one after the other.")
    if info.frames == 1:
        texts.append(f"{name}: holds one single picture.")
    return tuple(texts)


def _square_size(info: MediaInfo) -> tuple[int, int]:
    """The size of the result: as seen, in even numbers, as 4:2:0 needs."""
    width, height = (side + side % 2 for side in (info.display_width, info.display_height))
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise RefusedError(f"{info.name}: in square pixels it would be {width}x{height}, which is no video.")
    return width, height


def _video_filters(info: MediaInfo, zero: Fraction, frames: int, can_tone_map: bool) -> tuple[Filter, ...]:
    """Picture `i` of the result is the last one of the source that begins, to the nearest frame, by `i`."""
    clock = [
        Filter.of("settb", expr=Fraction(1, _TICKS)),
        Filter.of("setpts", expr=f"PTS-{round(zero * _TICKS)}"),
    ]
    grid = Filter.of("fps", fps=25, round="near", start_time=0)
    tail = [
        Filter.of("setsar", sar=1),
        Filter.of("format", pix_fmts="yuv420p"),
        # How long the last picture stays is decided here, not by each ffmpeg's idea of it. No more is made up:
        # where pictures are lost the result is too short, and its check fails.
        Filter.of("tpad", stop_mode="clone", stop=math.ceil(info.last_picture * WORKING_RATE) + 1),
        Filter.of("trim", end_frame=frames),
    ]
    maps_tones = info.colour.hdr and can_tone_map
    size = _scaling(info, keep_colour=maps_tones)
    tones = _tone_mapping(info) if maps_tones else []
    if info.interlaced:  # lines can only be told apart before the size changes
        return (*clock, Filter.of("bwdif", mode="send_frame", parity="auto", deint="interlaced"),
                grid, size, *tones, *tail)  # fmt: skip
    return (size, *clock, grid, *tones, *tail)


def _scaling(info: MediaInfo, *, keep_colour: bool) -> Filter:
    """To the one size, whatever sizes follow each other in the file, and to video range."""
    width, height = _square_size(info)
    options: dict[str, int | str] = {"w": width, "h": height, "flags": "bicubic"}
    if not keep_colour:
        options["out_range"] = "tv"
        if info.pix_fmt.startswith(("gbr", "rgb", "bgr", "argb", "abgr", "pal8", "0rgb", "0bgr")):
            options["out_color_matrix"] = "bt709"
    return Filter.of("scale", **options)


def _tone_mapping(info: MediaInfo) -> list[Filter]:
    """PQ or HLG in BT.2020 to BT.709, through linear light (the chain of ffmpeg's documentation)."""
    return [
        Filter.of(
            "zscale", tin=info.colour.transfer, pin="bt2020", min="bt2020nc",
            rin="full" if info.colour.range == "pc" else "limited", t="linear", npl=100,
        ),
        Filter.of("format", pix_fmts="gbrpf32le"),
        Filter.of("zscale", p="bt709"),
        Filter.of("tonemap", tonemap="hable", desat=0),
        Filter.of("zscale", t="bt709", m="bt709", r="limited"),
        Filter.of("format", pix_fmts="yuv420p"),
    ]  # fmt: skip


def _sound_filters(zero: Fraction, frames: int, rate: int) -> tuple[Filter, ...]:
    """Second 0 of the sound is the first picture; it is exactly as long as the picture."""
    samples = frames * rate // 25  # 44100 and 48000 divide by 25
    return (
        Filter.of("asettb", expr=Fraction(1, _TICKS)),
        Filter.of("asetpts", expr=f"PTS-{round(zero * _TICKS)}"),
        Filter(
            "aresample",
            (("osr", rate), ("async", 1), ("min_hard_comp", _SHORTEST_HOLE), ("first_pts", 0)),
        ),
        Filter.of("apad", whole_len=samples),
        Filter.of("atrim", end_sample=samples),
    )
