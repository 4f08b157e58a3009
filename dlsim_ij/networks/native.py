"""Our own network: works on native pixels, and ends on a grid twice as fine.

A residual U-Net without BatchNorm: a single image is its own batch, and what one image looks like must
not depend on statistics of others. It adds what it has learned to a reconstruction that it is given, so
with nothing learned it returns that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Block(nn.Module):
    """Two 3x3 convolutions beside a 1x1 short cut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, padding_mode="replicate")
        self.short_cut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.leaky_relu(self.first(x), 0.1)
        return functional.leaky_relu(self.second(inner) + self.short_cut(x), 0.1)


class NativeUNet(nn.Module):
    """Residual U-Net at native resolution with pixel shuffle.

    Parameters
    ----------
    in_channels : int
        Channels of the input, at native pixels.
    width : int
        Channels of the finest level; the coarser ones have 2, 4 and 4 times as many.
    scale : int
        Side of the output over side of the input.
    residual_channels : int
        How many of the leading channels are an image of the output's grid, unshuffled (``scale**2`` of
        them), that the output starts from; 0 for none.

    Notes
    -----
    Input (B, in_channels, H, W) with sides that are multiples of `side_multiple`; output
    (B, 1, scale H, scale W). Mean pooling and nearest enlargement keep the pixel grid centred.
    """

    side_multiple = 8
    out_channels = 1
    receptive_radius_px = 56  # how far an input pixel can act; a test measures 52

    def __init__(
        self, in_channels: int = 11, width: int = 24, scale: int = 2, residual_channels: int = 4
    ) -> None:
        super().__init__()
        if residual_channels not in (0, scale**2) or residual_channels > in_channels:
            raise ValueError(f"residual_channels is 0 or {scale**2}, and at most in_channels")
        self.in_channels = in_channels
        self.scale = scale
        self.residual_channels = residual_channels
        widths = [width, 2 * width, 4 * width, 4 * width]
        sources = [in_channels, *widths[:-1]]
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip(sources, widths, strict=True))
        self.up = nn.ModuleList(_Block(widths[i] + widths[i + 1], widths[i]) for i in range(len(widths) - 1))
        self.head = nn.Conv2d(width, scale**2, 3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        if residual_channels:
            self.residual_gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 1, scale H, scale W)."""
        start = x[:, : self.residual_channels]
        kept = []
        for level, block in enumerate(self.down):
            if level:
                x = functional.avg_pool2d(x, 2)
            x = block(x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.up[level](torch.cat([kept[level], x], dim=1))
        out = self.head(x)
        if self.residual_channels:
            out = out + self.residual_gain * start
        return functional.pixel_shuffle(out, self.scale)
