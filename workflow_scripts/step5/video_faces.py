"""The faces of every frame of a video: decode in process, look for faces on several threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from workflow_scripts.common.devices import cores
from workflow_scripts.common.errors import ClockError
from workflow_scripts.common.media import open_media
from workflow_scripts.step5.detection import FaceDetection
from workflow_scripts.step5.networks import Image

Finder = Callable[[Image], tuple[FaceDetection, ...]]

#: Larger pictures are decoded with this shorter side: the networks see no more, and 4K costs four times.
MAX_SHORT_SIDE = 1080
MAX_WORKERS = 8


def available_workers(asked: int) -> int:
    """Threads to use: as many as asked for, or with 0 one per core this process may run on, at most 8."""
    return asked or min(cores(), MAX_WORKERS)


def decode_pictures(path: Path, stream_index: int, expected: int) -> Generator[tuple[Image, float]]:
    """Every decoded picture, RGB (height, width, 3), with the factor from its pixels to the video's.

    Args:
        path: the 25 fps video.
        stream_index: which track is the picture, and `expected` how many pictures it has, as STEP2 measured.

    Raises:
        RefusedError: the file cannot be opened as a video.
        ClockError: more or fewer pictures come out than `expected`.
    """
    import av

    count = 0
    with open_media(path) as container:
        stream = next((track for track in container.streams.video if track.index == stream_index), None)
        if stream is None:
            raise ClockError(f"{path.name}: track {stream_index}, which STEP2 measured, is no picture.")
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:  # a damaged packet gives no picture; the count below judges
                continue
            for frame in frames:
                count += 1
                yield _rgb(frame)
    if count != expected:
        raise ClockError(
            f"{path.name}: {count} frames were decoded, STEP2 measured {expected}.",
            hint="Run STEP2 again for this video.",
        )


def _rgb(frame: object) -> tuple[Image, float]:
    from av import VideoFrame

    if not isinstance(frame, VideoFrame):
        raise TypeError(f"a picture was expected, not {type(frame).__name__}")
    factor = max(1.0, min(frame.width, frame.height) / MAX_SHORT_SIDE)
    size = (round(frame.width / factor), round(frame.height / factor))
    return np.asarray(frame.to_ndarray(format="rgb24", width=size[0], height=size[1]), np.uint8), factor


def find_faces(
    pictures: Iterable[tuple[Image, float]], finders: Sequence[Finder]
) -> Generator[tuple[FaceDetection, ...]]:
    """The faces of each picture, in the order of the pictures, in pixels of the video.

    One thread per finder, a few pictures ahead. Finders remember nothing between pictures, so the answer does not
    depend on how many there are. Exceptions of the pictures and of the finders pass through.
    """
    idle: SimpleQueue[Finder] = SimpleQueue()
    for finder in finders:
        idle.put(finder)

    def look(picture: Image, factor: float) -> tuple[FaceDetection, ...]:
        finder = idle.get()
        try:
            return tuple(face.scaled(factor) for face in finder(picture))
        finally:
            idle.put(finder)

    waiting: deque[Future[tuple[FaceDetection, ...]]] = deque()
    with ThreadPoolExecutor(len(finders)) as pool:
        try:
            for picture, factor in pictures:
                waiting.append(pool.submit(look, picture, factor))
                if len(waiting) > len(finders) + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def video_faces(
    path: Path, stream_index: int, expected: int, finders: Sequence[Finder]
) -> Generator[tuple[FaceDetection, ...]]:
    """The faces of every frame of a video file, in order; `expected` frames or a ClockError at the end."""
    with closing(decode_pictures(path, stream_index, expected)) as pictures:
        yield from find_faces(pictures, finders)
