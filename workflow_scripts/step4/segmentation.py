"""Speaker segmentation: a PyanNet that hears up to three speakers at once in chunks of 5 s.

The network is that of pyannote.audio (SincNet, bidirectional LSTM, sigmoid per local speaker; Bredin and
Laurent 2021), written out here so that the checkpoint can be read as tensors only, without unpickling objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from workflow_scripts.common.audio_settings import EMBEDDED_BATCH
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.engine import (
    REFERENCE,
    SAMPLE_RATE,
    Mode,
    Observer,
    Progress,
    Sound,
    unobserved,
)
from workflow_scripts.step4.model_files import PinnedFile
from workflow_scripts.step4.parallel import Batch, Network, batches, map_in_order

CHUNK_SECONDS = 5.0
"""Length of sound the network was trained on."""
STEP_SECONDS = 0.5
"""Distance of two chunks: every moment is heard ten times."""
SINC_STRIDE = 10
FRAME_STEP_SECONDS = SINC_STRIDE * 27 / SAMPLE_RATE
"""Distance of two decisions of the network: 270 samples, 16.9 ms."""
FRAME_CENTRE_SECONDS = 991 / 2 / SAMPLE_RATE
"""Centre of the first decision's receptive field of 991 samples."""
LOCAL_SPEAKERS = 3
BATCH_CHUNKS = EMBEDDED_BATCH
"""Chunks per call on the CPU: 16 are no quicker and take 120 MB more on two cores."""
MIN_LOW_HERTZ = 50.0
MIN_BAND_HERTZ = 50.0


class _SincFilters(nn.Module):  # type: ignore[misc,unused-ignore]
    """Band-pass filters, cosine and sine, learned by their two cut-off frequencies (asteroid's ParamSincFB)."""

    def __init__(self, pairs: int, kernel: int) -> None:
        super().__init__()
        half = kernel // 2
        self.low_hz_ = nn.Parameter(torch.zeros(pairs, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(pairs, 1))
        self.register_buffer("window_", torch.zeros(half))
        self.register_buffer("n_", torch.zeros(1, half))

    def forward(self) -> torch.Tensor:
        """Return the filters, `(2 * pairs, 1, kernel)`."""
        low = MIN_LOW_HERTZ + self.low_hz_.abs()
        high = torch.clamp(low + MIN_BAND_HERTZ + self.band_hz_.abs(), MIN_LOW_HERTZ, SAMPLE_RATE / 2)
        times: Any = self.n_
        angle_low, angle_high = low @ times, high @ times
        scale: Any = self.window_ / (times / 2)
        even = (angle_high.sin() - angle_low.sin()) * scale
        odd = (angle_low.cos() - angle_high.cos()) * scale
        band = high - low
        cosine = torch.cat([even, 2 * band, even.flip(1)], dim=1)
        sine = torch.cat([odd, torch.zeros_like(band), -odd.flip(1)], dim=1)
        return torch.cat([cosine / (2 * band), sine / (2 * band)])[:, None]


class _FilterBank(nn.Module):  # type: ignore[misc,unused-ignore]
    def __init__(self, filters: int, kernel: int) -> None:
        super().__init__()
        self.filterbank = _SincFilters(filters // 2, kernel)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        return functional.conv1d(wave, self.filterbank(), stride=SINC_STRIDE).abs_()


class _SincNet(nn.Module):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList([_FilterBank(80, 251), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(n, affine=True) for n in (80, 60, 60)])

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        hidden = self.wav_norm1d(wave)
        for convolution, norm in zip(self.conv1d, self.norm1d, strict=True):
            hidden = functional.leaky_relu(norm(functional.max_pool1d(convolution(hidden), 3, 3)))
        return hidden


class PyanNet(nn.Module):  # type: ignore[misc,unused-ignore]
    """The network: `(batch, 1, samples)` to probabilities `(batch, frames, speakers)`."""

    def __init__(self, hidden: int = 128, layers: int = 4, linear: int = 128) -> None:
        super().__init__()
        self.sincnet = _SincNet()
        self.lstm = nn.LSTM(60, hidden, layers, batch_first=True, bidirectional=True)
        self.linear = nn.ModuleList([nn.Linear(2 * hidden, linear), nn.Linear(linear, linear)])
        self.classifier = nn.Linear(linear, LOCAL_SPEAKERS)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.lstm(self.sincnet(wave).transpose(1, 2))
        for layer in self.linear:
            hidden = functional.leaky_relu(layer(hidden))
        return torch.sigmoid(self.classifier(hidden))


class SpeakerSegmentation:
    """The network with its pinned weights, over overlapping chunks of a whole sound."""

    def __init__(self, file: PinnedFile, mode: Mode = REFERENCE) -> None:
        self.model = file.verified()
        network = PyanNet()
        try:
            network.load_state_dict(read_tensors(str(file.path)))
        except (KeyError, RuntimeError, UnpicklingError) as error:
            raise PreconditionError(f"{file.path.name} does not hold the weights of a PyanNet: {error}") from error
        self._network = Network(network, mode)

    def chunks(
        self, sound: Sound, progress: Progress, observer: Observer = unobserved, batch_size: int = BATCH_CHUNKS
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the probability of each local speaker, float32 `(chunks of a batch, 293, 3)`, in order.

        Chunk c begins at `c * STEP_SECONDS`; the sound is filled up with silence to whole chunks. Local speakers
        of two chunks have nothing to do with each other: the order within a chunk is the network's.
        """

        def segment(batch: Batch) -> NDArray[np.float32]:
            return self._network(_waves(sound, batch))

        parts = batches(chunk_count(len(sound)), batch_size)
        return map_in_order(segment, parts, self._network.mode, progress, partial(observer, "segmentation"))


def _waves(sound: Sound, chunks: Batch) -> NDArray[np.float32]:
    """The sound of some chunks, float32 `(chunks, 1, 80000)`."""
    step, length = int(STEP_SECONDS * SAMPLE_RATE), int(CHUNK_SECONDS * SAMPLE_RATE)
    span = sound[chunks.start * step : (chunks.stop - 1) * step + length]
    waves = np.zeros((len(chunks), 1, length), np.float32)
    for row, wave in enumerate(waves):
        piece = span[row * step : row * step + length]
        wave[0, : len(piece)] = piece
    return waves


def chunk_count(samples: int) -> int:
    """How many chunks cover a sound; none for a sound without samples."""
    if samples == 0:
        return 0
    beyond = max(0.0, samples - CHUNK_SECONDS * SAMPLE_RATE)
    return math.ceil(beyond / (STEP_SECONDS * SAMPLE_RATE)) + 1


def read_tensors(path: str) -> dict[str, torch.Tensor]:
    """Return the state dictionary of a training checkpoint; other objects in it are never constructed.

    The checkpoint also pickles descriptions of its training task. torch's restricted unpickler reads it with
    inert stand-ins in their place, so no code of the file or of those classes runs.
    """
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    with torch.serialization.safe_globals([(_stand_in(name), name) for name in names]):
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}


def _stand_in(name: str) -> type:
    return type(name.rpartition(".")[2], (_Inert,), {"__module__": __name__})


class _Inert:
    """Takes the place of any pickled object and keeps nothing of it."""

    def __new__(cls, *_args: object, **_kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_args: object, **_kwargs: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...
