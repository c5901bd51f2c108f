"""Thumbnails: JPEGs of single frames, decoded in the background, batch by batch, and kept beside the video.

A page of an hour-long video wants hundreds at once. Who asks waits a short while and asks again; what nobody has
asked for within the last seconds is forgotten, so a page that was left costs nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from services.projects import UnknownName
from services.viewing.playable import Film
from services.viewing.playable_cache import cache_folder
from services.viewing.thumbnails_decoding import FrameReader
from workflow_scripts.common.atomic import remove_leftovers, temporary_path

#: Thumbnails kept of one video, of about 4 KB each; beyond, the oldest quarter goes.
KEPT = 4000
#: Seconds after which a thumbnail is no longer wanted by those who asked.
PATIENCE_S = 10.0
#: Who may wait at the same time; others are told at once to ask again.
WAITING = 16
#: Frames wanted at the same time; beyond, the longest wanted is forgotten.
_WANTED = 2000
#: Thumbnails kept in memory, for where nothing can be written.
_REMEMBERED = 500
#: Seconds for which a video stays open for the next who asks.
_IDLE_S = 5.0


@dataclass(eq=False)
class _Want:
    """A thumbnail that somebody asked for: when last, and what became of it."""

    film: Film
    frame: int
    height: int
    asked: float
    done: threading.Event = field(default_factory=threading.Event)
    picture: bytes | None = None
    failure: Exception | None = None


_Key = tuple[Film, int, int]


class Thumbnails:
    """Makes thumbnails, a few videos at a time.

    Args:
        at_once: how many threads decode.
        kept: how many stay on the disk of one video.
    """

    def __init__(self, at_once: int = 1, kept: int = KEPT) -> None:
        self._at_once = at_once
        self._kept = kept
        self._written = 0
        self._changed = threading.Condition()
        self._wants: OrderedDict[_Key, _Want] = OrderedDict()  # the one asked for last is last
        self._taken: dict[_Key, _Want] = {}
        self._threads = 0
        self._ended = threading.Event()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._remembered: OrderedDict[_Key, bytes] = OrderedDict()

    def get(self, film: Film, frame: int, height: int, wait_s: float = 4.0) -> bytes | None:
        """The JPEG of a decoded frame, from 0; None when it takes longer, then ask again.

        Args:
            height: in pixels; the width follows from the video's.
            wait_s: how long to wait for it.

        Raises:
            UnknownName: the video has no such frame.
            VideoError: the frame cannot be decoded.
        """
        if not 0 <= frame < film.media.frames:
            raise UnknownName(f"There is no frame {frame}: the video has {film.media.frames}, from 0.")
        if (found := self._kept_one(film, frame, height)) is not None:
            return found
        want = self._ask(film, frame, height)
        if not self._waiting.acquire(blocking=False):
            return None
        try:
            want.done.wait(wait_s)
        finally:
            self._waiting.release()
        if want.failure is not None:
            raise want.failure
        return want.picture

    def close(self) -> None:
        """Decode no more."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

    def _kept_one(self, film: Film, frame: int, height: int) -> bytes | None:
        """What was made before; a file that was cut off, as when the power went, counts as none."""
        try:
            data = _file(cache_folder(film), frame, height).read_bytes()
        except OSError:
            return self._remembered.get((film, frame, height))
        return data if data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") else None

    def _ask(self, film: Film, frame: int, height: int) -> _Want:
        key = film, frame, height
        with self._changed:
            want = self._taken.get(key) or self._wants.pop(key, None) or _Want(*key, asked=0.0)
            want.asked = time.monotonic()
            if key not in self._taken:
                self._wants[key] = want
            while len(self._wants) > _WANTED:
                self._wants.popitem(last=False)
            if self._threads < self._at_once:
                self._threads += 1
                threading.Thread(target=self._work, name="thumbnails", daemon=True).start()
            self._changed.notify()
        return want

    def _work(self) -> None:
        """Decode for as long as something is wanted, and a little longer; then end."""
        reader: FrameReader | None = None
        while (first := self._next()) is not None:
            try:
                if reader is None or reader.film != first.film:
                    if reader is not None:
                        reader.close()
                    reader = None
                    reader = FrameReader(first.film)
            except Exception as failure:
                self._finish(first, failure=failure)
            else:
                self._serve(reader, first)
        if reader is not None:
            reader.close()

    def _next(self) -> _Want | None:
        """Take what was asked for last; None, and the thread is counted as ended, when nothing comes."""
        with self._changed:
            patience = time.monotonic() + _IDLE_S
            while not self._ended.is_set():
                now = time.monotonic()
                for key in [key for key, want in self._wants.items() if now - want.asked > PATIENCE_S]:
                    del self._wants[key]
                if self._wants:
                    key, want = self._wants.popitem()
                    self._taken[key] = want
                    return want
                if now >= patience:
                    break
                self._changed.wait(patience - now)
            self._threads -= 1
            return None

    def _serve(self, reader: FrameReader, first: _Want) -> None:
        """Decode what was taken, and with it whatever else is wanted of the same stretch."""
        batch = self._batch(reader, first)
        sizes: dict[int, list[int]] = {}
        for want in batch.values():
            sizes.setdefault(want.frame, []).append(want.height)
        try:
            for frame, height, picture in reader.read(sizes, self._ended):
                want = batch.pop((reader.film, frame, height))
                self._keep(want, picture)
                self._finish(want, picture)
        except Exception as failure:
            for want in batch.values():
                self._finish(want, failure=failure)

    def _batch(self, reader: FrameReader, first: _Want) -> dict[_Key, _Want]:
        with self._changed:
            wanted = [want.frame for want in self._wants.values() if want.film == reader.film]
            near = {*reader.neighbours(first.frame, wanted)}
            keys = [key for key in self._wants if key[0] == reader.film and key[1] in near]
            batch = {key: self._wants.pop(key) for key in keys}
            self._taken |= batch
        return {(first.film, first.frame, first.height): first, **batch}

    def _finish(self, want: _Want, picture: bytes | None = None, failure: Exception | None = None) -> None:
        want.picture, want.failure = picture, failure
        with self._changed:
            self._taken.pop((want.film, want.frame, want.height), None)
        want.done.set()

    def _keep(self, want: _Want, picture: bytes) -> None:
        """Write a thumbnail beside the video; where that cannot be, remember it for a while."""
        temporary = None
        try:
            file = _file(cache_folder(want.film), want.frame, want.height)
            file.parent.mkdir(exist_ok=True)
            temporary = temporary_path(file)
            temporary.write_bytes(picture)  # made again if lost: not worth waiting for the disk
            temporary.replace(file)
            self._written += 1
            if self._written % max(1, self._kept // 8) == 0:
                self._trim(file.parent)
        except OSError:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            self._remembered[want.film, want.frame, want.height] = picture
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def _trim(self, folder: Path) -> None:
        remove_leftovers(folder)
        with os.scandir(folder) as entries:
            ages = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
        if len(ages) > self._kept:
            for _, path in ages[: len(ages) - self._kept * 3 // 4]:
                Path(path).unlink(missing_ok=True)


def _file(folder: Path, frame: int, height: int) -> Path:
    return folder / "thumbs" / f"{frame:07d}-{height}.jpg"
