"""Resolution by direction: decorrelation analysis over sectors of the spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.quality.decorrelation import check_settings, processors
from dlsim_ij.quality.decorrelation_curve import Curve, FloatArray, Kind, curve_radii, find_peak, ring_of
from dlsim_ij.quality.decorrelation_image import pad, single_precision, taper
from dlsim_ij.quality.decorrelation_passes import analyse
from dlsim_ij.quality.imagej_blur import DIRECT_LIMIT_PX, gaussian_taps
from dlsim_ij.results import Result

_MOST_SECTORS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionalResolution(Result):
    """Resolution by direction; the tuples have one entry per sector.

    Attributes
    ----------
    angles_deg : tuple of float
        Middle of each sector: the direction along which detail is resolved, 0 along x (columns), 90 along y
        (down), below 180.
    kc : tuple of (float or None)
        1 is Nyquist; None where no curve has a peak.
    resolution_px, resolution_nm : tuple of (float or None)
        `resolution_nm` is empty when the pixel size is unknown.
    best_angle_deg, worst_angle_deg : float or None
    anisotropy : float or None
        Worst over best resolution; 1 is the same in all directions.
    """

    angles_deg: tuple[float, ...]
    kc: tuple[float | None, ...]
    resolution_px: tuple[float | None, ...]
    resolution_nm: tuple[float | None, ...]
    best_angle_deg: float | None
    worst_angle_deg: float | None
    anisotropy: float | None
    n_radii: int
    n_gaussians: int
    pixel_size_um: float | None


def directional_resolution(
    image: ArrayLike,
    pixel_size_um: float | None = None,
    *,
    n_sectors: int = 8,
    n_radii: int = 50,
    n_gaussians: int = 10,
    workers: int | None = None,
) -> DirectionalResolution:
    """Estimate the resolution of an image along several directions.

    Parameters
    ----------
    image : (Y, X) array_like
        At native sampling; any intensity unit.
    pixel_size_um : float, optional
        Side of a pixel in micrometre.
    n_sectors : int
        Sectors of 180 / n_sectors degrees, 1 to 36.
    n_radii, n_gaussians
        As in :func:`~dlsim_ij.quality.decorrelation.decorrelation_resolution`.
    workers : int, optional
        Threads.

    Returns
    -------
    DirectionalResolution

    Raises
    ------
    ImageError, ConfigError
        As in `decorrelation_resolution`.

    Notes
    -----
    The two passes are those of the plugin 1.1.8 without its cap, each curve over a sector instead of the
    disc. The high-pass filters act on the spectrum here, in double precision: with one sector kc is the
    plugin's within about two steps, and not exactly. A sector holds few coefficients, so its number varies
    about sqrt(n_sectors) times more than that of the image.
    """
    check_settings(pixel_size_um, "1.1.8-nocap", 0.0, 1.0, n_radii, n_gaussians, workers)
    if n_sectors != int(n_sectors) or not 1 <= n_sectors <= _MOST_SECTORS:
        raise ConfigError(f"{n_sectors} sectors", f"choose 1 to {_MOST_SECTORS}")
    square = pad(taper(single_precision(image)))
    side = len(square)
    amplitudes = np.abs(scipy.fft.rfft2(square.astype(np.float64), overwrite_x=True))
    u = np.arange(side // 2 + 1)
    v = np.arange(side)[:, None]
    v[v >= side // 2] -= side
    used = (4 * (u**2 + v**2) <= side**2) & ~((v > 0) & ((u == 0) | (u == side // 2)))
    used[0, 0] = False
    width_deg = 180 / n_sectors
    sector = np.rint(np.degrees(np.arctan2(v, u)) % 180 / width_deg).astype(np.intp) % n_sectors

    def one(number: int) -> float | None:
        rows, columns = np.nonzero(used & (sector == number))
        curves = _SectorCurves(amplitudes[rows, columns], v[rows, 0], columns, side, n_radii)
        found = analyse(curves, "1.1.8-nocap", n_gaussians, 0.0, 1.0)
        return found.kc if found.kc else None

    with ThreadPoolExecutor(workers or processors()) as pool:
        kc = tuple(pool.map(one, range(n_sectors)))
    resolution = tuple(2 / value if value else None for value in kc)
    angles = tuple(width_deg * number for number in range(n_sectors))
    there = [(value, angle) for value, angle in zip(resolution, angles, strict=True) if value]
    best, worst = (min(there), max(there)) if there else (None, None)
    return DirectionalResolution(
        angles_deg=angles,
        kc=kc,
        resolution_px=resolution,
        resolution_nm=tuple(1000 * r * pixel_size_um if r else None for r in resolution)
        if pixel_size_um
        else (),
        best_angle_deg=best[1] if best else None,
        worst_angle_deg=worst[1] if worst else None,
        anisotropy=worst[0] / best[0] if worst and best else None,
        n_radii=n_radii,
        n_gaussians=n_gaussians,
        pixel_size_um=pixel_size_um,
    )


class _SectorCurves:
    """Curves over some coefficients of a spectrum, given by their amplitude and frequency index."""

    def __init__(
        self, amplitudes: FloatArray, v: NDArray[np.intp], u: NDArray[np.intp], side: int, n_radii: int
    ) -> None:
        self.side, self.n_radii = side, n_radii
        self._amplitudes, self._v, self._u = amplitudes, np.abs(v), u
        self._rho = 2 * np.hypot(v, u) / side

    def unfiltered(self, rmin: float, rmax: float) -> tuple[Curve, int]:
        """Return the curve without a filter, and the index of its peak."""
        return self._curve("unfiltered", None, self._amplitudes, rmin, rmax)

    def filtered(
        self, kind: Literal["coarse", "refined"], sigmas: Sequence[float | None], rmin: float, rmax: float
    ) -> list[Curve]:
        """Return the curve under each high-pass filter."""
        curves = []
        for sigma_px in sigmas:
            if sigma_px is None:
                amplitudes = np.zeros_like(self._amplitudes)
            else:
                transfer = _transfer(sigma_px, self.side)
                amplitudes = self._amplitudes * (1 - transfer[self._v] * transfer[self._u])
            curves.append(self._curve(kind, sigma_px, amplitudes, rmin, rmax)[0])
        return curves

    def _curve(
        self, kind: Kind, sigma_px: float | None, amplitudes: FloatArray, rmin: float, rmax: float
    ) -> tuple[Curve, int]:
        held = self._rho <= rmax
        bins = ring_of(self._rho[held], rmin, rmax, self.n_radii).astype(np.intp)
        sums = np.bincount(bins, amplitudes[held], self.n_radii).cumsum()
        counts = np.bincount(bins, minlength=self.n_radii).cumsum()
        energy = float(np.square(amplitudes).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            values = sums / np.sqrt(energy * counts)
        return find_peak(kind, sigma_px, curve_radii(rmin, rmax, self.n_radii), values)


def _transfer(sigma_px: float, side: int) -> FloatArray:
    """Return what the blur along one axis does to the frequencies 0 to side / 2."""
    frequencies = np.arange(side // 2 + 1) / side
    if sigma_px > DIRECT_LIMIT_PX:
        return np.asarray(np.exp(-2 * (np.pi * sigma_px * frequencies) ** 2))
    taps = gaussian_taps(sigma_px).astype(np.float64)
    waves = np.cos(2 * np.pi * np.outer(frequencies, np.arange(1, len(taps))))
    return np.asarray((taps[0] + 2 * waves @ taps[1:]) / (taps[0] + 2 * taps[1:].sum()))
