"""Pictures for the benchmarks: uint8 (n, 27, 48, 3) RGB, decoded from videos or made up."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.errors import ToolError, VideoError
from workflow_scripts.common.ffmpeg import decode_rgb24
from workflow_scripts.common.projects import is_video_name
from workflow_scripts.step3.windows import HEIGHT, WIDTH

Frames = npt.NDArray[np.uint8]
#: Frames of a made-up shot, from and to.
_SHOT = (10, 90)
#: The light of a made-up shot, of 255 (from, to), its waves, and how far each of them lightens and darkens it.
_LIGHT, _WAVES, _SWING = (40, 215), 4, 15


def decoded(video: Path) -> Generator[bytes]:
    """Every decoded frame of a video once, as STEP3 decodes it."""
    return decode_rgb24(video, WIDTH, HEIGHT)


def pictures_of(video: Path) -> Frames:
    """All frames of a video.

    Raises:
        ToolError: it cannot be decoded.
    """
    frames = b"".join(decoded(video))
    return np.frombuffer(frames, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)


def pictures_in(folder: Path, count: int) -> Frames:
    """So many frames of a folder's videos, one after the other by name, and from the beginning when they run out.

    What cannot be decoded is passed over.

    Raises:
        ToolError: there is nothing else.
    """
    found: list[Frames] = []
    for path in sorted(path for path in folder.iterdir() if is_video_name(path.name)):
        if sum(map(len, found)) >= count:
            break
        try:
            found.append(pictures_of(path))
        except (ToolError, VideoError):
            continue
    if not sum(map(len, found)):
        raise ToolError(f"{folder}: no video here can be decoded.")
    frames = np.concatenate(found)
    repeated: Frames = frames[np.arange(count) % len(frames)]
    return repeated


def made_up_pictures(count: int) -> Frames:
    """So many frames of shots in which coloured waves move, each shot with waves of its own; always the same."""
    rng = np.random.default_rng(2)
    shots: list[Frames] = []
    while sum(map(len, shots)) < count:
        shots.append(_waves(int(rng.integers(*_SHOT)), rng))
    return np.concatenate(shots)[:count]


def _waves(count: int, rng: np.random.Generator) -> Frames:
    time, row, column = np.ogrid[:count, :HEIGHT, :WIDTH]
    light: npt.NDArray[np.float64] = np.tile(rng.uniform(*_LIGHT, 3), (count, HEIGHT, WIDTH, 1))
    for _ in range(_WAVES):
        for colour in range(3):
            speed, down, across = rng.uniform(-0.4, 0.4, 3)
            angle = speed * time + down * row + across * column + rng.uniform(0, 2 * np.pi)
            light[..., colour] += _SWING * np.cos(angle)
    made: Frames = light.clip(0, 255).astype(np.uint8)
    return made
