"""Convolutions in frames and along time by the library's own; frames lie outermost in memory.

The counterpart of `winograd.py`: the same numbers up to rounding, and the form for bfloat16 and for GPUs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workflow_scripts.step3.winograd import constant


class Direct(nn.Module):  # type: ignore[misc,unused-ignore]
    """A 3x3 convolution in pieces of pictures."""

    def __init__(self, weight: Tensor, tall: int, wide: int) -> None:
        """`weight` (O, C, 3, 3); pieces may have any size."""
        super().__init__()
        self.weight = constant(weight.contiguous(memory_format=torch.channels_last))

    def prepared(self) -> Tensor:
        """The weights as `forward` takes them."""
        return self.weight

    def forward(self, x: Tensor, weight: Tensor, work: Tensor) -> Tensor:
        """(B, T, rows + 2, columns + 2, C) to (B, T, rows, columns, O)."""
        y = functional.conv2d(x.flatten(0, 1).permute(0, 3, 1, 2), weight)
        return y.permute(0, 2, 3, 1).unflatten(0, (x.shape[0], x.shape[1]))


class Dilated(nn.Module):  # type: ignore[misc,unused-ignore]
    """Convolutions of 3 taps along time in four branches, dilated by 1, 2, 4 and 8."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """`weight` (4, F, 2F, 3) and `bias` (4, F)."""
        super().__init__()
        self.weight, self.bias = constant(weight.unsqueeze(4)), constant(bias)

    def forward(self, y: Tensor, work: Tensor) -> Tensor:
        """(B, T, rows, columns, 4 * 2F) to (4, B, T, rows, columns, F)."""
        parts = y.flatten(2, 3).permute(0, 3, 1, 2).chunk(4, 1)
        results = []
        for branch, dilation in enumerate((1, 2, 4, 8)):
            weight, bias = self.weight[branch], self.bias[branch]
            result = functional.conv2d(parts[branch], weight, bias, padding=(dilation, 0), dilation=(dilation, 1))
            results.append(result.permute(0, 2, 3, 1))
        return torch.stack(results).unflatten(3, (y.shape[2], y.shape[3]))
