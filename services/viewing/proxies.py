"""Proxies: what a browser plays of a video that it could not play itself, frame for frame the same."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from services.viewing.jobs import Progress
from services.viewing.playable import Film, require_unchanged
from services.viewing.playable_cache import cache_folder, readable
from workflow_scripts.common import ffmpeg
from workflow_scripts.common.atomic import remove_leftovers, replace, temporary_path
from workflow_scripts.common.errors import CancelledError, ClockError, WorkflowError
from workflow_scripts.common.ffmpeg import Conversion, Filter, conversion_command
from workflow_scripts.common.media import open_media
from workflow_scripts.common.media_info import MediaInfo

#: The largest proxy, lying; an upright one is as large the other way round.
LONG_SIDE, SHORT_SIDE = 1280, 720
#: Worse than what STEP2 makes: it is looked at, not worked with.
_QUALITY, _PRESET, _THREADS = 23, "veryfast", 2


def find_proxy(film: Film) -> Path | None:
    """The proxy of a video, None where there is none."""
    try:
        path = cache_folder(film) / "proxy.mp4"
    except OSError:  # there is no place for one; who makes it is told
        return None
    return path if path.is_file() else None


def make_proxy(film: Film, progress: Progress) -> None:
    """Make the proxy of a video unless it is there: H.264 and AAC in MP4, at most 1280x720.

    Frame `n` of it is frame `n` of the video, at the same time; it takes its name only once that is certain.

    Raises:
        ToolError: ffmpeg failed, or there is no room on the disk.
        ClockError: the result has other frames than the video.
        NotMeasured: the video was replaced meanwhile.
        WorkflowError: it cannot be written; the sentence says why.
        CancelledError: the application is ending.
    """
    if find_proxy(film) is not None:
        return
    try:
        folder = cache_folder(film)
        remove_leftovers(folder)
        with readable(film.video.path) as source, readable(folder) as target:
            partial = temporary_path(target / "proxy.mp4", ".mp4")
            try:
                _encode(film, source, partial, progress)
                _require_same_frames(film, partial)
                require_unchanged(film)
                _sync(partial)
                replace(partial, target / "proxy.mp4")
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise WorkflowError(
            f"What the browser could play of {film.video.name} cannot be kept: {error.strerror}.",
            hint="Make room on the disk, or let the project's folder be written.",
            retry=True,
        ) from error


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """The size of a proxy: even, of the same aspect, never larger than the video."""
    factor = min(Fraction(1), Fraction(LONG_SIDE, max(width, height)), Fraction(SHORT_SIDE, min(width, height)))
    return max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)


def _encode(film: Film, source: Path, target: Path, progress: Progress) -> None:
    def show(state: ffmpeg.Progress) -> None:
        if progress.ended:
            raise CancelledError("The application is ending.")
        progress.tell(state.frames / film.media.frames)

    ffmpeg.run(conversion_command(_conversion(film.media, source, target)), film.video.name, progress=show)


def _conversion(media: MediaInfo, source: Path, target: Path) -> Conversion:
    width, height = proxy_size(media.width, media.height)
    sound = next((track for track in media.audio if track.decodable), None)
    return Conversion(
        source=source,
        target=target,
        video=media.video_index,
        video_filters=(
            Filter.of("scale", w=width, h=height, flags="bicubic"),
            Filter.of("setsar", sar=1),
            Filter.of("format", pix_fmts="yuv420p"),
        ),
        audio=sound.index if sound else None,
        audio_filters=(Filter("aresample", (("async", 1), ("first_pts", 0))),),
        quality=_QUALITY,
        preset=_PRESET,
        threads=_THREADS,
    )


def _require_same_frames(film: Film, proxy: Path) -> None:
    """Make sure that a proxy has a picture for each of the video, at its time, and no other.

    Raises:
        ClockError: it has not.
    """
    with open_media(proxy) as container:
        stream = container.streams.video[0]
        base = Fraction(stream.time_base or 1)
        times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    numbers = [time * base * film.media.fps for time in times]
    if numbers != list(range(film.media.frames)):
        raise ClockError(
            f"{film.video.name}: what the browser would play has {len(times)} frames instead of "
            f"{film.media.frames}, or others; it is not shown.",
            hint="The video may be damaged; play it on another machine.",
        )


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
