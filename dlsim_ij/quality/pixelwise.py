"""PSNR, NRMSE and SSIM against a truth: as the seed's scripts define them, and fairly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.inputs import FloatImage, check_pair
from dlsim_ij.quality.intensity import fitted
from dlsim_ij.quality.registration import MIN_SIDE_PX, best_shift, covered, shift_image
from dlsim_ij.results import Result

IDENTICAL_DB = 200.0  # the highest PSNR given: an error below 1e-10 of the range is rounding
_SSIM_WINDOW_PX = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores(Result):
    """How far one image is from the truth."""

    psnr_db: float
    nrmse: float
    ssim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredScores(Result):
    """Fair scores after the best sub-pixel shift."""

    psnr_db: float
    nrmse: float
    ssim: float
    shift_px: tuple[float, float]  # (y, x): the way the image was moved


@dataclass(frozen=True, slots=True, kw_only=True)
class AllScores(Result):
    """Every convention side by side; the fields are the keys of ``dlsim score --json``."""

    seed_psnr_db: float | None  # None: this convention is undefined here, see seed_scores
    seed_nrmse: float | None
    seed_ssim: float | None
    psnr_db: float
    nrmse: float
    ssim: float
    registered: RegisteredScores


def scores(truth: ArrayLike, image: ArrayLike) -> AllScores:
    """Compare an image with the truth in every convention.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 16 x 16, finite, not constant; any intensity unit.

    Returns
    -------
    AllScores
        `registered` is :func:`fair_scores` after the shift of at most 2 px that maximises PSNR, over the
        pixels that the shifted image covers (a strip as wide as the shift has no data). Where that gains
        nothing, the shift is 0 and the scores are the unregistered ones.

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.
    """
    truth, image = check_pair(truth, image, MIN_SIDE_PX)
    seed = _seed(truth, image) if _has_spread(truth) and _has_spread(image) else None
    fair = _fair(truth, image, float(np.ptp(truth)))
    return AllScores(
        seed_psnr_db=seed.psnr_db if seed else None,
        seed_nrmse=seed.nrmse if seed else None,
        seed_ssim=seed.ssim if seed else None,
        psnr_db=fair.psnr_db,
        nrmse=fair.nrmse,
        ssim=fair.ssim,
        registered=_registered(truth, image, fair),
    )


def fair_scores(truth: ArrayLike, image: ArrayLike) -> Scores:
    """Score an image after bringing its intensities to those of the truth.

    The least-squares gain and offset are applied to `image` first (a negative gain is not: see
    :func:`~dlsim_ij.quality.fit_intensity`). The range of the truth, maximum minus minimum, is the
    unit of all three numbers: NRMSE = RMSE / range, PSNR = -20 log10 NRMSE (at most 200 dB), SSIM with
    ``data_range`` = range.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 7 x 7 (the window of SSIM), finite, not constant; any intensity unit.

    Returns
    -------
    Scores
        `psnr_db` in dB, `nrmse` as a fraction of the range, `ssim` up to 1 (:doi:`10.1109/TIP.2003.819861`;
        scikit-image's: 7 x 7 uniform window, K1 0.01, K2 0.03).

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.

    Examples
    --------
    >>> truth = np.add.outer(np.arange(8.0), np.arange(8.0))
    >>> round(fair_scores(truth, 3 * truth + 7).ssim, 6)
    1.0
    """
    truth, image = check_pair(truth, image, _SSIM_WINDOW_PX)
    return _fair(truth, image, float(np.ptp(truth)))


def seed_scores(truth: ArrayLike, image: ArrayLike) -> Scores:
    """Score an image as the scripts of Jin et al. 2020 do (:doi:`10.1038/s41467-020-15784-x`).

    Both images are first stretched, unclipped, so that their own 1 % and 99.8 % quantiles become 0 and 1.
    Then PSNR: each divided by its own maximum, 20 log10(1 / RMSE), 100 if identical; NRMSE: RMSE over the
    standard deviation of the truth; SSIM: image scaled to the maximum of the truth, which is also the data
    range. For comparison with published tables only: it ranks one noisy low-light frame above the mean of
    the bright ones, because each image is stretched by its own extremes.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 7 x 7, finite; any intensity unit.

    Returns
    -------
    Scores
        `psnr_db` in dB; `nrmse` in standard deviations of the truth; `ssim` up to 1.

    Raises
    ------
    ImageError
        One of them cannot be measured, the shapes differ, or the two quantiles of one are equal (a few bright
        pixels on an even ground), which this convention divides by.
    """
    truth, image = check_pair(truth, image, _SSIM_WINDOW_PX)
    for pixels, what in ((truth, "the truth"), (image, "the image")):
        if not _has_spread(pixels):
            raise ImageError(
                f"{what} has equal 1 % and 99.8 % quantiles, the seed's scores are undefined",
                "use fair_scores, which has no such limit",
            )
    return _seed(truth, image)


def _has_spread(pixels: FloatImage) -> bool:
    low, high = np.quantile(pixels, (0.01, 0.998))
    return bool(high > low)


def _seed(truth: FloatImage, image: FloatImage) -> Scores:
    truth, image = _stretch(truth), _stretch(image)
    # the 99.8 % quantile is 1 now, so both maxima are at least 1
    rmse_of_maximum = _rms(truth / truth.max() - image / image.max())
    return Scores(
        psnr_db=-20 * float(np.log10(rmse_of_maximum)) if rmse_of_maximum else 100.0,
        nrmse=_rms(truth - image) / float(truth.std()),
        ssim=_ssim(truth, image * (truth.max() / image.max()), float(truth.max())),
    )


def _stretch(pixels: FloatImage) -> FloatImage:
    low, high = np.quantile(pixels, (0.01, 0.998))
    return np.asarray((pixels - low) / (high - low))


def _fair(truth: FloatImage, image: FloatImage, data_range: float) -> Scores:
    truth = truth / data_range  # also keeps the squares of any unit finite
    image = fitted(image, truth)
    nrmse = _rms(truth - image)
    return Scores(psnr_db=_psnr_db(nrmse), nrmse=nrmse, ssim=_ssim(truth, image, 1.0))


def _registered(truth: FloatImage, image: FloatImage, unregistered: Scores) -> RegisteredScores:
    shift = best_shift(truth, image)
    seen = covered(truth.shape, *shift)
    if np.ptp(truth[seen]) > 0:
        moved = _fair(truth[seen], shift_image(image, *shift)[seen], float(np.ptp(truth)))
        if moved.psnr_db > unregistered.psnr_db:
            return RegisteredScores(psnr_db=moved.psnr_db, nrmse=moved.nrmse, ssim=moved.ssim, shift_px=shift)
    return RegisteredScores(
        psnr_db=unregistered.psnr_db, nrmse=unregistered.nrmse, ssim=unregistered.ssim, shift_px=(0.0, 0.0)
    )


def _psnr_db(nrmse: float) -> float:
    return -20 * float(np.log10(max(nrmse, 10 ** (-IDENTICAL_DB / 20))))


def _rms(difference: FloatImage) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


def _ssim(truth: FloatImage, image: FloatImage, data_range: float) -> float:
    from skimage.metrics import structural_similarity  # 0.1 s to import: not when only a type is wanted

    return float(structural_similarity(truth, image, win_size=_SSIM_WINDOW_PX, data_range=data_range))
