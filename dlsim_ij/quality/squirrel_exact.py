"""RSE and RSP as the method describes them: one fit of gain, offset, blur and shift, without approximations.

This module decides which pixels count and from which shift to start; the fit is in `squirrel_model.py`.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import scipy.fft

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.inputs import FloatImage
from dlsim_ij.quality.registration import covered
from dlsim_ij.quality.rsf import block_means
from dlsim_ij.quality.squirrel_model import Fit, Model, Pair
from dlsim_ij.quality.squirrel_result import Measured, Slices

SIGMA_MAX_PX = 10.0  # reference pixels, as in the original
SIGMA_MIN_SR_PX = 0.1  # pixels of the image: below it the blur is none at all
MIN_SIDE_PX = 8  # of the reference; the fit has five unknowns and the blur needs surroundings
MIN_SCORED_PX = 64
_CHANCE = 30  # times 1 / pixels: gain in squared correlation that the best of all shifts finds in noise


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
        Pair(reference, image, factor, weights), sigma_range, register, crop_zero_border
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
    pair: Pair, sigma_range: tuple[float, float], register: bool, crop_zero_border: bool
) -> tuple[Fit, Slices]:
    whole = (slice(0, pair.reference.shape[0]), slice(0, pair.reference.shape[1]))
    inner = _constant_border(pair.image, pair.factor) if crop_zero_border else whole
    if inner == whole or min(part.stop - part.start for part in inner) < MIN_SIDE_PX:
        return _fit(pair, sigma_range, register), whole
    missing = pair.cropped(inner)
    if not _can_be_scored(missing):
        return _fit(pair, sigma_range, register), whole
    # what the missing pixels would have blurred into is not known either
    sigma_px = Model.at(missing, (0, 0), sigma_range).settled().sigma_px
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


def _can_be_scored(pair: Pair) -> bool:
    reference = pair.reference if pair.weights is None else pair.reference[pair.weights > 0]
    return reference.size >= MIN_SCORED_PX and bool(np.ptp(reference) > 0)


def _fit(pair: Pair, sigma_range: tuple[float, float], register: bool, sigma_px: float | None = None) -> Fit:
    if not _can_be_scored(pair):
        raise ImageError("the reference is constant where it is to be scored", "choose a larger mask")
    model = Model.at(pair, (0, 0), sigma_range, sigma_px).settled()
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
    pair: Pair, start: tuple[float, float], sigma_range: tuple[float, float], sigma_px: float | None = None
) -> Model:
    """Fit shift and sigma, then again on the pixels that the moved image determines."""
    part = covered(pair.reference.shape, *start)
    model = Model.at(pair.scoring_only(part), start, sigma_range, sigma_px).settled(shift=True)
    for _ in range(2):
        inside = pair.scoring_only(_determined(model))
        if not _can_be_scored(inside):
            break
        model = Model.at(inside, model.shift, sigma_range, model.sigma_px).settled(shift=True)
    return model


def _determined(model: Model) -> Slices:
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


def _coarse_shift(pair: Pair) -> tuple[int, int]:
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
