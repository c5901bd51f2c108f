"""The one place that builds ffmpeg commands (`ffmpeg_process.py` runs them; nothing else starts ffmpeg).

Every command is a list of arguments, never a shell line; every file is an absolute `file:` address, so that no
name is taken for an option, a protocol or a pattern; inputs may only be real containers (no playlists, no image
sequences), read through `file` or `pipe`. ffmpeg-python puts the arguments together.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from workflow_scripts.common.errors import PreconditionError, RefusedError, ToolError
from workflow_scripts.common.ffmpeg_process import STALL_S, Progress, run, stream

__all__ = ["STALL_S", "Conversion", "Filter", "Progress", "command", "conversion_command", "decode_pcm",
           "decode_rgb24", "ffmpeg_version", "file_address", "find_ffmpeg", "has_filter", "listening_command",
           "media_input", "nvenc_works", "run"]  # fmt: skip

SETTING = "WORKFLOW_FFMPEG"
PROTOCOL_WHITELIST = "file,pipe"
# Containers a camera, a phone, an editing program or a download leaves behind. Left out on purpose are those
# that open other files or addresses (concat, hls, dash, sdp, image2) and raw streams without timestamps.
FORMATS = ("mov", "matroska", "webm", "avi", "flv", "live_flv", "asf", "mpeg", "mpegvideo", "mpegts", "mxf", "gxf",
           "dv", "wtv", "nut", "ogg", "wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "aiff", "caf",
           "amr")  # fmt: skip
FORMAT_WHITELIST = ",".join(FORMATS)
_LIBAVUTIL_5_0, _LIBAVUTIL_5_1 = (57, 17), (57, 28)


@dataclass(frozen=True)
class Filter:
    """One ffmpeg filter with its options; text values may hold only letters, digits and `_./*+-`."""

    name: str
    options: tuple[tuple[str, int | Fraction | str], ...] = ()

    def __post_init__(self) -> None:
        words = [self.name, *(key for key, _ in self.options)]
        words += [value for _, value in self.options if isinstance(value, str)]
        for word in words:
            if not re.fullmatch(r"[A-Za-z0-9_./*+-]+", word):
                raise ValueError(f"not a filter name, option or plain value: {word!r}")

    @classmethod
    def of(cls, filter_name: str, /, **options: int | Fraction | str) -> Filter:
        """Return the filter `filter_name` with `options`."""
        return cls(filter_name, tuple(options.items()))


@dataclass(frozen=True)
class Conversion:
    """A source file to one 25 fps H.264 MP4 file: which streams, which filters, which encoder.

    `video` and `audio` are absolute stream indices of the source (`audio` None: no sound track is written).
    `keep_timestamps` hands the source's own timestamps to the filters; without it ffmpeg shifts the file's
    start to 0 and repairs jumps, as broken MPEG streams need. `quality` is libx264's crf or NVENC's cq.
    `threads` is fixed because libx264's output depends on it. `sizes_may_change` hands pictures of any size to
    the first filter, which must be `scale`; else a new size in mid-stream starts all filters anew..
    """

    source: Path
    target: Path
    video: int
    video_filters: tuple[Filter, ...]
    audio: int | None = None
    audio_filters: tuple[Filter, ...] = ()
    audio_rate: int = 48000
    audio_channels: int = 2
    keep_timestamps: bool = True
    encoder: Literal["libx264", "h264_nvenc"] = "libx264"
    quality: int = 18
    preset: str = "medium"
    threads: int = 8
    sizes_may_change: bool = False


# ---------------------------------------------------------------------------------------------- which ffmpeg
@functools.cache
def find_ffmpeg() -> Path:
    """Return the ffmpeg to use: setting WORKFLOW_FFMPEG, else the PATH's, else the environment's own.

    The PATH's is taken when it is 5.0 or newer and has libx264. Raises PreconditionError when there is none.
    """
    setting = os.environ.get(SETTING)
    if setting:
        path = Path(setting).expanduser().absolute()
        flaw = _unfit(path)
        if flaw:
            raise PreconditionError(f"{SETTING}={setting}: {flaw}.", hint="Name an ffmpeg 5.0 or newer.")
        return path
    on_path = shutil.which("ffmpeg")
    own = Path(sys.prefix) / "bin" / "ffmpeg"
    for candidate in [Path(on_path), own] if on_path else [own]:
        if not _unfit(candidate):
            return candidate.absolute()
    raise PreconditionError(
        "No usable ffmpeg (5.0 or newer, with libx264) was found.",
        hint=f"Run scripts/setup, or name one with {SETTING}.",
    )


def _unfit(path: Path) -> str:
    if not (path.is_file() and os.access(path, os.X_OK)):
        return "there is no such program"
    if _libavutil(path) < _LIBAVUTIL_5_0:
        return "this is no ffmpeg, or one older than 5.0"
    return "" if " libx264 " in _ask(path, "-encoders") else "this ffmpeg has no libx264 encoder"


@functools.cache
def _ask(path: Path, question: str) -> str:
    """Return what ffmpeg at `path` answers to an option that only prints, empty when it does not run."""
    arguments = [str(path), "-hide_banner", question]
    try:
        answer = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", "replace")


def _libavutil(path: Path) -> tuple[int, int]:
    # The library's version, because git builds of the program carry none of their own.
    found = re.search(r"libavutil\s+(\d+)\.\s*(\d+)\.", _ask(path, "-version"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def ffmpeg_version() -> str:
    """Return the first line that ffmpeg says about itself."""
    return _ask(find_ffmpeg(), "-version").partition("\n")[0]


def has_filter(name: str) -> bool:
    """Tell whether this ffmpeg has the filter `name`."""
    return f" {name} " in _ask(find_ffmpeg(), "-filters")


@functools.cache
def nvenc_works() -> bool:
    """Tell whether NVENC encodes here, by encoding ten black frames (a build can have it without a GPU)."""
    if " h264_nvenc " not in _ask(find_ffmpeg(), "-encoders"):
        return False
    black = ffmpeg.input("color=s=256x256:r=25:d=0.4", f="lavfi", format_whitelist="lavfi")
    try:
        run(command(ffmpeg.output(black, "pipe:1", vcodec="h264_nvenc", format="null")), "NVENC", stall_s=30)
    except ToolError:
        return False
    return True


# ---------------------------------------------------------------------------------------------- commands
def file_address(path: Path) -> str:
    """Return `path` as the absolute `file:` address that ffmpeg and PyAV take literally, whatever its name."""
    return f"file:{path.absolute()}"


def media_input(path: Path, **options: Any) -> Any:
    """Return ffmpeg-python's input node for a media file, restricted to real containers and local files.

    Raises:
        RefusedError: the name is not valid UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # ffmpeg could take it, ffmpeg-python and PyAV cannot
        shown = os.fsencode(path.name).decode("utf-8", "backslashreplace")
        raise RefusedError(f"{shown}: its name is not valid UTF-8.", hint="Rename the file.") from error
    safety = {"protocol_whitelist": PROTOCOL_WHITELIST, "format_whitelist": FORMAT_WHITELIST}
    return ffmpeg.input(file_address(path), **safety, **options)


def command(output: Any, *, report_progress: bool = False) -> list[str]:
    """Return the whole command for an output node of ffmpeg-python."""
    head = [str(find_ffmpeg()), "-nostdin", "-hide_banner", "-loglevel", "error", "-nostats", "-y"]
    if report_progress:
        head += ["-progress", "pipe:1", "-stats_period", "0.5"]
    return [*head, *map(str, ffmpeg.get_args(output))]


def _filtered(node: Any, filters: Sequence[Filter]) -> Any:
    for item in filters:
        node = node.filter(item.name, **{key: str(value) for key, value in item.options})
    return node


def _passthrough() -> dict[str, str]:
    key = "fps_mode" if _libavutil(find_ffmpeg()) >= _LIBAVUTIL_5_1 else "vsync"
    return {key: "passthrough"}


def conversion_command(work: Conversion) -> list[str]:
    """Return the command that writes `work.target`: MP4, one H.264 picture, at most one AAC track."""
    reading: dict[str, Any] = {"copyts": None} if work.keep_timestamps else {}
    if work.sizes_may_change:
        reading["reinit_filter"] = 0
    source = media_input(work.source, **reading)
    nodes = [_filtered(source[str(work.video)], work.video_filters)]
    options: dict[str, Any] = {"vcodec": work.encoder, "preset": work.preset, "pix_fmt": "yuv420p", "g": 50}
    if work.encoder == "libx264":
        options |= {"crf": work.quality, "threads": work.threads}
    else:
        options |= {"rc": "vbr", "cq": work.quality, "b:v": 0}
    if work.audio is not None:
        nodes.append(_filtered(source[str(work.audio)], work.audio_filters))
        options |= {"acodec": "aac", "b:a": "192k", "ar": work.audio_rate, "ac": work.audio_channels}
    options |= _passthrough()
    options |= {"map_metadata": -1, "map_chapters": -1, "fflags": "+bitexact", "movflags": "+faststart"}
    options |= {"max_muxing_queue_size": 9999, "f": "mp4"}
    return command(ffmpeg.output(*nodes, file_address(work.target), **options), report_progress=True)


def listening_command(source: Path, target: Path) -> list[str]:
    """Return the command that writes a file's sound as AAC in MP4, which every browser plays and seeks exactly.

    Its second 0 is that of `decode_pcm`.
    """
    options = {"acodec": "aac", "b:a": "96k", "ac": 2, "map_metadata": -1, "fflags": "+bitexact"}
    options |= {"movflags": "+faststart", "f": "mp4"}
    return command(ffmpeg.output(_sound(source, 48000), file_address(target), **options), report_progress=True)


def _sound(path: Path, rate: int) -> Any:
    """The first sound track of a file, from second 0 of its clock, without gaps."""
    sound = media_input(path, copyts=None)["a:0"]
    return sound.filter("aresample", str(int(rate)), **{"async": "1", "first_pts": "0"})


# ---------------------------------------------------------------------------------------------- decoding
def decode_rgb24(
    path: Path,
    width: int,
    height: int,
    *,
    threads: int = 0,
    stall_s: float = STALL_S,
    cancel: threading.Event | None = None,
) -> Generator[bytes]:
    """Yield every decoded frame of the picture once, scaled, as `height * width * 3` bytes of RGB, top row first.

    Never drops or repeats a frame; holds about 2 MB whatever the length. Close the iterator (or let it be
    collected) to end ffmpeg early, and read it in the thread that started it: ffmpeg dies with that thread.
    `threads` 0 leaves their number to ffmpeg. Raises ToolError.
    """
    size = width * height * 3
    shape = f"{int(width)}x{int(height)}"
    reading = {"threads": threads} if threads else {}
    output = ffmpeg.output(
        media_input(path, **reading)["v:0"], "pipe:1", format="rawvideo", pix_fmt="rgb24", s=shape, **_passthrough()
    )
    rest = b""
    for piece in stream(command(output), path.name, stall_s=stall_s, cancel=cancel):
        rest += piece
        whole = len(rest) - len(rest) % size
        for start in range(0, whole, size):
            yield rest[start : start + size]
        rest = rest[whole:]
    if rest:
        raise ToolError(f"{path.name}: the decoded picture ends in the middle of a frame.")


def decode_pcm(
    path: Path,
    rate: int = 16000,
    *,
    samples: int | None = None,
    stall_s: float = STALL_S,
    cancel: threading.Event | None = None,
) -> Iterator[bytes]:
    """Yield the sound as mono signed 16-bit little-endian pieces; sample `n` is heard at `n / rate` seconds.

    Second 0 is the first frame: sound that starts late is padded with silence, gaps are filled, sound before
    the picture is left out. With `samples` exactly that many come, cut or padded at the end. The mix is the mean
    of the channels, in integers (ffmpeg's mix in floating point is 3 dB louder and can clip). Raises ToolError,
    also when there is no sound.
    """
    output = ffmpeg.output(_sound(path, rate), "pipe:1", format="s16le", acodec="pcm_s16le", ac=1)
    left = None if samples is None else 2 * samples
    rest = b""
    for piece in stream(command(output), path.name, stall_s=stall_s, cancel=cancel):
        rest += piece
        whole = rest[: len(rest) - len(rest) % 2]
        rest = rest[len(whole) :]
        if left is not None:
            whole = whole[:left]
            left -= len(whole)
        if whole:
            yield whole
        if left == 0:
            return
    while left:
        silence = bytes(min(left, 1 << 20))
        left -= len(silence)
        yield silence
