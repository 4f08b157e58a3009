"""PSNR, NRMSE and SSIM against a truth: fairly, and as the published scripts define them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.conventions import IDENTICAL_DB, SEED_QUANTILES, Measured, Pair
from dlsim_ij.quality.inputs import FloatImage, check_pair
from dlsim_ij.quality.intensity import fitted
from dlsim_ij.quality.registration import MIN_SIDE_PX, best_shift, covered, shift_image
from dlsim_ij.quality.ssim import SSIM_WINDOW_PX, fair_ms_ssim, smallest_side_px, ssim
from dlsim_ij.results import Result

__all__ = [
    "IDENTICAL_DB",
    "AllScores",
    "RegisteredScores",
    "Scores",
    "dfcan_scores",
    "fair_scores",
    "scores",
    "seed_scores",
    "skimage_scores",
]


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
    ms_ssim: float | None  # None: a side is shorter than the 161 px that five scales need
    dfcan: Scores
    skimage: Scores


def scores(truth: ArrayLike, image: ArrayLike) -> AllScores:
    """Compare an image with the truth in every convention.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 16 x 16, finite, not constant; any intensity unit.

    Returns
    -------
    AllScores
        `psnr_db`, `nrmse`, `ssim`: :func:`fair_scores`; `seed_...`: :func:`seed_scores`; `ms_ssim`:
        :func:`~dlsim_ij.quality.ms_ssim`; `dfcan`: :func:`dfcan_scores`; `skimage`: :func:`skimage_scores`.
        `registered` is :func:`fair_scores` after the shift of at most 2 px that maximises PSNR, over the
        pixels that the shifted image covers (a strip as wide as the shift has no data). Where that gains
        nothing, the shift is 0 and the scores are the unregistered ones.

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.
    """
    truth, image = check_pair(truth, image, MIN_SIDE_PX)
    pair = Pair.of(truth, image)
    del truth, image  # 64-bit copies, half of what this needs in memory
    measured = [pair.fair(), pair.dfcan(), pair.skimage()]
    by_seed = pair.seed()
    fair, dfcan, skimage, *rest = _scores(pair, measured if by_seed is None else [*measured, by_seed])
    seed = rest[0] if rest else None
    # the truth in units of its range; in place, since an image of 2048 x 2048 px takes 34 MB here
    target = np.add(pair.truth, pair.truth_minimum / pair.truth_range, out=pair.truth)
    multi_scale = None
    if min(target.shape) >= smallest_side_px():
        multi_scale = fair_ms_ssim(target, fitted(pair.image, target))
    return AllScores(
        seed_psnr_db=seed.psnr_db if seed else None,
        seed_nrmse=seed.nrmse if seed else None,
        seed_ssim=seed.ssim if seed else None,
        psnr_db=fair.psnr_db,
        nrmse=fair.nrmse,
        ssim=fair.ssim,
        registered=_registered(target, pair.image, fair),
        ms_ssim=multi_scale,
        dfcan=dfcan,
        skimage=skimage,
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

    Notes
    -----
    Unchanged by gain (not negative) and offset of the image, by the unit of the truth, and by flips and
    quarter turns of both.

    Examples
    --------
    >>> truth = np.add.outer(np.arange(8.0), np.arange(8.0))
    >>> round(fair_scores(truth, 3 * truth + 7).ssim, 6)
    1.0
    """
    pair = Pair.of(*check_pair(truth, image, SSIM_WINDOW_PX))
    return _one(pair, pair.fair())


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

    Notes
    -----
    Unchanged by positive gain and offset of either image, and by flips and quarter turns of both.
    """
    pair = Pair.of(*check_pair(truth, image, SSIM_WINDOW_PX))
    seed = pair.seed()
    if seed is None:
        low, high = np.quantile(pair.truth, SEED_QUANTILES)
        raise ImageError(
            f"{'the image' if high > low else 'the truth'} has equal 1 % and 99.8 % quantiles, the seed's"
            " scores are undefined",
            "use fair_scores, which has no such limit",
        )
    return _one(pair, seed)


def dfcan_scores(truth: ArrayLike, image: ArrayLike) -> Scores:
    """Score an image as the code of DFCAN does (:doi:`10.1038/s41592-020-01048-5`).

    Both images are first stretched so that their own minimum and maximum become 0 and 1 (percentiles 0 and
    100 there). Then with d the difference and t the truth: PSNR = -20 log10 sqrt(mean d^2), at most 200;
    NRMSE = sqrt(mean d^2) / sqrt(mean t^2); SSIM as in :func:`fair_scores` but with a data range of 2,
    which the scikit-image of that time (0.15) took for floating point images. With it the constants C1 and
    C2 are four times as large, so this SSIM is higher than others of the same images.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 7 x 7, finite, not constant; any intensity unit.

    Returns
    -------
    Scores

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.

    Notes
    -----
    Unchanged by positive gain and offset of either image, and by flips and quarter turns of both. One hot
    pixel changes every number. The 1e-7 that the code adds to the range, in whatever unit the image has,
    is left out here.
    """
    pair = Pair.of(*check_pair(truth, image, SSIM_WINDOW_PX))
    return _one(pair, pair.dfcan())


def skimage_scores(truth: ArrayLike, image: ArrayLike) -> Scores:
    """Score an image with the functions of scikit-image and their defaults, pixels as they are.

    With d the difference, t the truth and R its maximum minus its minimum as ``data_range``:
    ``peak_signal_noise_ratio`` = -20 log10(sqrt(mean d^2) / R), at most 200; ``normalized_root_mse`` =
    sqrt(mean d^2) / sqrt(mean t^2) ("euclidean"); ``structural_similarity`` with its 7 x 7 uniform window.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 7 x 7, finite, not constant; in the same intensity unit.

    Returns
    -------
    Scores

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.

    Notes
    -----
    Unchanged by a common unit of both images, and by flips and quarter turns of both; but an image of
    another gain or offset than the truth scores as wrong, however well it shows the structure. The offset
    of a camera in both makes this NRMSE smaller.
    """
    pair = Pair.of(*check_pair(truth, image, SSIM_WINDOW_PX))
    return _one(pair, pair.skimage())


def _one(pair: Pair, measured: Measured) -> Scores:
    return _scores(pair, [measured])[0]


def _scores(pair: Pair, measured: list[Measured]) -> list[Scores]:
    similarities = ssim(pair.truth, pair.image, [m.scaling for m in measured])
    return [
        Scores(psnr_db=m.psnr_db, nrmse=m.nrmse, ssim=similarity)
        for m, similarity in zip(measured, similarities, strict=True)
    ]


def _registered(truth: FloatImage, image: FloatImage, unregistered: Scores) -> RegisteredScores:
    """Return the fair scores after the best shift; the truth has a range of 1."""
    shift = best_shift(truth, image)
    seen = covered(truth.shape, *shift)
    if shift != (0.0, 0.0) and np.ptp(truth[seen]) > 0:
        pair = Pair.of(truth[seen], shift_image(image, *shift)[seen])
        moved = pair.fair(data_range=1.0)  # that of the whole truth
        if moved.psnr_db > unregistered.psnr_db:
            (similarity,) = ssim(pair.truth, pair.image, [moved.scaling])
            return RegisteredScores(psnr_db=moved.psnr_db, nrmse=moved.nrmse, ssim=similarity, shift_px=shift)
    return RegisteredScores(
        psnr_db=unregistered.psnr_db,
        nrmse=unregistered.nrmse,
        ssim=unregistered.ssim,
        shift_px=(0.0, 0.0),
    )
