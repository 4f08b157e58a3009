"""The seed's U-Net: four poolings, widths 64 to 1024, linear output, same size in and out.

Specification: Jin et al., Nat. Commun. 11, 1934 (2020), :doi:`10.1038/s41467-020-15784-x`, and the
names of its weights. Frames must already have the size of the output.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dlsim_ij.errors import ModelError
from dlsim_ij.networks.blocks import Down, Up, double_conv

SIDE_MULTIPLE = 16  # four poolings, and the seed pads nothing


class UNet(nn.Module):
    """U-Net of the seed.

    Parameters
    ----------
    in_channels, out_channels : int
        15 in, 1 out for SIM15; 15 in, 15 out for the low-light (SNR) network.
    width : int
        Channels of the first level; the seed has 64, and only 64 reads the seed's weights.
    """

    scale = 1
    side_multiple = SIDE_MULTIPLE
    receptive_radius_px = 112  # how far an input pixel can act; a test measures 107

    def __init__(self, in_channels: int = 15, out_channels: int = 1, width: int = 64) -> None:
        super().__init__()
        require_positive(in_channels=in_channels, out_channels=out_channels, width=width)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.inc = double_conv(in_channels, width)
        self.down1 = Down(width, 2 * width)
        self.down2 = Down(2 * width, 4 * width)
        self.down3 = Down(4 * width, 8 * width)
        self.down4 = Down(8 * width, 16 * width)
        self.up1 = Up(16 * width, 8 * width)
        self.up2 = Up(8 * width, 4 * width)
        self.up3 = Up(4 * width, 2 * width)
        self.up4 = Up(2 * width, width)
        self.outc5 = nn.Conv2d(width, out_channels, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W); sides are multiples of 16.

        Raises
        ------
        ModelError
            A side is no multiple of 16, or the number of channels is another one.
        """
        check_input(frames, self.in_channels)
        return run_unet(
            frames,
            self.inc,
            [self.down1, self.down2, self.down3, self.down4],
            [self.up1, self.up2, self.up3, self.up4],
            self.outc5,
        )


def run_unet(
    image: Tensor, first: nn.Module, downs: Sequence[nn.Module], ups: Sequence[nn.Module], last: nn.Module
) -> Tensor:
    """Run one U-shaped pass through the given levels."""
    levels = [first(image)]
    for down in downs:
        levels.append(down(levels[-1]))
    out = levels.pop()
    for up in ups:
        out = up(out, levels.pop())
    result: Tensor = last(out)
    return result


def check_input(frames: Tensor, in_channels: int, multiple: int = SIDE_MULTIPLE) -> None:
    """Refuse what the network cannot take, in words rather than as a shape error of torch."""
    if frames.ndim != 4 or frames.shape[1] != in_channels:
        raise ModelError(
            f"the network takes (batch, {in_channels}, height, width), got {tuple(frames.shape)}",
            "does this model fit the number of raw frames? dlsim models",
        )
    height, width = frames.shape[-2:]
    if height % multiple or width % multiple:
        raise ModelError(
            f"the sides {height} x {width} are no multiples of {multiple}",
            "predict through dlsim_ij.inference, which pads and tiles",
        )


def require_positive(**counts: int) -> None:
    """Refuse counts of channels below 1: torch would make a network of nothing."""
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise ModelError(
                f"{name} must be a whole number above 0, got {name}={count!r}", "check the options"
            )
