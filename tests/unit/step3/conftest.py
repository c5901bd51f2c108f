"""Frames that tell their index, and networks that know what to say of them, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Numbered = Callable[[int], Iterator[bytes]]
Indices = Callable[["npt.NDArray[np.uint8]"], list[int]]


@pytest.fixture(scope="session")
def numbered() -> Numbered:
    """`numbered(n)`: n frames of 27x48 that tell their index in their first two bytes and else are black."""
    import numpy as np

    def frames(count: int) -> Iterator[bytes]:
        for index in range(count):
            frame = np.zeros((27, 48, 3), np.uint8)
            frame[0, 0, :2] = divmod(index, 256)
            yield frame.tobytes()

    return frames


@pytest.fixture(scope="session")
def indices() -> Indices:
    """`indices(frames)`: what numbered frames, uint8 (T, 27, 48, 3), tell."""

    def read(frames: npt.NDArray[np.uint8]) -> list[int]:
        return [int(high) * 256 + int(low) for high, low in frames[:, 0, 0, :2]]

    return read


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes with one thread during a test, and with as many as before after it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
