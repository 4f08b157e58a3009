"""The seed's scU-Net: two U-Nets in a row for low-light frames, trained as one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlsim_ij.networks.blocks import Down, Up, double_conv
from dlsim_ij.networks.unet import SIDE_MULTIPLE, check_input, require_positive, run_unet


class ScUNet(nn.Module):
    """The first U-Net's output and the raw frames themselves enter the second U-Net.

    That concatenation is the only link between the two; the loss sees the second output alone
    (:doi:`10.1038/s41467-020-15784-x` and its released code).

    Parameters
    ----------
    in_channels, out_channels : int
        Raw frames and images; the seed has 15 and 1.
    width : int
        Channels of the first level of both; the seed has 64.
    """

    scale = 1
    side_multiple = SIDE_MULTIPLE
    receptive_radius_px = 224  # two U-Nets in a row

    def __init__(self, in_channels: int = 15, out_channels: int = 1, width: int = 64) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.inc = double_conv(in_channels, width)
        _add_levels(self, width, suffix=1)
        self.unet_1st_out = nn.Conv2d(width, in_channels, 1)
        self.inc0 = double_conv(2 * in_channels, width)
        _add_levels(self, width, suffix=2)
        self.unet_2nd_out = nn.Conv2d(width, out_channels, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W); sides are multiples of 16.

        Raises
        ------
        ModelError
            A side is no multiple of 16, or the number of channels is another one.
        """
        check_input(frames, self.in_channels)
        denoised = run_unet(frames, self.inc, *self._levels(1), self.unet_1st_out)
        both = torch.cat([frames, denoised], dim=1)
        return run_unet(both, self.inc0, *self._levels(2), self.unet_2nd_out)

    def _levels(self, suffix: int) -> tuple[list[nn.Module], list[nn.Module]]:
        downs = [self.get_submodule(f"down{level}{suffix}") for level in range(1, 5)]
        ups = [self.get_submodule(f"up{level}{suffix}") for level in range(1, 5)]
        return downs, ups


def _add_levels(network: nn.Module, width: int, suffix: int) -> None:
    """Add down1x..down4x and up1x..up4x, the names of the seed's weights."""
    for level in range(1, 5):
        channels = width * 2 ** (level - 1)
        network.add_module(f"down{level}{suffix}", Down(channels, 2 * channels))
    for level in range(1, 5):
        channels = width * 2 ** (5 - level)
        network.add_module(f"up{level}{suffix}", Up(channels, channels // 2))
