"""Speaker embeddings: the GE2E encoder (Wan et al. 2018, weights of Resemblyzer) over 1.6 s mel windows."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.engine import REFERENCE, Mode, Observer, Progress, unobserved
from workflow_scripts.step4.mel import MEL_BANDS
from workflow_scripts.step4.model_files import PinnedFile
from workflow_scripts.step4.parallel import Batch, Network, batches, map_in_order

DIMENSION = 256
WINDOW_FRAMES = 160
"""Mel frames the encoder was trained on: 1.6 s."""
BATCH_WINDOWS = 64


class MelSequence(Protocol):
    """Windows of mel frames, float32 `(160, 40)` each."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.float32]: ...


class _Encoder(nn.Module):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MEL_BANDS, DIMENSION, 3, batch_first=True)
        self.linear = nn.Linear(DIMENSION, DIMENSION)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mel)
        raw = torch.relu(self.linear(hidden[-1]))
        return raw / (raw.norm(dim=1, keepdim=True) + 1e-9)


class SpeakerEmbedding:
    """The encoder, loaded without unpickling anything but tensors."""

    def __init__(self, file: PinnedFile, mode: Mode = REFERENCE) -> None:
        self.model = file.verified()
        state = torch.load(str(file.path), map_location="cpu", weights_only=True)["model_state"]
        encoder = _Encoder()
        wanted = encoder.state_dict().keys()
        if not wanted <= state.keys():
            raise PreconditionError(f"{file.path.name} does not hold the weights of a GE2E encoder.")
        encoder.load_state_dict({key: state[key] for key in wanted})
        self._network = Network(encoder, mode)

    def embed(
        self,
        windows: MelSequence,
        progress: Progress,
        observer: Observer = unobserved,
        batch_size: int = BATCH_WINDOWS,
    ) -> NDArray[np.float32]:
        """Return one unit vector per window of mel frames `(160, 40)`: float32 `(windows, 256)`."""

        def embed_batch(batch: Batch) -> NDArray[np.float32]:
            return self._network(np.stack([windows[index] for index in batch]))

        vectors = np.empty((len(windows), DIMENSION), np.float32)
        parts = batches(len(windows), batch_size)
        answers = map_in_order(embed_batch, parts, self._network.mode, progress, partial(observer, "embeddings"))
        # Kept as they are until the end, the answers would pin the large buffers that the networks free between
        # them: an hour of sound then costs 200 MB more.
        for part, answer in zip(parts, answers, strict=True):
            vectors[part.start : part.stop] = answer
        return vectors
