"""From the light that reaches a pixel to the number that the camera writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera(Result):
    """An sCMOS or EMCCD camera, seen from its output.

    The defaults were measured on the paper's public sample: 6.85 counts per photo-electron, an offset
    of 100 counts, 0.7 electrons of read noise, and fixed row and column offsets of about 0.14
    electrons, which matter where a pixel sees two electrons.
    """

    gain_adu_per_electron: float = 6.85
    offset_adu: float = 100.0
    read_noise_electrons: float = 0.7
    row_column_electrons: float = 0.14
    hot_pixel_fraction: float = 0.0
    bits: int = 16

    def __post_init__(self) -> None:
        if self.gain_adu_per_electron <= 0 or self.read_noise_electrons < 0 or not 8 <= self.bits <= 16:
            raise ConfigError("a camera needs a gain above 0, read noise from 0 and 8 to 16 bits")

    def expose(self, electrons: FloatArray, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Return the counts of frames whose mean number of photo-electrons is given.

        Parameters
        ----------
        electrons : (n_frames, Y, X) ndarray
            Expected photo-electrons per pixel and frame.
        rng : numpy.random.Generator
            Source of all noise.

        Returns
        -------
        (n_frames, Y, X) uint16 ndarray
            Counts, saturating at the largest value of `bits`.
        """
        height, width = electrons.shape[-2:]
        signal = rng.poisson(np.maximum(electrons, 0)).astype(np.float32)
        signal += rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(self.read_noise_electrons)
        fixed = np.float32(self.row_column_electrons)
        signal += fixed * rng.standard_normal((height, 1), dtype=np.float32)
        signal += fixed * rng.standard_normal((1, width), dtype=np.float32)
        if self.hot_pixel_fraction > 0:
            hot = rng.random((height, width)) < self.hot_pixel_fraction
            signal[..., hot] += rng.exponential(10 * (1 + electrons.mean()), hot.sum()).astype(np.float32)
        counts = signal * np.float32(self.gain_adu_per_electron) + np.float32(self.offset_adu)
        return np.clip(np.rint(counts), 0, 2**self.bits - 1).astype(np.uint16)
