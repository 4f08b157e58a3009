"""Image decorrelation analysis: the resolution of one image from its own spectrum.

The numbers are those of the authors' ImageJ plugin, whose releases differ by up to 13 %, so the release
that is followed has a name.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil, floor, isfinite
from typing import Literal, NamedTuple, get_args

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.imagej_blur import gaussian_blur
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.results import Result

Version = Literal["1.1.8-nocap", "1.1.8", "1.1.7-2019"]
Status = Literal["ok", "no-peak", "crash"]
Warnings = tuple[tuple[str, str], ...]
FloatArray = NDArray[np.float64]

RELIABLE_SIDE_PX = 64  # below, the taper leaves too little of the image
LARGEST_SIDE_PX = 16384  # of the padded square: about 5 GB
_TAPER_PX = 20
_SMALLEST_SIGMA_PX = 0.14
_LEAST_DROP = 0.001  # how far a curve must fall behind a maximum that is found by trimming its end
_CAP_1_1_8 = 0.5
_BLOCK_PIXELS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One decorrelation curve and its peak."""

    kind: Literal["unfiltered", "coarse", "refined"]
    sigma_px: float | None  # of the Gaussian that was taken off; None: nothing was, or the plugin had NaN
    radii: FloatArray = field(repr=False, compare=False)  # 1 is the Nyquist frequency
    values: FloatArray = field(repr=False, compare=False)  # NaN where the disc holds nothing
    peak_radius: float  # the curve's first radius when it has no peak
    peak_height: float  # 0 when it has no peak


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
        Threads; by default one for each processor this process may use. The numbers do not depend on it.

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
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(1)
    >>> specimen = 2000 * gaussian_filter((rng.random((128, 128)) > 0.98).astype(float), 1.5)
    >>> result = decorrelation_resolution(rng.poisson(specimen + 10), pixel_size_um=0.065)
    >>> result.status, 3 < result.resolution_px < 6
    ('ok', True)
    """
    _check_settings(pixel_size_um, version, rmin, rmax, n_radii, n_gaussians, workers)
    n_radii, n_gaussians = int(n_radii), int(n_gaussians)
    pixels = _single_precision(image)
    run = _Run(_pad(_taper(pixels)), version, n_radii, n_gaussians, workers or _processors())
    found = run.analyse(rmin, rmax)

    notes = []
    if min(pixels.shape) < RELIABLE_SIDE_PX:
        height, width = pixels.shape
        notes.append((
            f"the image is {height} x {width} pixels: below {RELIABLE_SIDE_PX} px the tapered border decides",
            "measure a larger field",
        ))  # fmt: skip
    status: Status = "ok"
    if found.kc is None:
        status = "crash"
        notes.append((
            f"the plugin 1.1.8 stops here: its second pass would go from radius {found.refined_from:.3f} to "
            f"{_CAP_1_1_8}",
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


def _check_settings(
    pixel_size_um: float | None,
    version: str,
    rmin: float,
    rmax: float,
    n_radii: int,
    n_gaussians: int,
    workers: int | None,
) -> None:
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


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ----------------------------------------------------------------------------------------------- the image


def _single_precision(image: ArrayLike) -> NDArray[np.float32]:
    checked = check_image(image)
    height, width = checked.shape
    side = _padded_side(checked.shape)
    if side > LARGEST_SIDE_PX:
        raise ImageError(
            f"the image is {height} x {width} pixels, it would be padded to {side} x {side}",
            f"crop it to sides of at most {LARGEST_SIDE_PX} px",
        )
    # a power of two changes no rounding, and keeps the squares of any unit finite
    pixels = np.ldexp(checked, -int(np.frexp(np.abs(checked).max())[1])).astype(np.float32)
    if pixels.min() == pixels.max():
        raise ImageError(
            f"the image is constant in single precision (every pixel is {checked.flat[0]:g})",
            "subtract its offset first",
        )
    return pixels


def _taper(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade the outermost 20 px into the mean of what lies outside the inner circle."""
    height, width = pixels.shape
    centre_y, centre_x = height // 2, width // 2
    from_centre_y, from_centre_x = np.arange(height) - centre_y, np.arange(width) - centre_x
    outside = (from_centre_x**2)[None, :] > (centre_x - _TAPER_PX) ** 2 - (from_centre_y**2)[:, None]
    if not outside.any():
        raise ImageError(
            f"the image is {height} x {width} pixels, too few for a border of {_TAPER_PX} px",
            f"use a larger field, at least {RELIABLE_SIDE_PX} x {RELIABLE_SIDE_PX} px",
        )
    border = pixels[outside].mean(dtype=np.float64).astype(np.float32)
    keep_y, keep_x = (
        (1 - np.cos(np.pi / _TAPER_PX * np.minimum(np.abs(np.abs(offset) - centre), _TAPER_PX))) / 2
        for offset, centre in ((from_centre_y, centre_y), (from_centre_x, centre_x))
    )
    result = pixels.copy()
    upper, middle, lower = _border_and_middle(height)
    left, _, right = _border_and_middle(width)
    for y, x in ((upper, slice(None)), (lower, slice(None)), (middle, left), (middle, right)):
        keep = np.minimum(keep_y[y, None], keep_x[x])
        result[y, x] = border + keep * (result[y, x] - np.float64(border))
    return result


def _border_and_middle(size: int) -> tuple[slice, slice, slice]:
    far = max(size - _TAPER_PX, _TAPER_PX)
    return slice(_TAPER_PX), slice(_TAPER_PX, far), slice(far, None)


def _padded_side(shape: tuple[int, int]) -> int:
    return 1 << (max(shape) - 1).bit_length()


def _pad(tapered: NDArray[np.float32]) -> NDArray[np.float32]:
    side = _padded_side(tapered.shape)
    height, width = tapered.shape
    if height == width == side:
        return tapered
    square = np.full((side, side), tapered[0, 0])  # the corner has become the border value
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = tapered
    return square


# ------------------------------------------------------------------------------------------------- a curve
# Spectra are those of rfft2: column u = 0 .. side/2, row v = 0 .. side/2-1, -side/2 .. -1. The amplitude at
# (u, v) also stands for (-u, -v). The plugin sums the rows above the centre and the centre row up to the
# centre: of each such pair the one with v < 0, or with u <= 0 on the row v = 0.


@dataclass(frozen=True, slots=True)
class _Sampling:
    """Which coefficients belong to which points of a curve; the same for all curves of a pass."""

    radii: FloatArray
    bins: NDArray[np.intp]  # (side, side/2 + 1): the first point that holds it; len(radii): none does
    cut_at: NDArray[np.intp]  # coefficients that a point, and only that point, leaves out
    cut_from: NDArray[np.intp]  # that point
    counts: NDArray[np.intp]  # of coefficients, by point

    @classmethod
    def create(
        cls, radii: FloatArray, bins: NDArray[np.intp], cut_at: ArrayLike = (), cut_from: ArrayLike = ()
    ) -> _Sampling:
        cut_at, cut_from = np.asarray(cut_at, np.intp), np.asarray(cut_from, np.intp)
        n_radii = len(radii)
        counts = np.bincount(bins.ravel(), minlength=n_radii + 1)[:n_radii].cumsum()
        return cls(radii, bins, cut_at, cut_from, counts - np.bincount(cut_from, minlength=n_radii))

    def curve(self, spectrum: NDArray[np.complexfloating], within: NDArray[np.float32]) -> FloatArray:
        """Return sqrt(2) sum|F| / sqrt(sum|F|^2 n) by point, with n the coefficients that are not 0."""
        n_radii = len(self.radii)
        sums = np.zeros(n_radii + 1)
        zeros = np.zeros(n_radii + 1, np.intp)
        energy = 0.0
        rows = max(1, _BLOCK_PIXELS // spectrum.shape[1])
        for top in range(0, len(spectrum), rows):
            part, bins = spectrum[top : top + rows], self.bins[top : top + rows]
            amplitudes = np.square(part.real)
            amplitudes += np.square(part.imag)
            energy += float(np.vdot(amplitudes, within[top : top + rows]))
            if not amplitudes.all():
                zeros += np.bincount(bins[amplitudes == 0], minlength=n_radii + 1)
            np.sqrt(amplitudes, out=amplitudes)
            sums += np.bincount(bins.ravel(), amplitudes.ravel(), n_radii + 1)
        cut = np.abs(spectrum.reshape(-1)[self.cut_at])
        summed = sums[:n_radii].cumsum() - np.bincount(self.cut_from, cut, n_radii)
        counts = self.counts - zeros[:n_radii].cumsum()
        counts += np.bincount(self.cut_from[cut == 0], minlength=n_radii)
        summed[counts == 0] = 0  # the difference of two equal sums need not be exactly that
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(2) * summed / np.sqrt(energy * counts))


def _radii(rmin: float, rmax: float, n_radii: int) -> FloatArray:
    return rmin + np.arange(n_radii) * (rmax - rmin) / (n_radii - 1)


def _frequencies(side: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the columns u, the rows v (upright), and which entries repeat another one."""
    u = np.arange(side // 2 + 1)
    v = np.fft.fftfreq(side, 1 / side).astype(np.int64)[:, None]
    return u, v, (v > 0) & ((u == 0) | (u == side // 2))


def _within_nyquist(side: int) -> NDArray[np.float32]:
    """Return how often each entry counts in a sum over the full disc below the Nyquist frequency."""
    u, v, repeats = _frequencies(side)
    weight = np.where(4 * (u**2 + v**2) < side**2, np.float32(2), np.float32(0))
    weight[repeats] = 0
    weight[0, 0] = 1
    return weight


def _box(side: int, radius: float) -> tuple[int, int]:
    """Return the lowest and the highest frequency index in the plugin's box around a disc."""
    first = floor(side * (1 - radius) / 2) - side // 2
    return first, first + floor(side * radius) - 1


def _rings(side: int, rmin: float, rmax: float, n_radii: int) -> _Sampling:
    """1.1.8: a ring about each radius, all cut to the box of the last."""
    u, v, repeats = _frequencies(side)
    rho = 2 * np.sqrt(u**2 + v**2) / side
    low, high = _box(side, rmax)
    summed_u, summed_v = np.where(v < 0, 1, -1) * u, -np.abs(v)
    held = (rho <= rmax) & ~repeats
    held &= (summed_u >= low) & (summed_u <= high) & (summed_v >= low) & (summed_v <= high)
    span = rmax - rmin
    position = (rho - rmin) / span * (n_radii - 1) + 0.5 if span else np.zeros_like(rho)
    position[~held] = n_radii
    # what lies below the first ring counts in it
    return _Sampling.create(
        _radii(rmin, rmax, n_radii), np.maximum(position, 0, out=position).astype(np.intp)
    )


def _discs(side: int, rmin: float, rmax: float, n_radii: int) -> _Sampling:
    """1.1.7: a disc for each radius, each cut to its own box."""
    u, v, repeats = _frequencies(side)
    radii = _radii(rmin, rmax, n_radii)
    squared = 4 * (u**2 + v**2) / side**2
    bins = np.searchsorted(radii**2, squared.ravel(), side="right").reshape(squared.shape)
    bins[repeats] = n_radii
    cut = [_outside_box(side, radius) for radius in radii.tolist()]
    return _Sampling.create(
        radii, bins, np.concatenate(cut), np.repeat(np.arange(n_radii), [len(indices) for indices in cut])
    )


def _outside_box(side: int, radius: float) -> NDArray[np.intp]:
    """Return the entries that a disc holds but its box does not: at most two columns, or tiny discs."""
    _, high = _box(side, radius)
    reach = min(ceil(side * radius / 2), side // 2 - 1)
    u = np.arange(high + 1 if high >= 0 else -reach, reach + 1)
    v = np.arange(-reach, 1)[:, None]
    lost = (4 * (u**2 + v**2) / side**2 < radius**2) & ((v < 0) | (u <= 0)) & ((u > high) | (v > high))
    row = np.where(u >= 0, v, -v) % side
    return np.asarray((row * (side // 2 + 1) + np.abs(u))[lost], dtype=np.intp)


def _peak(values: FloatArray) -> tuple[int, float]:
    """Return the index and the height of a curve's peak; height 0 when there is none.

    A maximum before the end is taken as it is. At the end the curve is trimmed until a maximum appears
    behind which it falls by more than 0.001.
    """
    curve = np.where(np.isnan(values), -np.inf, values)  # NaN wins no comparison
    best = int(np.argmax(curve))
    if best < len(curve) - 1:
        return best, max(float(curve[best]), 0.0)  # all NaN: nothing, at the first point
    for live in range(len(curve) - 1, 0, -1):
        curve[live] = 0  # the plugin looks for the maximum among these zeros too
        best = int(np.argmax(curve))
        behind = curve[best : live - 1]
        behind = behind[np.isfinite(behind)]
        lowest = behind.min() if behind.size else curve[best]
        if curve[best] - lowest > _LEAST_DROP:
            return best, float(curve[best])
        curve[best] = lowest
    return 0, 0.0


# ----------------------------------------------------------------------------------------------- both passes


class _Candidate(NamedTuple):
    kc: float
    height: float
    number: int  # among the candidates


class _Found(NamedTuple):
    kc: float | None  # None: the plugin crashed
    kc_gm: float | None
    kc0: float
    refined_from: float
    curves: list[Curve]


def _winners(candidates: Sequence[tuple[float, float]]) -> tuple[_Candidate, _Candidate]:
    """Return the candidate of the largest kc times height and that of the largest kc; the first of equals."""
    by_both = by_kc = _Candidate(0.0, 0.0, 0)
    for number, (kc, height) in enumerate(candidates):
        if kc * height > by_both.kc * by_both.height:
            by_both = _Candidate(kc, height, number)
        if kc > by_kc.kc:
            by_kc = _Candidate(kc, height, number)
    return by_both, by_kc


def _spaced(first: float, last: float, count: int, index: int) -> float:
    return float(first * (last / first) ** (index / (count - 1)))


class _Run:
    """The two passes over one padded image."""

    def __init__(
        self, square: NDArray[np.float32], version: Version, n_radii: int, n_gaussians: int, workers: int
    ) -> None:
        self.square, self.side, self.version = square, len(square), version
        self.n_radii, self.n_gaussians, self.workers = n_radii, n_gaussians, workers
        self.within = _within_nyquist(self.side)

    def analyse(self, rmin: float, rmax: float) -> _Found:
        coarse_sampling = self.sampling(rmin, rmax)
        old = self.version == "1.1.7-2019"
        first, index0 = self.unfiltered(self.sampling(0.0, 1.0) if old else coarse_sampling)
        kc0 = index0 / (self.n_radii - 1)  # whatever the range: so does the plugin
        widest = 2 / kc0 if kc0 else self.side / 2
        sigmas = [
            _spaced(_SMALLEST_SIGMA_PX, widest, self.n_gaussians, k) for k in range(-1, self.n_gaussians)
        ]
        coarse = self.filtered("coarse", sigmas[1:], coarse_sampling)
        peaks = [(curve.peak_radius, curve.peak_height) for curve in coarse]
        unfiltered_peak = (rmin + kc0 * (rmax - rmin), first.peak_height)
        by_both, by_kc = _winners([*peaks, unfiltered_peak])

        low, high = sorted((by_both.kc, by_kc.kc))
        refined_rmin = max(rmin, low - 0.05)
        refined_rmax = _CAP_1_1_8 if self.version == "1.1.8" else min(rmax, high + 0.3)
        if refined_rmin > refined_rmax:
            return _Found(None, None, kc0, refined_rmin, [first, *coarse])
        weakest, strongest = sorted((by_both.number, by_kc.number))
        refined_sigmas: list[float | None]
        if strongest == self.n_gaussians:  # the unfiltered curve won: the plugin's sigmas become NaN
            refined_sigmas = [None] * self.n_gaussians
        else:
            ends = sigmas[weakest], sigmas[strongest + 1]  # sigmas[0] is one step below the first filter
            refined_sigmas = [_spaced(*ends, self.n_gaussians, k) for k in range(self.n_gaussians)]
        refined = self.filtered("refined", refined_sigmas, self.sampling(refined_rmin, refined_rmax))
        refined_peaks = [(curve.peak_radius, curve.peak_height) for curve in refined]
        by_both, by_kc = _winners(refined_peaks if old else peaks + refined_peaks)
        return _Found(by_kc.kc, by_both.kc, kc0, refined_rmin, [first, *coarse, *refined])

    def sampling(self, rmin: float, rmax: float) -> _Sampling:
        sample = _discs if self.version == "1.1.7-2019" else _rings
        return sample(self.side, rmin, rmax, self.n_radii)

    def unfiltered(self, sampling: _Sampling) -> tuple[Curve, int]:
        # double precision: the height of this peak is reported
        spectrum = scipy.fft.rfft2(self.square.astype(np.float64), workers=self.workers, overwrite_x=True)
        spectrum[0, 0] = 0
        return self.curve("unfiltered", None, sampling, spectrum)

    def filtered(
        self, kind: Literal["coarse", "refined"], sigmas: Sequence[float | None], sampling: _Sampling
    ) -> list[Curve]:
        def one(sigma_px: float | None) -> Curve:
            if sigma_px is None:
                spectrum = np.zeros((self.side, self.side // 2 + 1), np.complex64)
            else:
                rest = gaussian_blur(self.square, sigma_px)
                np.subtract(self.square, rest, out=rest)
                spectrum = scipy.fft.rfft2(rest, overwrite_x=True)
            return self.curve(kind, sigma_px, sampling, spectrum)[0]

        # the widest filters take longest: first, so that no thread ends up alone with one
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(one, reversed(sigmas)))[::-1]

    def curve(
        self,
        kind: Literal["unfiltered", "coarse", "refined"],
        sigma_px: float | None,
        sampling: _Sampling,
        spectrum: NDArray[np.complexfloating],
    ) -> tuple[Curve, int]:
        values = sampling.curve(spectrum, self.within)
        if np.isnan(values[0]):
            values[0] = 0
        index, height = _peak(values)
        curve = Curve(
            kind=kind,
            sigma_px=sigma_px,
            radii=sampling.radii,
            values=values,
            peak_radius=float(sampling.radii[index]),
            peak_height=height,
        )
        return curve, index
