"""How the optics really pass a frequency: nominal, aberrated, or as a measured point says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics, otf_profile
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

_NODES = 96  # of the quadratures: the aberration-free transfer is right to 1e-6
_CURVE = 257  # points of the radial curve, straight lines between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Aberration(Result):
    """Spherical aberration of the detection, as a phase over the objective's pupil.

    Attributes
    ----------
    spherical_waves : float
        Primary spherical aberration: Zernike 4,0 (Noll 11, doi 10.1364/JOSA.66.000207), root mean square
        over the pupil, in waves of the emission.
    immersion_index : float
        Refractive index that the objective is made for: 1.515 oil, 1.33 water.
    sample_index : float or None
        Of what lies between cover glass and object; None is the same as the immersion.
    depth_um : float
        How deep in it the object lies. The phase of the mismatch is ``depth (n_s cos t_s - n_i cos t_i)``
        (Torok et al. 1995, doi 10.1364/JOSAA.12.000325) without the part that refocusing takes away; rays
        that the sample cannot carry (NA above its index) are missing.
    """

    spherical_waves: float = 0.0
    immersion_index: float = 1.515
    sample_index: float | None = None
    depth_um: float = 0.0

    def __post_init__(self) -> None:
        indices = [n for n in (self.immersion_index, self.sample_index) if n is not None]
        if not all(1 <= n <= 2.5 for n in indices):
            raise ConfigError(f"a refractive index of {indices} is impossible", "water has 1.33, oil 1.515")
        if not abs(self.spherical_waves) <= 2 or not 0 <= self.depth_um <= 200:
            raise ConfigError(
                f"{self.spherical_waves:g} waves of aberration, {self.depth_um:g} um deep: no image is left",
                "give up to 2 waves and 0 to 200 um",
            )

    @property
    def mismatch(self) -> bool:
        """Whether light crosses a step of the refractive index on its way."""
        return self.depth_um > 0 and self.sample_index not in (None, self.immersion_index)

    @property
    def any(self) -> bool:
        """Whether the pupil departs from the ideal one."""
        return self.spherical_waves != 0 or self.mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPsf(Result):
    """Picture of a point source, which takes the place of the computed transfer.

    Attributes
    ----------
    image : (h, w) ndarray
        Brightness; the level of its border is taken off.
    pixel_size_um : float
    source : str or None
        Where it comes from, for the record.
    """

    image: FloatArray = field(repr=False, compare=False)
    pixel_size_um: float
    source: str | None = None

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or min(self.image.shape) < 5 or not np.isfinite(self.image).all():
            raise ConfigError(
                f"an array of shape {self.image.shape} is no picture of a point", "give one plane, all finite"
            )
        if not 0.002 <= self.pixel_size_um <= 1:
            raise ConfigError(
                f"a point spread function with pixels of {self.pixel_size_um:g} um is not plausible",
                "calibrate the file, in micrometres",
            )


def transfer_on_grid(
    optics: Optics,
    fy: FloatArray,
    fx: FloatArray,
    *,
    cutoff_factor: float = 1.0,
    damping: float = 1.0,
    aberration: Aberration | None = None,
    psf: MeasuredPsf | None = None,
) -> NDArray[Any]:
    """Return the transfer of each frequency, without the camera's pixel.

    Parameters
    ----------
    optics : Optics
        Numerical aperture, wavelength and the unit of the frequencies.
    fy : (h,) ndarray
        Cycles per native pixel.
    fx : (w,) ndarray
        Cycles per native pixel.
    cutoff_factor, damping : float
        Of the computed transfer: where it ends against the nominal cut-off, and see `otf_profile`.
    aberration : Aberration, optional
    psf : MeasuredPsf, optional
        Replaces all the above.

    Returns
    -------
    (h, w) ndarray
        1 at frequency 0, 0 beyond the cut-off; complex for a measured point.
    """
    radius = np.hypot(fy[:, None], fx[None, :])
    if psf is not None:
        return np.where(radius <= optics.cutoff_px, _measured(psf, optics, fy, fx), 0)
    cutoff = optics.cutoff_px * cutoff_factor
    if aberration is None or not aberration.any:
        return otf_profile(radius, cutoff, damping)
    d = radius / cutoff
    places, curve = aberrated_curve(optics, aberration)
    damped: FloatArray = np.interp(d, places, curve, right=0.0) * damping ** np.minimum(d, 1)
    return damped


@lru_cache(maxsize=64)
def aberrated_curve(optics: Optics, aberration: Aberration) -> tuple[FloatArray, FloatArray]:
    """Return the transfer over frequency / cut-off: the autocorrelation of the aberrated pupil.

    The pupil is even, scalar and evenly bright; the transfer of a phase that depends on the radius alone is
    real, and may be negative. Where the two shifted pupils overlap, the integral over one quarter is enough.

    Returns
    -------
    places, transfer : (n,) ndarray
    """
    edge = 1.0
    if aberration.mismatch and aberration.sample_index is not None:
        edge = min(1.0, aberration.sample_index / optics.na)
    phase = _pupil_phase(optics, aberration, edge)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    # the overlap ends in a tip, where the integrand has a root: crowded nodes there
    t, t_weights = np.sin(np.pi / 2 * nodes), weights * np.pi / 2 * np.cos(np.pi / 2 * nodes)
    places = np.linspace(0, 1, _CURVE)
    curve = np.empty(_CURVE)
    for number, d in enumerate(places):
        x = (1 - d) * t
        height = np.sqrt(np.maximum(1 - (x + d) ** 2, 0))
        y = height[:, None] * nodes
        left, right = np.hypot(x[:, None] + d, y), np.hypot(x[:, None] - d, y)
        wave = np.cos(2 * np.pi * (phase(left) - phase(right)))
        curve[number] = 4 / np.pi * (1 - d) * np.einsum("i,ij,j->", t_weights * height, wave, weights)
    curve[-1] = 0
    return places * edge, curve


def _pupil_phase(optics: Optics, aberration: Aberration, edge: float) -> Any:
    """Return the phase in waves as a function of the radius, of which 1 is `edge` of the aperture."""
    index, sample = aberration.immersion_index, aberration.sample_index
    fit = np.zeros(2)
    r = np.sqrt((np.arange(512) + 0.5) / 512)  # even in area

    def axial(radius: FloatArray, n: float) -> FloatArray:
        return np.sqrt(np.maximum(n**2 - (optics.na * edge * radius) ** 2, 0))

    per_wave = aberration.depth_um / (optics.emission_nm / 1000) if aberration.mismatch else 0.0

    def mismatch(radius: FloatArray) -> FloatArray:
        assert sample is not None
        return per_wave * (axial(radius, sample) - axial(radius, index))

    if per_wave:  # focusing anew takes away the best fit of a constant and of the defocus
        basis = np.stack([np.ones_like(r), axial(r, index)], axis=1)
        fit = np.linalg.lstsq(basis, mismatch(r), rcond=None)[0]

    def phase(radius: FloatArray) -> FloatArray:
        rho2 = (edge * radius) ** 2
        waves = aberration.spherical_waves * np.sqrt(5) * (6 * rho2**2 - 6 * rho2 + 1)
        if per_wave:
            waves = waves + mismatch(radius) - fit[0] - fit[1] * axial(radius, index)
        return waves

    return phase


def _measured(
    psf: MeasuredPsf, optics: Optics, fy: FloatArray, fx: FloatArray
) -> NDArray[np.complexfloating]:
    """Return the transform of a measured point, sampled where it is needed; no interpolation."""
    ring = np.concatenate([psf.image[0], psf.image[-1], psf.image[1:-1, 0], psf.image[1:-1, -1]])
    light = psf.image.astype(np.float64) - np.median(ring)
    total = float(light.sum())
    if not total > 0:
        raise ConfigError(
            "the point spread function is not brighter than its own border",
            "one bright point in the middle of a dark field is needed",
        )
    step = psf.pixel_size_um / optics.pixel_size_um  # native pixels
    waves = []
    # the centre is where the lowest frequencies have no phase: light in the tails counts, noise hardly
    for axis, frequencies in enumerate((fy, fx)):
        line = light.sum(axis=1 - axis)
        place = np.arange(len(line))
        low = np.exp(-2j * np.pi * place / len(line)) @ line
        centre = (-np.angle(low) / (2 * np.pi) % 1) * len(line)
        own = frequencies * step  # cycles per pixel of the picture
        passed = np.where(np.abs(own) <= 0.5, 1 / np.sinc(np.clip(own, -0.5, 0.5)), 0)
        waves.append(passed[:, None] * np.exp(-2j * np.pi * np.multiply.outer(own, place - centre)))
    measured: NDArray[np.complexfloating] = waves[0] @ light @ waves[1].T / total
    return measured
