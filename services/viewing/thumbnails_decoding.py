"""Single frames of a measured video, exactly: sought by keyframes, told by their times, scaled, as JPEG."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING

from services.viewing.playable import Film, require_unchanged
from services.viewing.playable_cache import readable
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.media import open_media

if TYPE_CHECKING:
    from av import VideoFrame

#: Of 100. Thumbnails are looked at small; more only makes them larger.
_JPEG_QUALITY = 82


class FrameReader:
    """Reads frames of one video, in whatever order they are wanted; for one thread at a time.

    Decodes with one thread: the work on videos, and whoever else asks, should not notice.

    Raises:
        RefusedError: the file cannot be read as a video.
        NotMeasured: it is another than was measured.
    """

    def __init__(self, film: Film) -> None:
        self.film = film
        with ExitStack() as opened:
            path = opened.enter_context(readable(film.video.path))
            self._container = opened.enter_context(open_media(path))
            require_unchanged(film)
            self._closing = opened.pop_all()
        self._stream = next(s for s in self._container.streams.video if s.index == film.media.video_index)
        self._stream.thread_type = "NONE"
        self._base = Fraction(self._stream.time_base or 1)
        self._keys = sorted(entry.timestamp for entry in self._stream.index_entries if entry.is_keyframe)

    def close(self) -> None:
        """Let go of the file."""
        self._closing.close()

    def neighbours(self, frame: int, wanted: Sequence[int]) -> list[int]:
        """Those of the wanted frames that decoding a frame passes anyway, or nearly: of the same keyframe."""
        place = self._key_before(frame)
        return sorted(n for n in {frame, *wanted} if self._key_before(n) == place)

    def read(self, sizes: Mapping[int, Sequence[int]], ended: threading.Event) -> Iterator[tuple[int, int, bytes]]:
        """Decode frames once each, in their order.

        Args:
            sizes: the heights in pixels that each frame, from 0, is wanted in.
            ended: when set, no more is decoded.

        Yields:
            (frame, height, JPEG) each.

        Raises:
            ArtifactError: a frame cannot be found in the file.
        """
        left = dict(sizes)
        for number, picture in self._pictures(sorted(left)):
            if number in left:
                for height in left.pop(number):
                    yield number, height, _jpeg(picture, height)
            if not left or ended.is_set():
                return
        if not ended.is_set():
            raise ArtifactError(self.film.video.path, f"its frame {min(left)} cannot be decoded.")

    def _pictures(self, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """Decoded pictures from at latest the first wanted one on; not all that nobody wants are among them."""
        offset, place = self._tick(wanted[0]), self._key_before(wanted[0])
        while True:
            numbered = self._from(offset, {*wanted})
            first = next(numbered, None)
            if (first is not None and first[0] <= wanted[0]) or place <= 0:
                break
            place -= 1  # a keyframe comes in the file before pictures that are shown before it
            offset = self._keys[place]
        if first is not None:
            yield first
            yield from numbered

    def _from(self, offset: int, wanted: set[int]) -> Iterator[tuple[int, VideoFrame]]:
        """The pictures from the keyframe before a time on, by their numbers."""
        import av

        context = self._stream.codec_context
        try:
            self._container.seek(offset, stream=self._stream, backward=True)
            for packet in self._container.demux(self._stream):
                # Pictures that no other refers to, and that nobody wants, need not be decoded.
                is_wanted = packet.pts is None or self._number(packet.pts) in wanted
                context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
                for picture in packet.decode():
                    if picture.pts is not None:
                        yield self._number(picture.pts), picture
        except av.error.FFmpegError as error:
            raise ArtifactError(self.film.video.path, "is damaged: its picture cannot be decoded here.") from error

    def _key_before(self, frame: int) -> int:
        """Which keyframe is the last one before or at a frame; -1 where the file does not tell."""
        return bisect_right(self._keys, self._tick(frame)) - 1

    def _tick(self, frame: int) -> int:
        return round((self.film.media.start + frame / self.film.media.fps) / self._base)

    def _number(self, tick: int) -> int:
        return round((tick * self._base - self.film.media.start) * self.film.media.fps)


def _jpeg(picture: VideoFrame, height: int) -> bytes:
    """A picture in another height, of the same aspect (its pixels are square), as JPEG."""
    import cv2

    width = max(1, round(picture.width * height / picture.height))
    pixels = picture.reformat(width=width, height=height, format="bgr24", interpolation="AREA").to_ndarray()
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
