"""Optics: lengths and angles in, transfer functions and illumination patterns out.

In: numerical aperture, wavelength, pixel size, pattern frequency and phase. Out: arrays on frequency
or pixel grids, and the bands of a raw stack. Knows no files, no noise, no network.
Start at `pattern.py`.
"""

from dlsim_ij.optics.otf import Optics, otf_profile, pixel_transfer
from dlsim_ij.optics.pattern import Pattern, mixing_matrix, separate_bands

__all__ = ["Optics", "Pattern", "mixing_matrix", "otf_profile", "pixel_transfer", "separate_bands"]
