"""RSE and RSP as the method describes them: one fit of gain, offset, blur and shift, without approximations.

For each blur and shift, gain and offset are a straight-line fit; blur and shift are found by
Levenberg-Marquardt steps with exact derivatives, from the best of a grid of sigmas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, exp

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.inputs import FloatImage
from dlsim_ij.quality.registration import covered
from dlsim_ij.quality.rsf import (
    PRODUCTS_AT_A_TIME,
    apply_weights,
    block_means,
    gaussian_weights,
    small_products,
)
from dlsim_ij.quality.squirrel_result import Measured

SIGMA_MAX_PX = 10.0  # reference pixels, as in the original
SIGMA_MIN_SR_PX = 0.1  # pixels of the image: below it the blur is none at all
MIN_SIDE_PX = 8  # of the reference; the fit has five unknowns and the blur needs surroundings
MIN_SCORED_PX = 64
NO_SHIFT_SR_PX = 0.05  # a shorter shift is not told from none
_GRID = 48  # values of sigma for the start
_MASKED_GRID = 20
_MOST_STEPS = 60
_CHANCE = 30  # times 1 / pixels: gain in squared correlation that the best of all shifts finds in noise
_STRIP_PX = 32  # rows of the reference at a time
_SETTLED = 1e-6  # of log sigma, and of a reference pixel: the step after it would be far shorter

Slices = tuple[slice, slice]


@dataclass(frozen=True)
class _Pair:
    """Reference and image, each of range 1 about a mean near 0, and which reference pixels count."""

    reference: FloatImage  # (Y, X)
    image: FloatImage  # (factor Y, factor X)
    factor: int
    weights: FloatImage | None  # (Y, X) of 0 and 1; None: all count

    def cropped(self, crop: Slices) -> _Pair:
        fine = tuple(slice(self.factor * part.start, self.factor * part.stop) for part in crop)
        weights = None if self.weights is None else self.weights[crop]
        return _Pair(self.reference[crop], self.image[fine], self.factor, weights)

    def scoring_only(self, part: Slices) -> _Pair:
        """Count only `part`, but blur with all there is."""
        chosen = np.zeros(self.reference.shape)
        chosen[part] = 1 if self.weights is None else self.weights[part]
        return self if chosen.all() else replace(self, weights=chosen)


@dataclass(frozen=True)
class _Fit:
    alpha: float
    beta: float
    sigma_px: float  # reference pixels
    shift: tuple[float, float]  # y, x; reference pixels
    rsp: float
    residual: FloatImage  # (Y, X); NaN: not scored


def exact_fit(
    reference: FloatImage,
    image: FloatImage,
    factor: int,
    *,
    weights: FloatImage | None,
    sigma_px: float | None,
    register: bool,
    crop_zero_border: bool,
) -> Measured:
    """Fit and score two images; both are overwritten.

    Parameters
    ----------
    reference : (Y, X) ndarray of float64
    image : (factor Y, factor X) ndarray of float64
    factor : int
    weights : (Y, X) ndarray of float64 or None
        1 for the reference pixels that count, 0 for others.
    sigma_px : float or None
        Known blur in reference pixels.
    register, crop_zero_border : bool
        As in :func:`dlsim_ij.quality.rse_rsp`.
    """
    # so that no offset costs digits
    target_mean, target_scale = _normalise(reference)
    image_mean, image_scale = _normalise(image)
    sigma_range = sigma_bounds_px(factor) if sigma_px is None else (sigma_px, sigma_px)
    fit, crop = _fit_and_crop(
        _Pair(reference, image, factor, weights), sigma_range, register, crop_zero_border
    )
    alpha = fit.alpha * target_scale / image_scale
    residual = fit.residual
    residual *= target_scale
    signed = np.full(reference.shape, np.nan, np.float32)
    signed[crop] = residual
    scored = np.isfinite(residual)
    count = int(np.count_nonzero(scored))
    residual[~scored] = 0
    rse = float(np.sqrt(np.einsum("yx,yx->", residual, residual) / count))
    return Measured(
        rsp=fit.rsp,
        rse=rse,
        fit_rms=rse,
        alpha=alpha,
        beta=target_mean + target_scale * fit.beta - alpha * image_mean,
        sigma_px=fit.sigma_px,
        shift_px=(factor * fit.shift[0], factor * fit.shift[1]),
        crop=crop,
        scored_px=count,
        signed_map=signed if factor == 1 else signed.repeat(factor, axis=0).repeat(factor, axis=1),
    )


def sigma_bounds_px(factor: int) -> tuple[float, float]:
    """Return the smallest and the largest sigma that is tried, in reference pixels."""
    return SIGMA_MIN_SR_PX / factor, SIGMA_MAX_PX


def _normalise(image: FloatImage) -> tuple[float, float]:
    """Give the image mean 0 and range 1; return what they were."""
    mean, scale = float(image.mean()), float(np.ptp(image))
    image -= mean
    image /= scale
    return mean, scale


def _fit_and_crop(
    pair: _Pair, sigma_range: tuple[float, float], register: bool, crop_zero_border: bool
) -> tuple[_Fit, Slices]:
    whole = (slice(0, pair.reference.shape[0]), slice(0, pair.reference.shape[1]))
    inner = _constant_border(pair.image, pair.factor) if crop_zero_border else whole
    if inner == whole or min(part.stop - part.start for part in inner) < MIN_SIDE_PX:
        return _fit(pair, sigma_range, register), whole
    missing = pair.cropped(inner)
    if not _can_be_scored(missing):
        return _fit(pair, sigma_range, register), whole
    # what the missing pixels would have blurred into is not known either
    sigma_px = _Model.at(missing, (0, 0), sigma_range).settled().sigma_px
    known = []
    for part, all_of_it in zip(inner, whole, strict=True):
        side = part.stop - part.start
        margin = _margin(sigma_px, side)
        last = side - (margin if part.stop < all_of_it.stop else 0)
        known.append(slice(margin if part.start else 0, last))
    certain = missing.scoring_only((known[0], known[1]))
    as_missing = _fit(certain if _can_be_scored(certain) else missing, sigma_range, register, sigma_px)
    as_dark = _fit(pair, sigma_range, register)
    # Missing or dark? A dark border explains the reference there as well as the image does elsewhere.
    border = as_dark.residual.copy()
    border[inner] = np.nan
    counted = border[np.isfinite(border)]
    elsewhere = as_missing.residual[np.isfinite(as_missing.residual)]
    if counted.size and np.mean(counted**2) > 1.5 * np.mean(elsewhere**2) + 1e-9:
        return as_missing, inner
    return as_dark, whole


def _constant_border(image: FloatImage, factor: int) -> Slices:
    """Return the part of the reference inside the rows and columns that hold one value only."""

    def count(lines: FloatImage) -> int:
        varied = (lines != lines[0, 0]).any(axis=1)
        return -(-int(np.argmax(varied)) // factor)

    height, width = (side // factor for side in image.shape)
    return (
        slice(count(image), height - count(image[::-1])),
        slice(count(image.T), width - count(image.T[::-1])),
    )


def _margin(sigma_px: float, side: int) -> int:
    """Return how many reference pixels a blur reaches, or what a small field can spare."""
    return min(ceil(3 * sigma_px), side // 6)


def _can_be_scored(pair: _Pair) -> bool:
    reference = pair.reference if pair.weights is None else pair.reference[pair.weights > 0]
    return reference.size >= MIN_SCORED_PX and bool(np.ptp(reference) > 0)


def _fit(
    pair: _Pair, sigma_range: tuple[float, float], register: bool, sigma_px: float | None = None
) -> _Fit:
    if not _can_be_scored(pair):
        raise ImageError("the reference is constant where it is to be scored", "choose a larger mask")
    model = _Model.at(pair, (0, 0), sigma_range, sigma_px).settled()
    if not register:
        return model.result()
    start = _coarse_shift(pair)
    if start != (0, 0) and _can_be_scored(pair.scoring_only(covered(pair.reference.shape, *start))):
        moved = _registered(pair, start, sigma_range)
        # Among thousands of shifts the best explains some noise: by how much it is better has to exceed that.
        if moved.rsp > 0 and moved.rsp**2 - model.rsp**2 > _CHANCE / moved.pixels:
            return moved.result()
    if model.is_moved():
        model = _registered(pair, (0, 0), sigma_range, model.sigma_px)
    return model.result()


def _registered(
    pair: _Pair, start: tuple[float, float], sigma_range: tuple[float, float], sigma_px: float | None = None
) -> _Model:
    """Fit shift and sigma, then again on the pixels that the moved image determines."""
    part = covered(pair.reference.shape, *start)
    model = _Model.at(pair.scoring_only(part), start, sigma_range, sigma_px).settled(shift=True)
    for _ in range(2):
        inside = pair.scoring_only(_determined(model))
        if not _can_be_scored(inside):
            break
        model = _Model.at(inside, model.shift, sigma_range, model.sigma_px).settled(shift=True)
    return model


def _determined(model: _Model) -> Slices:
    """Return the pixels whose blur sees none of what lies beyond the border of the moved image.

    That is unknown on the side where the image moved in; on the other side it is whatever registration by
    other means left there.
    """
    parts = []
    shape = model.pair.reference.shape
    for side, shift, part in zip(shape, model.shift, covered(shape, *model.shift), strict=True):
        moved = abs(shift) * model.pair.factor >= 0.5
        margin = _margin(model.sigma_px, side) if moved else 0
        parts.append(slice(part.start + margin, part.stop - margin))
    return parts[0], parts[1]


def _coarse_shift(pair: _Pair) -> tuple[int, int]:
    """Return the whole reference pixels, less than a quarter of the field, that correlate best."""
    # float32 will do for whole pixels
    reference = pair.reference.astype(np.float32)
    reference -= np.float32(np.average(pair.reference, weights=pair.weights))
    if pair.weights is not None:
        reference *= pair.weights
    image = block_means(pair.image, pair.factor).astype(np.float32)
    image -= image.mean()
    shape = [scipy.fft.next_fast_len(side + side // 4, real=True) for side in reference.shape]
    spectrum = scipy.fft.rfft2(image, shape)
    del image
    np.conj(spectrum, out=spectrum)
    spectrum *= scipy.fft.rfft2(reference, shape)
    del reference
    surface = scipy.fft.irfft2(spectrum, shape, overwrite_x=True)
    near = [max(1, side // 4 - 1) for side in pair.reference.shape]
    rows, columns = (np.arange(-most, most + 1) for most in near)
    surface = surface[np.ix_(rows, columns)]
    y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
    # next to the middle the fit finds its own way
    if max(abs(rows[y]), abs(columns[x])) <= 1:
        return 0, 0
    return int(rows[y]), int(columns[x])


def _coarse_sigma(pair: _Pair, shift: tuple[float, float], sigma_range: tuple[float, float]) -> float:
    """Return the best of a logarithmic grid of sigmas, on the pixels of the reference."""
    image = block_means(pair.image, pair.factor)
    if pair.weights is not None:
        grid = np.geomspace(*sigma_range, _MASKED_GRID)
        small = replace(pair, image=image, factor=1)
        costs = [_Model(small, float(sigma), shift, sigma_range).evaluated(0).cost for sigma in grid]
        return float(grid[int(np.argmin(costs))])
    # With mirrored borders a blur is a product in the cosine transform, so no blurred image is needed. The
    # true borders are repeated pixels, and the sums are float32; for a start that is near enough.
    grid = np.geomspace(*sigma_range, _GRID)
    spectrum = scipy.fft.dctn(image.astype(np.float32), norm="ortho", overwrite_x=True)
    target = scipy.fft.dctn(pair.reference.astype(np.float32), norm="ortho", overwrite_x=True)
    spectrum[0, 0] = target[0, 0] = 0  # the mean values, which beta takes up
    rows = _responses(grid, image.shape[0])
    columns = rows if image.shape[0] == image.shape[1] else _responses(grid, image.shape[1])
    target *= spectrum
    spectrum *= spectrum
    power = np.einsum("sy,sy->s", rows**2, small_products(columns**2, spectrum.T))
    product = np.einsum("sy,sy->s", rows, small_products(columns, target.T))
    gained = np.divide(product**2, power, out=np.zeros_like(power), where=power > 0)
    return float(grid[int(np.argmax(gained))])


def _responses(sigmas_px: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Return the cosine transforms of the blurs, (sigma, frequency)."""
    angle = np.pi * np.arange(length) / length
    responses = np.empty((len(sigmas_px), length), np.float32)
    for response, sigma in zip(responses, sigmas_px.tolist(), strict=True):
        if sigma < 0.5:
            values = gaussian_weights(sigma).values
            middle = len(values) // 2
            cosines = np.cos(np.outer(angle, np.arange(1, middle + 1)))
            response[:] = values[middle] + 2 * cosines @ values[middle + 1 :]
        else:  # the continuous transform and its nearest copies, which sampling adds
            copies = angle + 2 * np.pi * np.array([[-1], [0], [1]])
            response[:] = (np.exp(-0.5 * (sigma * copies) ** 2) * np.sinc(copies / (2 * np.pi))).sum(axis=0)
    return responses


class _Model:
    """The image blurred by one sigma and moved by one shift, and the line from it to the reference."""

    def __init__(
        self, pair: _Pair, sigma_px: float, shift: tuple[float, float], sigma_range: tuple[float, float]
    ) -> None:
        self.pair, self.sigma_px, self.shift, self.sigma_range = pair, sigma_px, shift, sigma_range

    @classmethod
    def at(
        cls,
        pair: _Pair,
        shift: tuple[float, float],
        sigma_range: tuple[float, float],
        sigma_px: float | None = None,
    ) -> _Model:
        if sigma_range[0] == sigma_range[1]:
            sigma_px = sigma_range[0]
        return cls(pair, sigma_px or _coarse_sigma(pair, shift, sigma_range), shift, sigma_range)

    def _strips(self, derivatives: int) -> Iterator[tuple[slice, list[FloatImage]]]:
        """Yield rows of the blurred image: full-size arrays of each derivative would cost most of the memory.

        `derivatives` 1 adds the one by log sigma, 3 those by the shifts in y and x, too.
        """
        factor = self.pair.factor
        y, x = (gaussian_weights(self.sigma_px * factor, factor * shift, factor) for shift in self.shift)
        kernels_y, kernels_x = (
            [w.values, w.by_log_sigma, factor * w.by_shift][: min(derivatives + 1, 3)] for w in (y, x)
        )
        height = len(self.pair.reference)
        for begin in range(0, height, _STRIP_PX):
            rows = range(begin, min(begin + _STRIP_PX, height))
            along_y = apply_weights(self.pair.image, y, kernels_y, rows)
            blurred, *by_x = (part.T for part in apply_weights(along_y[0].T, x, kernels_x))
            by_y = [apply_weights(part.T, x, [x.values])[0].T for part in along_y[1:]]
            fields = [blurred]
            if derivatives:
                fields.append(by_y[0] + by_x[0])
            yield slice(rows.start, rows.stop), [*fields, *by_y[1:], *by_x[1:]]

    def evaluated(self, derivatives: int) -> _Model:
        """Take all sums over pixels that the straight line and the next step need."""
        weights = self.pair.weights
        count, sums, gram = 0, np.zeros(derivatives + 2), np.zeros((derivatives + 2, derivatives + 2))
        for rows, fields in self._strips(derivatives):
            table = np.stack([part.ravel() for part in [*fields, self.pair.reference[rows]]])
            if weights is not None:
                table = table[:, weights[rows].ravel() > 0]
            count += table.shape[1]
            sums += table.sum(axis=1)
            step = PRODUCTS_AT_A_TIME // len(table) ** 2
            for first in range(0, table.shape[1], step):
                part = table[:, first : first + step]
                gram += part @ part.T
        means = sums / count
        gram -= count * np.outer(means, means)  # little is lost: both images have means near 0
        power, product, total = gram[0, 0], gram[0, -1], gram[-1, -1]
        self.pixels, self.total = count, float(total)
        self.alpha = float(product / power) if power > 0 else 0.0
        self.beta = float(means[-1] - self.alpha * means[0])
        self.rsp = float(np.clip(product / np.sqrt(power * total), -1, 1)) if power > 0 else 0.0
        self.cost = float(max(total - self.alpha * product, 0.0))
        # the derivatives, less what a change of alpha and beta can do as well
        inner, along = gram[1:-1, 1:-1], gram[0, 1:-1]
        self.hessian = self.alpha**2 * (inner - np.outer(along, along) / power) if power > 0 else 0 * inner
        self.gradient = self.alpha * (gram[1:-1, -1] - self.alpha * along)
        return self

    def settled(self, *, shift: bool = False) -> _Model:
        """Return the best model near this one (Levenberg-Marquardt; alpha and beta are solved for each)."""
        free_sigma = self.sigma_range[0] < self.sigma_range[1]
        if not (free_sigma or shift):
            return self.evaluated(0)
        active = np.array([free_sigma, shift, shift])[: 3 if shift else 1]
        best = self.evaluated(3 if shift else 1)
        damping = 1e-6
        for _ in range(_MOST_STEPS):
            hessian = best.hessian[np.ix_(active, active)]
            lifted = hessian + np.diag(damping * np.diag(hessian) + 1e-14 * best.total)
            step = np.zeros(len(active))
            step[active] = np.linalg.solve(lifted, best.gradient[active])
            step = np.clip(step, -0.5, 0.5)
            trial = best._moved(step).evaluated(3 if shift else 1)
            if trial.cost <= best.cost * (1 + 1e-12) + 1e-15 * best.total:
                change = np.abs(step).max()
                best, damping = trial, max(damping / 10, 1e-9)
                if change < _SETTLED:
                    break
            else:
                damping = max(10 * damping, 1e-3)
                if damping > 1e8:
                    break
        return best

    def _moved(self, step: NDArray[np.float64]) -> _Model:
        low, high = self.sigma_range
        sigma_px = self.sigma_px if low == high else min(max(self.sigma_px * exp(step[0]), low), high)
        shift = self.shift if len(step) == 1 else (self.shift[0] + step[1], self.shift[1] + step[2])
        return _Model(self.pair, sigma_px, shift, self.sigma_range)

    def is_moved(self) -> bool:
        """Tell whether a shift that is longer than its uncertainty would bring the image closer."""
        self.evaluated(3)
        hessian = self.hessian[1:, 1:] + 1e-14 * self.total * np.eye(2)
        step = np.linalg.solve(hessian, self.gradient[1:])
        variance = np.diag(np.linalg.inv(hessian)) * self.cost / max(self.pixels - 5, 1)
        least = np.maximum(NO_SHIFT_SR_PX / self.pair.factor, 3 * np.sqrt(variance))
        return bool((np.abs(step) > least).any())

    def result(self) -> _Fit:
        residual = self.pair.reference - self.beta
        for rows, (blurred,) in self._strips(derivatives=0):
            residual[rows] -= self.alpha * blurred
        if self.pair.weights is not None:
            residual[self.pair.weights == 0] = np.nan
        return _Fit(
            self.alpha,
            self.beta,
            self.sigma_px,
            (float(self.shift[0]), float(self.shift[1])),
            self.rsp,
            residual,
        )
