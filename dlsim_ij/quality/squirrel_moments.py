"""The error of the published plugin's fit as a function of alpha, beta and sigma, at almost no cost.

For a given sigma the squared error is a quadratic form of alpha and beta, so the mean, the variance and the
covariance of the blurred image tell it for all of them. As functions of sigma these three are smooth except
where the plugin's kernel gains taps, at whole numbers of image pixels; between these they are interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, inf, sqrt

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.quality.rsf import Weights, apply_weights

FloatImage = NDArray[np.floating]
BoolImage = NDArray[np.bool_]

_STRIP_PX = 32  # rows of the reference at a time
_SINGLE_VISITS = 3  # of a stretch of sigma, before it is worth a table
_TABLES_FROM_PX = 0.25  # below, the kernel changes with any power of sigma
_DEGREES = (9, 11, 9, 8, 6, 6, 6, 6)  # of the polynomial in [n, n + 1]
_DEGREE = 4  # further on


def cut_off_weights(sigma_px: float, factor: int = 1) -> Weights:
    """Return the plugin's kernel: a pixel-integrated Gaussian that ends at three whole sigmas.

    Parameters
    ----------
    sigma_px : float
        In image pixels.
    factor : int
        Image pixels per reference pixel, over which the blurred image is averaged.

    Notes
    -----
    Its error function is the approximation 7.1.26 of Abramowitz and Stegun, good to 1.5e-7.
    """
    reach = max(3 * floor(sigma_px), 1)
    border = (np.arange(-reach, reach + 2, dtype=np.float64) - 0.5) / (sqrt(2) * sigma_px)
    values = np.diff(_error_function(border))
    values /= values.sum()
    values = np.convolve(values, np.ones(factor) / factor)
    nothing = np.zeros(0)
    return Weights(-reach, factor, values, nothing, nothing)


def _error_function(x: NDArray[np.float64]) -> NDArray[np.float64]:
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * np.where(np.abs(x) > 4, 1.0, 1 - series * np.exp(-x * x))


class FitError:
    """Root mean square difference of the reference and the image, blurred, scaled and averaged.

    Parameters
    ----------
    reference : (Y, X) ndarray
    image : (factor Y, factor X) ndarray
    factor : int
    mask : (Y, X) ndarray of bool, optional
        Reference pixels that count.
    """

    def __init__(
        self, reference: FloatImage, image: FloatImage, factor: int, mask: BoolImage | None = None
    ) -> None:
        self._reference, self._image, self._factor, self._mask = reference, image, factor, mask
        counted = reference if mask is None else reference[mask]
        self.reference_mean = float(counted.mean(dtype=np.float64))
        self.reference_variance = float(counted.var(dtype=np.float64))
        self._count = counted.size
        self._origin = float(image.mean(dtype=np.float64))
        self._known: dict[float, tuple[float, float, float]] = {}
        self._visits: dict[int, int] = {}
        self._tables: dict[int, _Table] = {}

    def __call__(self, alpha: float, beta: float, sigma_px: float) -> float:
        """Return the error; sigma in reference pixels.

        A particle that bounced off one bound of sigma may have flown past the other, even below 0, where the
        plugin's kernel has three taps.
        """
        if sigma_px == 0:
            return inf
        mean, variance, covariance = self.moments(float(np.float32(sigma_px * self._factor)))
        offset = alpha * mean + beta - self.reference_mean
        squares = alpha * (alpha * variance - 2 * covariance) + self.reference_variance + offset * offset
        return sqrt(max(squares, 0.0))

    def moments(self, sigma_px: float) -> tuple[float, float, float]:
        """Return mean and variance of the blurred image and its covariance with the reference.

        Sigma is in pixels of the image.
        """
        stretch = floor(sigma_px)
        if sigma_px < _TABLES_FROM_PX or stretch not in self._tables:
            if sigma_px in self._known:
                return self._known[sigma_px]
            self._visits[stretch] = self._visits.get(stretch, 0) + 1
            if sigma_px < _TABLES_FROM_PX or self._visits[stretch] <= _SINGLE_VISITS:
                mean, variance, covariance = self._measured([sigma_px])[0].tolist()
                self._known[sigma_px] = mean, variance, covariance
                return self._known[sigma_px]
            self._tables[stretch] = self._table(stretch)
        return self._tables[stretch].at(sigma_px)

    def _table(self, stretch: int) -> _Table:
        low = max(float(stretch), _TABLES_FROM_PX)
        degree = _DEGREES[stretch] if stretch < len(_DEGREES) else _DEGREE
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        values = self._measured([low + (stretch + 1 - low) * (node + 1) / 2 for node in nodes.tolist()])
        # on these nodes the coefficients are a sum of cosines
        cosines = np.cos(np.outer(np.arange(degree + 1), np.arccos(nodes)))
        coefficients = 2 / (degree + 1) * cosines @ values
        coefficients[0] /= 2
        return _Table(low, float(stretch + 1), coefficients)

    def _measured(self, sigmas_px: Sequence[float]) -> NDArray[np.float64]:
        """Blur with each of `sigmas_px`, whose kernels have the same length; (sigma, moment)."""
        weights = [cut_off_weights(sigma, self._factor) for sigma in sigmas_px]
        kernels = [w.values for w in weights]
        sums = np.zeros((len(weights), 3))
        height = len(self._reference)
        for begin in range(0, height, _STRIP_PX):
            rows = range(begin, min(begin + _STRIP_PX, height))
            strip = slice(rows.start, rows.stop)
            centred = np.subtract(self._reference[strip], self.reference_mean, dtype=np.float64)
            mask = None if self._mask is None else self._mask[strip]
            target = centred.ravel() if mask is None else centred[mask]
            for total, kernel, part in zip(
                sums, kernels, apply_weights(self._image, weights[0], kernels, rows), strict=True
            ):
                blurred = apply_weights(part.T, weights[0], [kernel])[0].T
                blurred -= self._origin
                values = blurred.ravel() if mask is None else blurred[mask]
                total += values.sum(), _dot(values, values), _dot(values, target)
        mean, square, product = sums.T / self._count
        # the reference is centred, so the product is a covariance already
        return np.stack([mean + self._origin, square - mean**2, product], axis=1)


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum the products on this thread; a longer ``np.vdot`` deals them out."""
    return float(np.einsum("i,i->", a, b))


class _Table:
    """Three functions of sigma on one stretch, as Chebyshev series."""

    def __init__(self, low: float, high: float, coefficients: NDArray[np.float64]) -> None:
        self._low, self._span = low, high - low
        self._series: list[list[float]] = coefficients.T.tolist()

    def at(self, sigma_px: float) -> tuple[float, float, float]:
        x = 2 * (sigma_px - self._low) / self._span - 1
        mean, variance, covariance = (_chebyshev(series, x) for series in self._series)
        return mean, variance, covariance


def _chebyshev(series: list[float], x: float) -> float:
    """Sum a Chebyshev series (Clenshaw)."""
    this = following = 0.0
    for coefficient in reversed(series[1:]):
        this, following = coefficient + 2 * x * this - following, this
    return series[0] + x * this - following
