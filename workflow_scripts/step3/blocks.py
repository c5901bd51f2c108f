"""The three blocks of TransNetV2, each of two layers, worked in little memory.

What is computed differently from the package's, and why it is the same:

- A (2+1)D convolution is a 3x3 one in every frame, then one of 3 taps along time. A layer has four of them, which
  see the same frames: their 3x3 convolutions are one, with four times the filters.
- Batch norm of a trained network multiplies and shifts a channel: it is folded into the weights along time.
- A convolution along time is three matrix products, two of them added later and earlier by the dilation. What would
  come from outside of the window is zero, as with padding.
- In the first layer, with its 3 channels in, the two convolutions are multiplied out: one of 3x3 over the frames at
  the nine offsets 0, ±1, ±2, ±4, ±8, 27 channels in all, which is less work than apart.
- Nothing is made that pooling drops (the last row of 27 and of 13).

Blocks are worked in strips of rows, and these in pieces. The convolutions come in two forms, Winograd's algorithm
(`winograd.py`) and the library's own (`direct.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workflow_scripts.step3.direct import Dilated, Direct
from workflow_scripts.step3.winograd import Shifted, Winograd, constant, room

#: Height, width and colours of a frame.
HEIGHT, WIDTH, COLOURS = 27, 48, 3
#: The dilations along time of a layer's four branches.
DILATIONS = (1, 2, 4, 8)
#: Where the first layer looks in time.
OFFSETS = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
#: What the package's batch norm adds to a variance.
EPSILON = 1e-3
#: Rows of a strip; even, for rows are pooled in pairs.
STRIP = 6

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Form:
    """How convolutions are worked, and how what they work on lies in memory."""

    in_frames: type[Winograd] | type[Direct]
    along_time: type[Shifted] | type[Dilated]
    #: The axis of a picture's rows; that of its columns is the next.
    rows: int
    #: Pieces that a strip is worked in, beside one another.
    pieces: int


FORMS = {"winograd": Form(Winograd, Shifted, 0, 3), "direct": Form(Direct, Dilated, 2, 1)}


def branches(state: State, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of a layer, batch norm folded in.

    Returns:
        spatial (4, 2F, C, 3, 3), temporal (4, F, 2F, 3) and bias (4, F).
    """
    scale = state[f"{name}.bn.weight"] / torch.sqrt(state[f"{name}.bn.running_var"] + EPSILON)
    bias = state[f"{name}.bn.bias"] - state[f"{name}.bn.running_mean"] * scale
    parts = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]
    spatial = torch.stack([state[f"{part}.0.weight"][:, :, 0] for part in parts])
    temporal = torch.stack([state[f"{part}.1.weight"][:, :, :, 0, 0] for part in parts])
    return spatial, temporal * scale.view(4, -1, 1, 1), bias.view(4, -1)


def piece(x: Tensor, axis: int, top: int, left: int, rows: int, columns: int) -> Tensor:
    """A rectangle of pictures whose rows are `axis`, whose columns are the next one."""
    return x.narrow(axis, top, rows).narrow(axis + 1, left, columns)


def bordered(work: Tensor, like: Tensor, axis: int, rows: int, columns: int, channels: int) -> Tensor:
    """Room in `work` for as many pictures as in `like` and, around them, a pixel of zeros."""
    shape = list(like.shape)
    shape[axis], shape[axis + 1], shape[4] = rows + 2, columns + 2, channels
    pictures = room(work, shape)
    for side, last in ((axis, rows + 1), (axis + 1, columns + 1)):
        pictures.select(side, 0).zero_()
        pictures.select(side, last).zero_()
    return pictures


def pooled(x: Tensor, axis: int) -> Tensor:
    """Sums over squares of 2x2 pixels."""
    x = x.unflatten(axis, (-1, 2))
    x = x.select(axis + 1, 0) + x.select(axis + 1, 1)
    x = x.unflatten(axis + 1, (-1, 2))
    return x.select(axis + 2, 0) + x.select(axis + 2, 1)


class FirstLayer(nn.Module):  # type: ignore[misc,unused-ignore]
    """The layer that sees frames, with its activation: both convolutions of all branches multiplied out."""

    def __init__(self, state: State, name: str, form: Form) -> None:
        """Multiply the weights: (F from 2F) by (2F from C) is (F from C)."""
        super().__init__()
        spatial, temporal, bias = branches(state, name)
        product = torch.einsum("bfmt,bmcij->btfcij", temporal, spatial) / 255.0
        weight = product.new_zeros(4, product.shape[2], len(OFFSETS), COLOURS, 3, 3)
        for branch, dilation in enumerate(DILATIONS):
            for tap in range(3):
                weight[branch, :, OFFSETS.index((tap - 1) * dilation)] = product[branch, tap]
        self.axis, self.offsets = form.rows, OFFSETS
        self.width, self.tall, self.wide = WIDTH, 4, WIDTH // form.pieces
        self.in_frames = form.in_frames(weight.flatten(0, 1).flatten(1, 2), self.tall, self.wide)
        self.bias = constant(bias.flatten())
        self.channels = bias.numel()

    def forward(self, frames: Tensor, top: int, rows: int, into: Tensor, work: Tensor) -> None:
        """Write `rows` rows of the result, from row `top` on, into `into`.

        Args:
            frames: uint8 (B, 8 + T + 8, H + 2, W + 2, 3), zero around the pictures and outside of time.
            into: (B, T, rows, W, 4F), or with the pixels outermost.
        """
        strip, length = frames.narrow(2, top, rows + 2), frames.shape[1] - 16
        x = torch.cat([strip[:, 8 + offset : 8 + offset + length] for offset in self.offsets], 4)
        if self.axis == 0:
            x = x.permute(2, 3, 0, 1, 4)
        x = x.to(into.dtype, memory_format=torch.contiguous_format)
        weight = self.in_frames.prepared()
        for above in range(0, rows, self.tall):
            tall = min(self.tall, rows - above)
            for left in range(0, self.width, self.wide):
                y = self.in_frames(piece(x, self.axis, above, left, tall + 2, self.wide + 2), weight, work)
                piece(into, self.axis, above, left, tall, self.wide).copy_(y.add_(self.bias).relu_())


class Layer(nn.Module):  # type: ignore[misc,unused-ignore]
    """A layer of four dilated (2+1)D convolutions, with its activation and, where asked for, pooling."""

    def __init__(self, state: State, name: str, form: Form, width: int, tall: int, scale: int) -> None:
        """Take the weights for pictures of `width` columns, worked in pieces of `tall` rows.

        Args:
            scale: 2 if every 2x2 pixels of the result are added up, else 1.
        """
        super().__init__()
        spatial, temporal, bias = branches(state, name)
        self.axis, self.scale = form.rows, scale
        self.width, self.tall, self.wide = width, tall, width // form.pieces
        self.in_frames = form.in_frames(spatial.flatten(0, 1), self.tall, self.wide)
        self.along_time = form.along_time(temporal, bias)
        self.channels = bias.numel()

    def forward(self, x: Tensor, top: int, rows: int, into: Tensor, work: Tensor) -> None:
        """Write the result of `rows` rows, from row `top` on, into `into`.

        Args:
            x: (B, T, H + 2, W + 2, C), or with the pixels outermost; zero around the pictures.
            into: (B, T, rows / scale, W / scale, 4F), or with the pixels outermost.
        """
        weight = self.in_frames.prepared()
        for above in range(0, rows, self.tall):
            tall = min(self.tall, rows - above)
            for left in range(0, self.width, self.wide):
                part = piece(x, self.axis, top + above, left, tall + 2, self.wide + 2)
                y = self.along_time(self.in_frames(part, weight, work), work).relu_()
                if self.scale == 2:
                    y = pooled(y, self.axis + 1)
                self._part(into, above, left, tall).unflatten(4, (4, -1)).movedim(4, 0).copy_(y)

    def _part(self, into: Tensor, above: int, left: int, tall: int) -> Tensor:
        """Where the result of a piece goes."""
        scale = self.scale
        return piece(into, self.axis, above // scale, left // scale, tall // scale, self.wide // scale)


class Block(nn.Module):  # type: ignore[misc,unused-ignore]
    """Two layers; what they make is added up and halved in height and width."""

    def __init__(self, first: FirstLayer | Layer, second: Layer, height: int, width: int) -> None:
        """`height` and `width` are those of the pictures that come in."""
        super().__init__()
        self.first, self.second = first, second
        self.height, self.width, self.strip = height, width, STRIP
        self.axis, self.channels = second.axis, second.channels

    def forward(self, x: Tensor, like: Tensor, work: Tensor, place: int) -> Tensor:
        """(B, T, H + 2, W + 2, C) to (B, T, H // 2 + 2, W // 2 + 2, 4F), or with the pixels outermost.

        Args:
            like: something with as many pictures, in the order of axes of what comes out.
            place: the row of `work` where the result is to lie; `x` lies elsewhere.
        """
        axis, width, channels = self.axis, self.width, self.channels
        out = bordered(work[place], like, axis, self.height // 2, width // 2, channels)
        for top in range(0, self.height // 2 * 2, self.strip):
            rows = min(self.strip, self.height // 2 * 2 - top)
            # The second layer sees a row more above and below, zeros where the picture ends.
            first, last = max(top - 1, 0), min(top + rows, self.height - 1)
            seen = bordered(work[2], like, axis, rows, width, channels)
            made = piece(seen, axis, first - top + 1, 1, last - first + 1, width)
            self.first(x, first, last - first + 1, made, work)
            halved = piece(out, axis, top // 2 + 1, 1, rows // 2, width // 2)
            self.second(seen, 0, rows, halved, work)
            halved.add_(pooled(piece(seen, axis, 1, 1, rows, width), axis)).mul_(0.25)
        return out
