"""Convolutions in frames, by Winograd's algorithm, and along time, as matrix products.

Winograd's algorithm multiplies four times less, and differs by rounding only. It rests on this: m results in a row,
each of 3 weights and 3 of the n = m + 2 numbers x, are `decode @ ((weigh @ weights) * (encode @ x))`, which are n
multiplications instead of 3 m. Done down and across it makes a tile of a picture; over all channels and tiles each
of its multiplications is a matrix product (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks",
arXiv:1509.09308).

Here pixels lie outermost in memory, frames and channels innermost. Encoding and decoding are then matrix products
too, with small matrices from the left, and nothing is ever copied into another order. `direct.py` has the same
convolutions by the library's own, with frames outermost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Matrix = npt.NDArray[np.float64]

#: For m results the m + 1 points that the polynomials behind the algorithm are evaluated at, besides infinity.
#: Binary fractions, so that `encode` is exact; of those tried the ones with the smallest error.
POINTS = {4: (0.0, 0.75, -0.75, 1.5, -1.5), 6: (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)}
#: Columns of a tile.
ACROSS = 4


def constant(weight: Matrix | Tensor) -> nn.Parameter:
    """Weights that are not trained; doubles become floats."""
    tensor = torch.as_tensor(weight)
    return nn.Parameter(tensor.float() if tensor.dtype == torch.float64 else tensor, requires_grad=False)


def minimal_filter(points: Sequence[float]) -> tuple[Matrix, Matrix, Matrix]:
    """The matrices of Toom and Cook for m results of 3 weights, from m + 1 points.

    Returns:
        encode (m + 2, m + 2), weigh (m + 2, 3), decode (m, m + 2).
    """
    n = len(points) + 1
    encode, weigh, decode = np.zeros((n, n)), np.zeros((n, 3)), np.zeros((n - 2, n))
    for row, point in enumerate(points):
        others = [other for other in points if other != point]
        encode[row, :-1] = np.poly(others)[::-1]
        weigh[row] = point ** np.arange(3) / np.prod([point - other for other in others])
        decode[:, row] = point ** np.arange(n - 2)
    encode[-1] = np.poly(points)[::-1]
    weigh[-1, -1] = decode[-1, -1] = 1.0
    return encode, weigh, decode


def room(work: Tensor, shape: list[int]) -> Tensor:
    """The beginning of `work`, in a shape."""
    size = 1
    for side in shape:
        size *= side
    return work[:size].view(shape)


class Winograd(nn.Module):  # type: ignore[misc,unused-ignore]
    """A 3x3 convolution in pieces of pictures."""

    def __init__(self, weight: Tensor, tall: int, wide: int) -> None:
        """Make the matrices for pieces of a picture of up to `tall` rows and of `wide` columns.

        Args:
            weight: (O, C, 3, 3).
            tall: one of POINTS.
            wide: a multiple of ACROSS.
        """
        super().__init__()
        self.wide = wide
        encode, weigh, decode = minimal_filter(POINTS[tall])
        self.encode_rows, self.decode_rows = constant(encode), constant(decode)
        encode, weigh_across, decode = minimal_filter(POINTS[ACROSS])
        self.weigh = constant(np.kron(weigh, weigh_across))
        # Columns to (point, tile) and back, one matrix each for all the tiles of a row.
        points, tiles = ACROSS + 2, wide // ACROSS
        apart, together = np.zeros((points, tiles, wide + 2)), np.zeros((tiles, ACROSS, points, tiles))
        for tile in range(tiles):
            apart[:, tile, tile * ACROSS : tile * ACROSS + points] = encode
            together[tile, :, :, tile] = decode
        self.encode_columns = constant(apart.reshape(points * tiles, -1))
        self.decode_columns = constant(together.reshape(wide, -1))
        self.weight = constant(weight.permute(2, 3, 1, 0).flatten(0, 1).contiguous())

    def prepared(self) -> Tensor:
        """The weights as `forward` takes them, (points, C, O): made when needed, for they are five times more."""
        return (self.weigh @ self.weight.flatten(1)).unflatten(1, (self.weight.shape[1], self.weight.shape[2]))

    def forward(self, x: Tensor, weight: Tensor, work: Tensor) -> Tensor:
        """(rows + 2, wide + 2, B, T, C) to (rows, wide, B, T, O), which lies in `work`.

        Args:
            x: a piece of a picture and the pixels around it.
            weight: what `prepared` returned.
            work: (2 or more, enough) numbers. Every result on the way is written over the one before the last.
        """
        seen, down, batch, length = x.shape[0], self.encode_rows.shape[0], x.shape[2], x.shape[3]
        across, channels, filters = self.encode_columns.shape[0], weight.shape[1], weight.shape[2]
        inner, outer = batch * length * channels, batch * length * filters
        y = room(work[0], [seen, across, inner])
        torch.bmm(self.encode_columns.expand(seen, -1, -1), x.flatten(2), out=y)
        z = room(work[1], [down, across * inner])
        torch.mm(self.encode_rows[:, :seen], y.flatten(1), out=z)
        z = z.view(weight.shape[0], -1, channels)
        y = room(work[0], [z.shape[0], z.shape[1], filters])
        torch.bmm(z, weight, out=y)
        z = room(work[1], [down, self.wide, outer])
        torch.bmm(self.decode_columns.expand(down, -1, -1), y.view(down, across, outer), out=z)
        y = room(work[0], [seen - 2, self.wide * outer])
        torch.mm(self.decode_rows[: seen - 2], z.flatten(1), out=y)
        return y.view(seen - 2, self.wide, batch, length, filters)


class Shifted(nn.Module):  # type: ignore[misc,unused-ignore]
    """Convolutions of 3 taps along time in four branches, dilated by 1, 2, 4 and 8."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """`weight` (4, F, 2F, 3) and `bias` (4, F)."""
        super().__init__()
        before, now, after = weight.permute(3, 0, 2, 1).contiguous().unbind(0)
        self.before, self.now, self.after = constant(before), constant(now), constant(after)
        self.bias = constant(bias.view(4, 1, 1, 1, 1, -1))

    def forward(self, y: Tensor, work: Tensor) -> Tensor:
        """(rows, columns, B, T, 4 * 2F), in `work[0]`, to (4, rows, columns, B, T, F), in `work[1]`."""
        branch_of = y.view(-1, 4, self.now.shape[1]).transpose(0, 1)
        taps = room(work[1], [3, 4, y.shape[0], y.shape[1], y.shape[2], y.shape[3], self.now.shape[2]])
        for tap, weight in enumerate((self.before, self.now, self.after)):
            torch.bmm(branch_of, weight, out=taps[tap].view(4, -1, weight.shape[2]))
        before, now, after = taps[0], taps[1], taps[2]
        for branch, dilation in enumerate((1, 2, 4, 8)):
            now[branch, :, :, :, dilation:] += before[branch, :, :, :, :-dilation]
            now[branch, :, :, :, :-dilation] += after[branch, :, :, :, dilation:]
        return now.add_(self.bias)
