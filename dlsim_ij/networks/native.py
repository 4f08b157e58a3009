"""Our own network: works on native pixels, and ends on a finer grid.

A residual U-Net without BatchNorm: a single image is its own batch, and what one image looks like must
not depend on statistics of others. It adds what it has learned to a reconstruction that it is given, so
with nothing learned it returns that.
"""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

_FIRST_HALF_WIDTH = 0.05  # of the normalised range, before anything is learned
_GATE_AT_FIRST = -1.0  # a quarter of the image is let through before anything is learned
_WIDEST = 8.0  # of the logarithm: far beyond any image, and far from overflow


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
        them), that every output starts from; 0 for none.
    gated : bool
        Whether the network tells for every input pixel how much of that image goes into the output, from
        0 to 1; otherwise one learned factor per output does. For an image that is right in some places only.
    images : int
        How many images the network makes of its input.
    interval : bool
        Whether it tells for every pixel of every image how far it may be wrong: half the width of an
        interval, positive.

    Notes
    -----
    Input (B, in_channels, H, W) with sides that are multiples of `side_multiple`; output
    (B, out_channels, scale H, scale W): the images, then the half widths. Mean pooling and nearest
    enlargement keep the pixel grid centred.
    """

    side_multiple = 8
    receptive_radius_px = 56  # how far an input pixel can act; a test measures 53

    def __init__(
        self,
        in_channels: int = 11,
        width: int = 24,
        scale: int = 2,
        residual_channels: int = 4,
        images: int = 1,
        interval: bool = False,
        gated: bool = False,
    ) -> None:
        super().__init__()
        if residual_channels not in (0, scale**2) or residual_channels > in_channels:
            raise ValueError(f"residual_channels is 0 or {scale**2}, and at most in_channels")
        if images < 1:
            raise ValueError("images is 1 or more")
        if gated and not residual_channels:
            raise ValueError("gated wants residual_channels: there is nothing to let through")
        self.in_channels = in_channels
        self.scale = scale
        self.residual_channels = residual_channels
        self.images = images
        self.out_channels = images * (1 + interval)
        widths = [width, 2 * width, 4 * width, 4 * width]
        sources = [in_channels, *widths[:-1]]
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip(sources, widths, strict=True))
        self.up = nn.ModuleList(_Block(widths[i] + widths[i + 1], widths[i]) for i in range(len(widths) - 1))
        self.head = _head(width, images * scale**2, 0.0)
        self.gate: nn.Conv2d | None = None
        if gated:
            self.gate = _head(width, images, _GATE_AT_FIRST)
        elif residual_channels:
            self.residual_gain = nn.Parameter(torch.ones(images))
        self.half_width: nn.Sequential | None = None
        if interval:
            self.half_width = nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate"),
                nn.LeakyReLU(0.1),
                _head(width, images * scale**2, log(_FIRST_HALF_WIDTH)),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, scale H, scale W)."""
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
        if self.gate is not None:
            share = self.gate(x).sigmoid()
            out = out + torch.cat([share[:, i : i + 1] * start for i in range(self.images)], dim=1)
        elif self.residual_channels:
            out = out + torch.cat([gain * start for gain in self.residual_gain], dim=1)
        if self.half_width is not None:
            logarithm = self.half_width(x).float().clamp(max=_WIDEST)
            out = torch.cat([out, logarithm.exp()], dim=1)
        return functional.pixel_shuffle(out, self.scale)


def _head(width: int, channels: int, bias: float) -> nn.Conv2d:
    """Return a last convolution that gives `bias` everywhere before it has learned anything."""
    head = nn.Conv2d(width, channels, 3, padding=1, padding_mode="replicate")
    assert head.bias is not None
    nn.init.zeros_(head.weight)
    nn.init.constant_(head.bias, bias)
    return head
