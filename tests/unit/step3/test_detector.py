"""Every score lands at its frame, whatever the windows, batches and spans; a network that reads numbers tells."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from workflow_scripts.step3.detector import ShotDetector, TooManyFrames
from workflow_scripts.step3.network import Floats, Frames
from workflow_scripts.step3.transitions import Scores
from workflow_scripts.step3.windows import USUAL_WINDOWS, Windowing

COUNTS = [1, 49, 50, 51, 74, 75, 99, 100, 101, 149, 150, 151, 399]


class Reader:
    """A network that says of each frame a thousandth of its number, and of all that they may be transitions."""

    def __init__(self, indices: Callable[[Frames], list[int]], many: float = 0.0) -> None:
        self._indices = indices
        self._many = many
        self.batches: list[int] = []

    def __call__(self, windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        """The scores of both heads."""
        self.batches.append(len(windows))
        single = np.array([self._indices(window) for window in windows], np.float32) / 1000
        return single, np.full_like(single, self._many)


@pytest.fixture
def reader(indices: Any) -> Callable[..., Reader]:
    """`reader(many=0.0)`: a network that reads numbers."""
    return lambda many=0.0: Reader(indices, many)


def blinking(numbered: Iterable[bytes], every: int) -> Iterator[bytes]:
    """Numbered frames that turn from dark to bright and back `every` so many, and are never quite the same."""
    for index, raw in enumerate(numbered):
        frame = np.frombuffer(raw, np.uint8).reshape(27, 48, 3).copy()
        frame[1:] = (200 if index // every % 2 else 40) + index % 3
        yield frame.tobytes()


def thousandths(values: Iterable[int]) -> list[float]:
    return [float(np.float32(value) / np.float32(1000)) for value in values]


def scored(network: Reader, frames: Iterable[bytes], count: int, *arguments: Any, **options: Any) -> Scores:
    """The scores of frames of which there are as many as announced."""
    scores, seen = ShotDetector(network, *arguments, **options).scores(frames, count)
    assert seen == count
    return scores


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("count", COUNTS)
def test_every_frames_score_is_at_its_index(reader: Any, numbered: Any, count: int, batch_size: int) -> None:
    network = reader(many=0.25)
    scores = scored(network, numbered(count), count, batch_size)
    assert scores.single.tolist() == thousandths(range(count))
    assert scores.many.tolist() == [0.25] * count
    assert not scores.half.any() and not scores.slow.any()
    assert max(network.batches) <= batch_size
    assert sum(network.batches) == -(-count // 50)


@pytest.mark.parametrize("windowing", [Windowing(10, 4, 3), Windowing(7, 7, 0), Windowing(300, 200, 50)])
@pytest.mark.parametrize("count", [1, 101, 399])
def test_so_it_is_with_other_windows(reader: Any, numbered: Any, count: int, windowing: Windowing) -> None:
    scores = scored(reader(many=0.9), numbered(count), count, 3, windowing)
    assert scores.single.tolist() == thousandths(range(count))
    assert scores.half.tolist() == thousandths(range(0, count, 2))


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("count", COUNTS)
def test_scores_at_half_the_frame_rate_are_those_of_every_second_frame(
    reader: Any, numbered: Any, count: int, batch_size: int
) -> None:
    scores = scored(reader(many=0.9), numbered(count), count, batch_size)
    assert scores.half.tolist() == thousandths(range(0, count, 2))


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("count", [20, 99, 100, 101, 149, 150, 151, 210, 399])
@pytest.mark.parametrize("every", [10, 11])
def test_scores_in_slow_motion_are_at_the_frames_before_abrupt_changes(
    reader: Any, numbered: Any, count: int, batch_size: int, every: int
) -> None:
    scores = scored(reader(), blinking(numbered(count), every), count, batch_size)
    expected = [index if (index + 1) % every == 0 and index + 1 < count else 0 for index in range(count)]
    assert scores.slow.tolist() == thousandths(expected)
    assert scores.single.tolist() == thousandths(range(count))


def test_what_the_first_look_names_is_not_looked_at_again(numbered: Any) -> None:
    calls = []

    def network(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        calls.append(len(windows))
        scores = np.full((len(windows), len(windows[0])), 0.6, np.float32)
        return scores, scores

    scores, _ = ShotDetector(network).scores(blinking(numbered(200), 10), 200)
    assert len(calls) == 4
    assert not scores.half.any() and not scores.slow.any()


def test_without_second_looks_there_is_only_the_first(reader: Any, numbered: Any) -> None:
    network = reader(many=0.9)
    scores = scored(network, blinking(numbered(260), 10), 260, second_looks=False)
    assert scores.single.tolist() == thousandths(range(260))
    assert not scores.half.any() and not scores.slow.any()
    assert len(network.batches) == 6


@pytest.mark.parametrize("second_looks", [True, False])
@pytest.mark.parametrize("announced", [1, 50, 119])
def test_more_frames_than_announced_are_an_error(
    reader: Any, numbered: Any, announced: int, second_looks: bool
) -> None:
    with pytest.raises(TooManyFrames):
        ShotDetector(reader(0.9), second_looks=second_looks).scores(numbered(120), announced)


@pytest.mark.parametrize("there", [0, 1, 100, 119])
def test_fewer_are_counted(reader: Any, numbered: Any, there: int) -> None:
    scores, seen = ShotDetector(reader(0.9)).scores(numbered(there), 120)
    assert seen == there
    assert scores.single.tolist() == thousandths([*range(there), *[0] * (120 - there)])


def test_progress_grows_to_the_number_of_frames(reader: Any, numbered: Any) -> None:
    told: list[int] = []
    ShotDetector(reader(), 2).scores(numbered(260), 260, told.append)
    assert told == [100, 200, 260]


def test_memory_does_not_grow_with_the_number_of_frames(reader: Any, numbered: Any) -> None:
    def peak(count: int) -> int:
        network = reader(0.9)
        tracemalloc.start()
        ShotDetector(network, 2, USUAL_WINDOWS).scores(blinking(numbered(count), 10), count)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(3000) < 1.2 * peak(600)
