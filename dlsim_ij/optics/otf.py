"""The optical transfer function of a wide-field microscope, as one curve over frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

# The paper's microscope (doi 10.1038/s41467-020-15784-x): a 1.49 oil objective and green emission; the
# native pixel is that of its public sample.
PAPER_NA = 1.49
PAPER_EMISSION_NM = 525.0
PAPER_PIXEL_SIZE_UM = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics(Result):
    """What the objective and the light say about the finest detail; the paper's microscope by default."""

    na: float = PAPER_NA
    emission_nm: float = PAPER_EMISSION_NM
    pixel_size_um: float = PAPER_PIXEL_SIZE_UM  # of the camera in the sample: a native pixel of the frames

    def __post_init__(self) -> None:
        if not 0.05 <= self.na <= 1.7:
            raise ConfigError(f"a numerical aperture of {self.na} is not possible", "give one up to 1.7")
        if not 300 <= self.emission_nm <= 1200:
            raise ConfigError(f"an emission of {self.emission_nm} nm is not light", "give nanometres")
        if not 0.005 <= self.pixel_size_um <= 2:
            raise ConfigError(
                f"a raw pixel of {self.pixel_size_um} um is not plausible",
                "give the size of a camera pixel in the sample, in micrometres: --pixel-size",
            )

    @property
    def cutoff_px(self) -> float:
        """Highest frequency that passes, in cycles per native pixel: 2 NA / wavelength."""
        return 2 * self.na / (self.emission_nm / 1000) * self.pixel_size_um


def otf_profile(frequency: FloatArray, cutoff: float, damping: float = 1.0) -> FloatArray:
    """Transfer of a frequency through an incoherent, aberration-free circular pupil.

    Parameters
    ----------
    frequency : ndarray
        Magnitudes, in the unit of `cutoff`.
    cutoff : float
        Where the transfer ends.
    damping : float
        Extra loss ``damping ** (frequency / cutoff)`` for real objectives; 1 is none. The form is
        common in SIM software (Muller et al. 2016, doi 10.1038/ncomms10980).

    Returns
    -------
    ndarray
        1 at frequency 0, 0 from the cut-off on; dtype float64.

    Notes
    -----
    2/pi (arccos d - d sqrt(1 - d^2)) with d = frequency / cutoff (Goodman, Introduction to Fourier
    Optics).

    Examples
    --------
    >>> otf_profile(np.array([0.0, 0.5, 1.0, 2.0]), 1.0).round(3).tolist()
    [1.0, 0.391, 0.0, 0.0]
    """
    d = np.clip(np.asarray(frequency, dtype=np.float64) / cutoff, 0.0, 1.0)
    ideal = 2 / np.pi * (np.arccos(d) - d * np.sqrt(1 - d * d))
    return ideal * damping**d


def pixel_transfer(fy: FloatArray, fx: FloatArray) -> FloatArray:
    """Transfer of a square pixel that averages the light it receives.

    Parameters
    ----------
    fy, fx : ndarray
        Frequencies in cycles per pixel; broadcast against each other.

    Returns
    -------
    ndarray
        sinc(fy) sinc(fx).

    Examples
    --------
    >>> pixel_transfer(np.array([0.0, 0.5]), np.array([0.0, 0.0])).round(3).tolist()
    [1.0, 0.637]
    """
    transfer: FloatArray = np.sinc(fy) * np.sinc(fx)
    return transfer
