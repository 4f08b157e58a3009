"""The illumination pattern of one angle, and the bands that its phases separate.

A raw frame is ``D_j = h * [S (1 + sum_m c_m cos(2 pi m k.r + phase_m + m step_j))]`` with the object S,
the blur h and orders m = 1 (two-beam) or m = 1, 2 (three-beam), so it is a sum of 2M + 1 bands whose
weights depend on the phase step alone (Gustafsson et al. 2008, doi 10.1529/biophysj.107.120345).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, degrees, hypot, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import LayoutError
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern(Result):
    """Sinusoidal illumination of one angle; lengths in native pixels, origin at pixel (0, 0).

    Attributes
    ----------
    frequency_px : (float, float)
        (y, x) of the first order, in cycles per pixel.
    phases_rad : tuple of float
        phase_m of frame 0, one per order.
    steps_rad : tuple of float
        Phase step of each frame against frame 0, in terms of order 1.
    modulation : tuple of float
        c_m, one per order.
    snr : tuple of float
        Height of each order's correlation peak over its surroundings; empty when not measured.
    """

    frequency_px: tuple[float, float]
    phases_rad: tuple[float, ...]
    steps_rad: tuple[float, ...]
    modulation: tuple[float, ...]
    snr: tuple[float, ...] = ()

    @property
    def orders(self) -> int:
        """1 for two-beam, 2 for three-beam illumination."""
        return len(self.phases_rad)

    @property
    def period_px(self) -> float:
        """Period of the first order, in native pixels."""
        return 1 / hypot(*self.frequency_px)

    @property
    def angle_deg(self) -> float:
        """Direction of the modulation in (-90, 90], x towards y down the image."""
        angle = degrees(atan2(*self.frequency_px))
        return angle - 180 * np.ceil(angle / 180 - 0.5)


def equal_steps(n_phases: int) -> tuple[float, ...]:
    """Return the steps of equidistant phases over one period of order 1."""
    return tuple(2 * pi * j / n_phases for j in range(n_phases))


def mixing_matrix(steps_rad: tuple[float, ...], orders: int) -> ComplexArray:
    """Return the (n_phases, 2 * orders + 1) weights of the bands -M .. M in the frames.

    Raises
    ------
    LayoutError
        Fewer phases than bands, or phases that coincide.
    """
    matrix = np.exp(1j * np.outer(steps_rad, np.arange(-orders, orders + 1)))
    if len(steps_rad) < 2 * orders + 1 or np.linalg.cond(matrix) > 100:
        raise LayoutError(
            f"{len(steps_rad)} phases at {np.round(np.degrees(steps_rad)).astype(int).tolist()} degrees "
            f"cannot separate {2 * orders + 1} bands",
            "are the frames in the right order?",
        )
    return matrix


def separate_bands(frames: FloatArray, steps_rad: tuple[float, ...], orders: int) -> list[NDArray[Any]]:
    """Separate the bands of one angle, in real space.

    Parameters
    ----------
    frames : (n_phases, Y, X) ndarray
        Raw frames of one angle.
    steps_rad : tuple of float
        Phase step of each frame.
    orders : int
        Highest order M.

    Returns
    -------
    list of (Y, X) ndarray
        Band 0 (real) and bands 1 .. M (complex); band -m is the conjugate of band m. Band m is
        ``c_m / 2 * h * [S exp(i (2 pi m k.r + phase_m))]``.
    """
    unmixing = np.linalg.pinv(mixing_matrix(steps_rad, orders))[orders:]
    precision = np.result_type(frames.dtype, np.float32)
    flat = frames.reshape(len(frames), -1).astype(precision, copy=False)
    shape = frames.shape[1:]
    bands: list[NDArray[Any]] = [(unmixing[0].real.astype(precision) @ flat).reshape(shape)]
    for row in unmixing[1:]:
        band = np.empty(shape, dtype=np.result_type(precision, np.complex64))
        band.real = (row.real.astype(precision) @ flat).reshape(shape)
        band.imag = (row.imag.astype(precision) @ flat).reshape(shape)
        bands.append(band)
    return bands
