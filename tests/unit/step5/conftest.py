"""A real face, moving: the photograph of Grace Hopper inside matplotlib, filmed by a camera that pans and zooms."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

FPS = 25


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """RGB (600, 512, 3); the face is about 200 pixels wide."""
    import cv2
    import matplotlib

    path = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def pan_and_zoom(picture: NDArray[np.uint8], index: int, size: tuple[int, int] = (640, 360)) -> NDArray[np.uint8]:
    """Frame `index` of a slow pan to the right and zoom out over a photograph, (height, width, 3)."""
    import cv2

    scale = 0.55 - 0.001 * index
    shift = np.array([[scale, 0, 60 + 1.5 * index], [0, scale, 10]], np.float64)
    return np.asarray(cv2.warpAffine(picture, shift, size, flags=cv2.INTER_AREA), np.uint8)


def write_video(path: Path, pictures: list[NDArray[np.uint8]]) -> Path:
    """An H.264 file at 25 frames a second."""
    import av

    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def portrait_video(portrait: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 frames 640x360: the portrait for 50, noise for 30, the portrait again, elsewhere, for 40."""
    rng = np.random.default_rng(7)
    noise = [rng.integers(0, 255, (360, 640, 3), np.uint8) for _ in range(30)]
    first = [pan_and_zoom(portrait, index) for index in range(50)]
    second = [pan_and_zoom(portrait, 120 - index) for index in range(40)]
    return write_video(tmp_path_factory.mktemp("portrait") / "portrait.mp4", [*first, *noise, *second])
