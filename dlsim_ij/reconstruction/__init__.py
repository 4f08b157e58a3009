"""Reconstruction: raw frames and a fitted pattern in, one conventional super-resolved image out.

In: frames (n_frames, Y, X), one `Pattern` per angle, optics. Out: (2Y, 2X) images and the filter used.
Knows no files, no JVM, no command line. Below it: acquisition, optics. Start at `wiener.py`.
"""

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.reconstruction.channels import CHANNELS_PER_STACK, wiener_channels
from dlsim_ij.reconstruction.widefield import widefield
from dlsim_ij.reconstruction.wiener import SHARP, SOFT, WienerFilter, wiener_images, wiener_sim

__all__ = [
    "CHANNELS_PER_STACK",
    "SHARP",
    "SOFT",
    "WienerFilter",
    "equalise_frames",
    "estimate_offset",
    "widefield",
    "wiener_channels",
    "wiener_images",
    "wiener_sim",
]
