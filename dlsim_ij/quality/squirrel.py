"""RSE and RSP: how well a super-resolved image, blurred back, agrees with the widefield image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil, exp, isfinite

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.inputs import FloatImage, check_image
from dlsim_ij.quality.registration import covered
from dlsim_ij.quality.rsf import apply_weights, block_means, gaussian_weights
from dlsim_ij.results import Result

SIGMA_MAX_PX = 10.0  # reference pixels, as in the original
SIGMA_MIN_SR_PX = 0.1  # pixels of the image: below it the blur is none at all
MIN_SIDE_PX = 8  # of the reference; the fit has five unknowns and the blur needs surroundings
MIN_SCORED_PX = 64
NO_SHIFT_SR_PX = 0.05  # a shorter shift is not told from none
_GRID = 48  # values of sigma for the start
_MASKED_GRID = 20
_MOST_STEPS = 60
_CHANCE = 30  # times 1 / pixels: gain in squared correlation that the best of all shifts finds in noise
_STRIP_PX = 64  # rows of the reference at a time
_SETTLED = 1e-6  # of log sigma, and of a reference pixel: the step after it would be far shorter

Slices = tuple[slice, slice]
BoolImage = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Squirrel(Result):
    """Agreement of one image with its reference (:doi:`10.1038/nmeth.4605`).

    The image, times `alpha`, plus `beta`, blurred by a Gaussian of `sigma_px` and averaged over blocks of
    `magnification` pixels, is compared with the reference.
    """

    rsp: float  # Pearson correlation; below 0 where the image is inverted
    rse: float  # root mean square difference, intensity units of the reference
    alpha: float  # reference units per image unit
    beta: float  # reference units
    sigma_px: float  # reference pixels
    shift_px: tuple[float, float]  # y, x; image (SR) pixels, the way the image was moved: down, right
    mode: str
    magnification: int
    scored_px: int  # reference pixels that were compared
    warnings: tuple[str, ...]
    signed_map: NDArray[np.float32] = field(repr=False, compare=False)
    """(Y, X) like the image: reference minus blurred image (missing is positive); NaN where not scored."""

    @property
    def error_map(self) -> NDArray[np.float32]:
        """(Y, X) like the image: absolute difference in reference units; its root mean square is `rse`."""
        return np.abs(self.signed_map)


def rse_rsp(
    reference: ArrayLike,
    image: ArrayLike,
    *,
    mode: str = "exact",
    register: bool = True,
    sigma_px: float | None = None,
    mask: ArrayLike | None = None,
    crop_zero_border: bool = True,
) -> Squirrel:
    """Compare a super-resolved image with the diffraction-limited image of the same field.

    SQUIRREL's resolution-scaled error and Pearson coefficient (:doi:`10.1038/nmeth.4605`): the image is
    brought to the intensity and the resolution of the reference by the gain, offset and Gaussian blur that
    fit best, and what remains is the error. The mode ``exact`` computes what that method describes without
    the approximations of the published plugin: the blurred image is averaged over the area of each
    reference pixel, the Gaussian is not cut off, pixel centres coincide at every magnification, sums are
    float64, and the result does not depend on gain and offset of either image. A perfect image therefore
    scores 1, and numbers at a magnification above 1 are better than the plugin's.

    Parameters
    ----------
    reference : (Y, X) array_like
        Widefield image, at least 8 x 8, finite, any intensity unit.
    image : (m * Y, m * X) array_like
        Super-resolved image of the same field, m = 1, 2, 3, ...
    mode : {"exact"}
        Which computation.
    register : bool
        Find a shift of the image, too (less than a quarter of the field), and undo it. A shift that is
        shorter than 0.05 image pixels or than three times its own uncertainty counts as none. What moves
        in from outside is not scored.
    sigma_px : float, optional
        Standard deviation of the blur in reference pixels, if known; the default finds it.
    mask : (Y, X) array_like of bool, optional
        True for the reference pixels that count in fit and scores.
    crop_zero_border : bool
        Leave out rows and columns at the border of the image that hold one value only, as SRRF leaves
        them, and what a blur would have brought from there. They are kept where the reference is as
        dark there, for they may also be a true background.

    Returns
    -------
    Squirrel

    Raises
    ------
    ImageError
        One image cannot be measured, the sizes do not fit, or too little is left to score.
    ConfigError
        `mode` or `sigma_px` is none that exists.

    Examples
    --------
    >>> image = np.random.default_rng(1).gamma(1, size=(40, 40)) ** 4
    >>> reference = 3 * image.reshape(20, 2, 20, 2).mean(axis=(1, 3)) + 100
    >>> result = rse_rsp(reference, image, sigma_px=0.01)
    >>> round(result.rsp, 6), round(result.alpha, 6), round(result.beta, 6)
    (1.0, 3.0, 100.0)
    """
    if mode != "exact":
        raise ConfigError(f"mode {mode!r} of rse_rsp does not exist", 'the one mode is "exact"')
    target = check_image(reference, "the reference", MIN_SIDE_PX)
    pixels = check_image(image)
    factor = _magnification(target.shape, pixels.shape)
    weights = None if mask is None else _checked_mask(mask, target.shape)
    sigma_range = _sigma_range(sigma_px, factor)

    target, target_mean, target_scale = _normalised(target)
    pixels, image_mean, image_scale = _normalised(pixels)
    pair = _Pair(target, pixels, factor, weights)
    fit, crop = _fit_and_crop(pair, sigma_range, register, crop_zero_border)

    alpha = fit.alpha * target_scale / image_scale
    del pair, pixels  # the maps need the memory
    residual = fit.residual
    residual *= target_scale
    signed = np.full(target.shape, np.nan, np.float32)
    signed[crop] = residual
    scored = residual[np.isfinite(residual)]
    return Squirrel(
        rsp=fit.rsp,
        rse=float(np.sqrt(np.vdot(scored, scored) / scored.size)),
        alpha=alpha,
        beta=target_mean + target_scale * fit.beta - alpha * image_mean,
        sigma_px=fit.sigma_px,
        shift_px=(factor * fit.shift[0], factor * fit.shift[1]),
        mode=mode,
        magnification=factor,
        scored_px=scored.size,
        warnings=tuple(_warnings(fit, sigma_range, factor, fixed=sigma_px is not None)),
        signed_map=np.repeat(np.repeat(signed, factor, axis=0), factor, axis=1),
    )


def _warnings(fit: _Fit, sigma_range: tuple[float, float], factor: int, *, fixed: bool) -> Iterator[str]:
    if not fixed and fit.sigma_px >= 0.999 * sigma_range[1]:
        yield (
            f"sigma is at its upper bound of {sigma_range[1]:g} reference pixels: the images differ by more "
            "than a blur, for example in background"
        )
    if not fixed and fit.sigma_px * factor <= 2 * SIGMA_MIN_SR_PX:
        yield (
            f"sigma is at its lower bound ({fit.sigma_px:.3g} reference pixels): the image is not sharper "
            "than the reference"
        )
    if fit.alpha <= 0:
        yield "alpha is not positive: the image is inverted, or shows something else than the reference"


# --- what was passed in


def _magnification(reference: tuple[int, ...], image: tuple[int, ...]) -> int:
    factor = image[0] // reference[0]
    if factor >= 1 and image == (factor * reference[0], factor * reference[1]):
        return factor
    sizes = f"the image is {image[0]} x {image[1]} pixels, the reference {reference[0]} x {reference[1]}"
    if min(a / b for a, b in zip(image, reference, strict=True)) < 1:
        raise ImageError(f"{sizes}: the reference is the larger one", "were the two exchanged?")
    raise ImageError(
        f"{sizes}: no integer magnification",
        "the image must be 1, 2, 3, ... times the reference, the same in y and x; crop or resize one of them",
    )


def _checked_mask(mask: ArrayLike, shape: tuple[int, ...]) -> FloatImage:
    chosen = np.asarray(mask)
    if chosen.dtype != np.bool_:
        raise ImageError(f"the mask holds type {chosen.dtype}, not true/false values", "pass mask > 0")
    if chosen.shape != shape:
        size = " x ".join(str(side) for side in chosen.shape)
        raise ImageError(
            f"the mask is {size} pixels, the reference {shape[0]} x {shape[1]}",
            "the mask lies on the pixels of the reference",
        )
    if np.count_nonzero(chosen) < MIN_SCORED_PX:
        raise ImageError(
            f"the mask leaves {np.count_nonzero(chosen)} pixels, {MIN_SCORED_PX} are needed",
            "True marks the pixels that count",
        )
    return chosen.astype(np.float64)


def _sigma_range(sigma_px: float | None, factor: int) -> tuple[float, float]:
    if sigma_px is None:
        return SIGMA_MIN_SR_PX / factor, SIGMA_MAX_PX
    if not (isfinite(sigma_px) and sigma_px > 0):
        raise ConfigError(
            f"sigma_px is {sigma_px}, not a length", "pass a positive number of reference pixels, or None"
        )
    return float(sigma_px), float(sigma_px)


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


def _normalised(image: FloatImage) -> tuple[FloatImage, float, float]:
    """Return the image with mean 0 and range 1, the mean and the range, so that no offset costs digits."""
    mean, scale = float(image.mean()), float(np.ptp(image))
    normalised = image - mean
    normalised /= scale
    return normalised, mean, scale


# --- the fit


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
    weights = pair.weights
    reference = pair.reference - np.average(pair.reference, weights=weights)
    if weights is not None:
        reference = reference * weights
    image = block_means(pair.image, pair.factor)
    # float32 will do for whole pixels
    reference, image = reference.astype(np.float32), (image - image.mean()).astype(np.float32)
    shape = [scipy.fft.next_fast_len(side + side // 4, real=True) for side in reference.shape]
    spectrum = np.conj(scipy.fft.rfft2(image, shape))
    spectrum *= scipy.fft.rfft2(reference, shape)
    surface = scipy.fft.irfft2(spectrum, shape, overwrite_x=True)
    near = [max(1, side // 4 - 1) for side in reference.shape]
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
    rows, columns = (_responses(grid, side) for side in image.shape)
    target *= spectrum
    spectrum *= spectrum
    power = np.einsum("sy,sy->s", rows**2, columns**2 @ spectrum.T)
    product = np.einsum("sy,sy->s", rows, columns @ target.T)
    gained = np.divide(product**2, power, out=np.zeros_like(power), where=power > 0)
    return float(grid[int(np.argmax(gained))])


def _responses(sigmas_px: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Return the cosine transforms of the blurs, (sigma, frequency)."""
    angle = np.pi * np.arange(length) / length
    responses = np.empty((len(sigmas_px), length), np.float32)
    for response, sigma in zip(responses, sigmas_px, strict=True):
        values = gaussian_weights(float(sigma)).values
        middle = len(values) // 2
        response[:] = (
            values[middle] + 2 * np.cos(np.outer(angle, np.arange(1, middle + 1))) @ values[middle + 1 :]
        )
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
            gram += table @ table.T
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
