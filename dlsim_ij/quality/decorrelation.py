"""Image decorrelation analysis: the resolution of one image from its own spectrum.

The numbers are those of the authors' ImageJ plugin, whose releases differ by up to 13 %, so the release
that is followed has a name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, get_args

from numpy.typing import ArrayLike

from dlsim_ij.errors import ConfigError
from dlsim_ij.quality.decorrelation_curve import Curve
from dlsim_ij.quality.decorrelation_image import RELIABLE_SIDE_PX, pad, single_precision, taper
from dlsim_ij.quality.decorrelation_passes import Version, analyse
from dlsim_ij.quality.decorrelation_plane import PlaneCurves
from dlsim_ij.results import Result

Status = Literal["ok", "no-peak", "crash"]
Warnings = tuple[tuple[str, str], ...]

__all__ = ["Curve", "Decorrelation", "Status", "Version", "Warnings", "decorrelation_resolution"]

# Each holds two images of memory, and beyond four their sums wait for one another.
_MOST_DEFAULT_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Decorrelation(Result):
    """The resolution of an image by decorrelation analysis, and how it was found."""

    status: Status
    resolution_px: float | None  # None unless the status is "ok"
    resolution_um: float | None  # None also when the pixel size is unknown
    kc: float | None  # 1 is Nyquist; rmin when there is no peak, None after a crash
    kc_gm: float | None
    a0: float  # peak height of the unfiltered curve, 0 to 1; the plugin's "SNR"
    kc0: float  # peak position of the unfiltered curve
    version: Version
    rmin: float
    rmax: float
    n_radii: int
    n_gaussians: int
    pixel_size_um: float | None
    warnings: Warnings  # (what, what to do)
    curves: tuple[Curve, ...] = field(repr=False, compare=False)


def decorrelation_resolution(
    image: ArrayLike,
    pixel_size_um: float | None = None,
    version: Version = "1.1.8-nocap",
    rmin: float = 0.0,
    rmax: float = 1.0,
    n_radii: int = 50,
    n_gaussians: int = 10,
    *,
    workers: int | None = None,
) -> Decorrelation:
    """Estimate the resolution of an image from the image alone.

    The spectrum is correlated with its own phase inside discs of growing radius; noise makes that
    correlation fall beyond the last frequency that carries detail. A series of high-pass filters moves
    the maximum outwards, and the largest radius kc at which any of the curves peaks gives the
    resolution 2 / kc px.

    Parameters
    ----------
    image : (Y, X) array_like
        Any intensity unit; used in single precision, as the plugin does. Sizes need not be even or equal.
    pixel_size_um : float, optional
        Side of a pixel in micrometre.
    version : {"1.1.8-nocap", "1.1.8", "1.1.7-2019"}
        Whose numbers: "1.1.8" is the published jar, which fixes the upper radius of its second pass at 0.5
        and stops without a result on images finer than about 3.6 px (status "crash"); "1.1.8-nocap" is the
        same program without that line; "1.1.7-2019" is the program of the time of the paper.
    rmin, rmax : float
        Range of the radii, ``0 <= rmin < rmax <= 1`` in units of the Nyquist frequency.
    n_radii : int
        Points of each curve, at least 10. They are the steps of kc.
    n_gaussians : int
        High-pass filters of each of the two passes, at least 5.
    workers : int, optional
        Threads; by default one for each processor this process may use, at most 4. The numbers do not
        depend on it.

    Returns
    -------
    Decorrelation
        With status "no-peak" there is no resolution (the plugin prints Infinity, or 2 / rmin), and `kc`
        is `rmin`.

    Raises
    ------
    ImageError
        The image is not one grey image, holds NaN or infinity, is constant, or is too small or too long.
    ConfigError
        A setting is out of range.

    Notes
    -----
    A. Descloux, K. S. Grussmayer, A. Radenovic, Nat. Methods 16, 918 (2019),
    :doi:`10.1038/s41592-019-0515-7`. The number does not know what made the detail: an image that was
    interpolated, denoised or deconvolved reports that, and kc moves in steps of (rmax - rmin) / (n_radii - 1)
    or less.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(1)
    >>> specimen = 2000 * gaussian_filter((rng.random((128, 128)) > 0.98).astype(float), 1.5)
    >>> result = decorrelation_resolution(rng.poisson(specimen + 10), pixel_size_um=0.065)
    >>> result.status, 3 < result.resolution_px < 6
    ('ok', True)
    """
    check_settings(pixel_size_um, version, rmin, rmax, n_radii, n_gaussians, workers)
    n_radii, n_gaussians = int(n_radii), int(n_gaussians)
    pixels = single_precision(image)
    height, width = pixels.shape
    square = pad(taper(pixels))
    del pixels  # it would count as memory until the end
    plane = PlaneCurves(square, version, n_radii, workers or min(processors(), _MOST_DEFAULT_THREADS))
    found = analyse(plane, version, n_gaussians, rmin, rmax)

    notes = []
    if min(height, width) < RELIABLE_SIDE_PX:
        notes.append((
            f"the image is {height} x {width} pixels: below {RELIABLE_SIDE_PX} px the tapered border decides",
            "measure a larger field",
        ))  # fmt: skip
    status: Status = "ok"
    if found.kc is None:
        status = "crash"
        notes.append((
            f"the plugin 1.1.8 stops here: its second pass would go from radius {found.refined_from:.3f} to "
            f"{found.refined_to}",
            "use version 1.1.8-nocap",
        ))  # fmt: skip
    elif found.kc <= rmin:
        status = "no-peak"
        notes.append((
            "no curve has a peak: the image looks like white noise at every scale",
            "check the exposure, hot pixels, and that the right plane was read",
        ))  # fmt: skip
    resolution_px = 2 / found.kc if status == "ok" and found.kc else None
    return Decorrelation(
        status=status,
        resolution_px=resolution_px,
        resolution_um=resolution_px * pixel_size_um if resolution_px and pixel_size_um else None,
        kc=found.kc,
        kc_gm=found.kc_gm,
        a0=found.curves[0].peak_height,
        kc0=found.kc0,
        version=version,
        rmin=rmin,
        rmax=rmax,
        n_radii=n_radii,
        n_gaussians=n_gaussians,
        pixel_size_um=pixel_size_um,
        warnings=tuple(notes),
        curves=tuple(found.curves),
    )


def check_settings(
    pixel_size_um: float | None,
    version: str,
    rmin: float,
    rmax: float,
    n_radii: int,
    n_gaussians: int,
    workers: int | None,
) -> None:
    """Raise `ConfigError` unless the settings of an analysis are in range."""
    if version not in get_args(Version):
        raise ConfigError(f"unknown version {version!r}", f"choose one of {', '.join(get_args(Version))}")
    if not 0 <= rmin < rmax <= 1:
        raise ConfigError(
            f"the radii go from {rmin:g} to {rmax:g}", "choose 0 <= rmin < rmax <= 1 (1 is Nyquist)"
        )
    for name, value, least in (
        ("n_radii", n_radii, 10),
        ("n_gaussians", n_gaussians, 5),
        ("workers", 1 if workers is None else workers, 1),
    ):
        if not value >= least or value % 1:  # NaN and infinity too
            raise ConfigError(f"{name} is {value}", f"choose a whole number of at least {least}")
    if pixel_size_um is not None and not (isfinite(pixel_size_um) and pixel_size_um > 0):
        raise ConfigError(
            f"the pixel size is {pixel_size_um:g} micrometre", "give a positive length, or None"
        )


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
