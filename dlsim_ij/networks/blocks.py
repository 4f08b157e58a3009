"""Building blocks of the seed's networks, and the one thing special about them: their BatchNorm."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlsim_ij.errors import ModelError

BatchNormMode = Literal["running", "per-image"]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that can be told to use each image's own statistics.

    The seed's test scripts predict with BatchNorm in training mode and batch 1, so every image is
    normalised by its own mean and variance. `per_image` gives the same numbers for any batch size,
    in training and in evaluation mode, and leaves the running statistics alone.
    """

    per_image = False

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, H, W); refuses to take statistics of a single value."""
        batch, _, height, width = input.shape
        if self.per_image:
            _require_several(height * width)
            return functional.instance_norm(
                input, weight=self.weight, bias=self.bias, use_input_stats=True, eps=self.eps
            )
        if self.training:
            _require_several(batch * height * width)
        return super().forward(input)


def _require_several(values: int) -> None:
    if values < 2:
        raise ModelError(
            "one pixel is left at the deepest level: BatchNorm has nothing to average",
            "give images or patches of at least 32 x 32 pixels",
        )


def set_batchnorm_mode(network: nn.Module, mode: BatchNormMode) -> None:
    """Choose the statistics that every BatchNorm of `network` uses from now on.

    Parameters
    ----------
    network : torch.nn.Module
        Networks without BatchNorm are left as they are.
    mode : {"running", "per-image"}
        ``running``: those gathered in training (ordinary evaluation mode). ``per-image``: those of
        the image itself, as the seed predicts.

    Raises
    ------
    ModelError
        The mode has another name.
    """
    if mode not in ("running", "per-image"):
        raise ModelError(f"no BatchNorm mode is called '{mode}'", "choose from 'running', 'per-image'")
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.per_image = mode == "per-image"


def has_batchnorm(network: nn.Module) -> bool:
    """Whether any layer of `network` is a BatchNorm."""
    return any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice: 3x3 convolution with bias, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        BatchNorm(out_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        BatchNorm(out_channels),
        nn.ReLU(inplace=True),
    )


class Down(nn.Module):
    """Encoder level: halve the sides by maximum, then convolve twice."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = double_conv(in_channels, out_channels)

    def forward(self, image: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H/2, W/2)."""
        out: Tensor = self.conv(functional.max_pool2d(image, 2))
        return out


class Up(nn.Module):
    """Decoder level: double the sides, put the encoder's channels in front, convolve twice."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
        self.conv = double_conv(in_channels, out_channels)

    def forward(self, image: Tensor, skip: Tensor) -> Tensor:
        """(B, in, H, W) and the skip (B, in/2, 2H, 2W) to (B, out, 2H, 2W)."""
        out: Tensor = self.conv(torch.cat([skip, self.up(image)], dim=1))
        return out
