"""The image blurred by one sigma, moved by one shift, and scaled by a straight line to meet the reference.

From a start the model walks to the best one near it, by Levenberg-Marquardt steps with exact derivatives;
without a known sigma it starts from the best of a grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.quality.inputs import FloatImage
from dlsim_ij.quality.rsf import (
    PRODUCTS_AT_A_TIME,
    apply_weights,
    block_means,
    gaussian_weights,
    small_products,
)
from dlsim_ij.quality.squirrel_result import Slices

_NO_SHIFT_SR_PX = 0.05  # a shorter shift is not told from none
_GRID = 48  # values of sigma for the start
_MASKED_GRID = 20
_MOST_STEPS = 60
_STRIP_PX = 32  # rows of the reference at a time
_SETTLED = 1e-6  # of log sigma, and of a reference pixel: the step after it would be far shorter


@dataclass(frozen=True)
class Pair:
    """Reference and image, each of range 1 about a mean near 0, and which reference pixels count."""

    reference: FloatImage  # (Y, X)
    image: FloatImage  # (factor Y, factor X)
    factor: int
    weights: FloatImage | None  # (Y, X) of 0 and 1; None: all count

    def cropped(self, crop: Slices) -> Pair:
        """Cut both images down to this part of the reference."""
        fine = tuple(slice(self.factor * part.start, self.factor * part.stop) for part in crop)
        weights = None if self.weights is None else self.weights[crop]
        return Pair(self.reference[crop], self.image[fine], self.factor, weights)

    def scoring_only(self, part: Slices) -> Pair:
        """Count only `part`, but blur with all there is."""
        chosen = np.zeros(self.reference.shape)
        chosen[part] = 1 if self.weights is None else self.weights[part]
        return self if chosen.all() else replace(self, weights=chosen)


@dataclass(frozen=True)
class Fit:
    """What the best model says, and what it leaves over; in the units of the :class:`Pair`."""

    alpha: float
    beta: float
    sigma_px: float  # reference pixels
    shift: tuple[float, float]  # y, x; reference pixels
    rsp: float
    residual: FloatImage  # (Y, X); NaN: not scored


class Model:
    """The image blurred by one sigma and moved by one shift, and the line from it to the reference."""

    def __init__(
        self, pair: Pair, sigma_px: float, shift: tuple[float, float], sigma_range: tuple[float, float]
    ) -> None:
        self.pair, self.sigma_px, self.shift, self.sigma_range = pair, sigma_px, shift, sigma_range

    @classmethod
    def at(
        cls,
        pair: Pair,
        shift: tuple[float, float],
        sigma_range: tuple[float, float],
        sigma_px: float | None = None,
    ) -> Model:
        """Return a model to start from, at the best of a grid of sigmas if none is given."""
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

    def evaluated(self, derivatives: int) -> Model:
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

    def settled(self, *, shift: bool = False) -> Model:
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

    def _moved(self, step: NDArray[np.float64]) -> Model:
        low, high = self.sigma_range
        sigma_px = self.sigma_px if low == high else min(max(self.sigma_px * exp(step[0]), low), high)
        shift = self.shift if len(step) == 1 else (self.shift[0] + step[1], self.shift[1] + step[2])
        return Model(self.pair, sigma_px, shift, self.sigma_range)

    def is_moved(self) -> bool:
        """Tell whether a shift that is longer than its uncertainty would bring the image closer."""
        self.evaluated(3)
        hessian = self.hessian[1:, 1:] + 1e-14 * self.total * np.eye(2)
        step = np.linalg.solve(hessian, self.gradient[1:])
        variance = np.diag(np.linalg.inv(hessian)) * self.cost / max(self.pixels - 5, 1)
        least = np.maximum(_NO_SHIFT_SR_PX / self.pair.factor, 3 * np.sqrt(variance))
        return bool((np.abs(step) > least).any())

    def result(self) -> Fit:
        """Return the numbers of an evaluated model, and reference minus model."""
        residual = self.pair.reference - self.beta
        for rows, (blurred,) in self._strips(derivatives=0):
            residual[rows] -= self.alpha * blurred
        if self.pair.weights is not None:
            residual[self.pair.weights == 0] = np.nan
        return Fit(
            self.alpha,
            self.beta,
            self.sigma_px,
            (float(self.shift[0]), float(self.shift[1])),
            self.rsp,
            residual,
        )


def _coarse_sigma(pair: Pair, shift: tuple[float, float], sigma_range: tuple[float, float]) -> float:
    """Return the best of a logarithmic grid of sigmas, on the pixels of the reference."""
    image = block_means(pair.image, pair.factor)
    if pair.weights is not None:
        grid = np.geomspace(*sigma_range, _MASKED_GRID)
        small = replace(pair, image=image, factor=1)
        costs = [Model(small, float(sigma), shift, sigma_range).evaluated(0).cost for sigma in grid]
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
