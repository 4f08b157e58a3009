"""RSE and RSP: how well a super-resolved image, blurred back, agrees with the widefield image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.quality.squirrel_alignment import CompatAlignment, align
from dlsim_ij.quality.squirrel_compat import compat_fit
from dlsim_ij.quality.squirrel_exact import (
    MIN_SCORED_PX,
    MIN_SIDE_PX,
    SIGMA_MAX_PX,
    SIGMA_MIN_SR_PX,
    exact_fit,
)
from dlsim_ij.quality.squirrel_inputs import (
    MAX_MAGNIFICATION,
    BoolImage,
    check_options,
    checked_mask,
    given_sigma_px,
    magnification,
    own_array,
    psf_sigma_um,
    single,
)
from dlsim_ij.quality.squirrel_result import Measured, Squirrel
from dlsim_ij.quality.squirrel_swarm import SIGMA_BOX_PX

__all__ = [
    "rse_rsp",
    "rse_rsp_stack",
    "common_alignment",
    "check_options",
    "Squirrel",
    "SIGMA_MAX_PX",
    "MAX_MAGNIFICATION",
]

_FLAT = 0.2  # share of the reference's contrast below which the fit is little more than a constant
_ABOVE_PSF = 1.2


def rse_rsp(
    reference: ArrayLike,
    image: ArrayLike,
    *,
    mode: str = "exact",
    register: bool = True,
    sigma_px: float | None = None,
    sigma_um: float | None = None,
    rsf: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    crop_zero_border: bool = True,
    pixel_size_um: float | None = None,
    emission_nm: float | None = None,
    na: float | None = None,
    max_magnification: int = MAX_MAGNIFICATION,
    max_shift_px: int = 0,
    alignment: CompatAlignment | None = None,
) -> Squirrel:
    """Compare a super-resolved image with the diffraction-limited image of the same field.

    SQUIRREL's resolution-scaled error and Pearson coefficient (:doi:`10.1038/nmeth.4605`): the image is
    brought to the intensity and the resolution of the reference by the gain, offset and Gaussian blur that
    fit best, and what remains is the error.

    The mode ``exact`` computes what that method describes without the approximations of the published
    plugin: the blurred image is averaged over the area of each reference pixel, the Gaussian is not cut off,
    pixel centres coincide at every magnification, sums are float64, and the result does not depend on gain
    and offset of either image. A perfect image therefore scores 1, and numbers at a magnification above 1
    are better than the plugin's. The mode ``compat`` gives the plugin's numbers, its invented shift, its
    crop, its two different blurs and its particle swarm included.

    Parameters
    ----------
    reference : (Y, X) array_like
        Widefield image, at least 8 x 8, finite, any intensity unit.
    image : (m * Y, m * X) array_like
        Super-resolved image of the same field, m = 1, 2, 3, ...
    mode : {"exact", "compat"}
        Which computation.
    register : bool
        Find a shift of the image, too, and undo it. Exact: less than a quarter of the field; a shift that
        is shorter than 0.05 image pixels or than three times its own uncertainty counts as none; what moves
        in from outside is not scored. The plugin always registers.
    sigma_px, sigma_um : float, optional
        Standard deviation of the blur in reference pixels or in micrometres, if known; the default finds it.
    rsf : (n, n) array_like, optional
        Picture of the blur on pixels of the reference, in place of its sigma; a Gaussian is fitted to it.
    mask : (Y, X) array_like of bool, optional
        True for the reference pixels that count in fit and scores.
    crop_zero_border : bool
        Leave out the border of the image that was not computed. Exact: rows and columns that hold one value
        only, as SRRF leaves them, and what a blur would have brought from there; they are kept where the
        reference is as dark there, for they may also be a true background. Compat: rows and columns without
        a positive pixel.
    pixel_size_um : float, optional
        Of the image. With it sigma is also given in micrometres.
    emission_nm, na : float, optional
        With both and the pixel size, a sigma above that of the microscope is told.
    max_magnification : int
        Compat only: a larger image is shrunk to that for the fit.
    max_shift_px : int
        Compat only: the longest shift looked for, in image pixels; 0: any.
    alignment : CompatAlignment, optional
        Compat only: as :func:`common_alignment` found for a stack.

    Returns
    -------
    Squirrel

    Raises
    ------
    ImageError
        One image cannot be measured, the sizes do not fit, or too little is left to score.
    ConfigError
        An option is none that exists, or out of range.

    Examples
    --------
    >>> image = np.random.default_rng(1).gamma(1, size=(40, 40)) ** 4
    >>> reference = 3 * image.reshape(20, 2, 20, 2).mean(axis=(1, 3)) + 100
    >>> result = rse_rsp(reference, image, sigma_px=0.01)
    >>> round(result.rsp, 6), round(result.alpha, 6), round(result.beta, 6)
    (1.0, 3.0, 100.0)
    """
    check_options(
        mode=mode, sigma_px=sigma_px, sigma_um=sigma_um, rsf=rsf, pixel_size_um=pixel_size_um,
        emission_nm=emission_nm, na=na, max_magnification=max_magnification, max_shift_px=max_shift_px,
    )  # fmt: skip
    if alignment is not None and mode != "compat":
        raise ConfigError("an alignment belongs to mode compat", "exact registers each image by itself")
    target = check_image(reference, "the reference", MIN_SIDE_PX)
    pixels = check_image(image)
    factor = magnification(target.shape, pixels.shape)
    chosen = None if mask is None else checked_mask(mask, target.shape)
    given = given_sigma_px(factor, sigma_px, sigma_um, rsf, pixel_size_um, mode)
    if mode == "exact":
        weights = None if chosen is None else chosen.astype(np.float64)
        target, pixels = own_array(target, reference), own_array(pixels, image)
        found = exact_fit(
            target, pixels, factor, weights=weights, sigma_px=given,
            register=register, crop_zero_border=crop_zero_border,
        )  # fmt: skip
    else:
        del target, pixels  # the plugin computes with float32
        found = _compat(
            single(reference), single(image), factor, chosen, given, alignment,
            register, crop_zero_border, max_magnification, max_shift_px,
        )  # fmt: skip
    um_per_px = None if pixel_size_um is None else factor * pixel_size_um
    sigma_limit_um = None if emission_nm is None or na is None else psf_sigma_um(emission_nm, na)
    y, x = found.crop
    return Squirrel(
        rsp=found.rsp,
        rse=found.rse,
        fit_rms=found.fit_rms,
        alpha=found.alpha,
        beta=found.beta,
        sigma_px=found.sigma_px,
        sigma_um=None if um_per_px is None else found.sigma_px * um_per_px,
        shift_px=found.shift_px,
        mode=mode,
        magnification=factor,
        scored_px=found.scored_px,
        crop=(y.start, y.stop, x.start, x.stop),
        iterations=found.iterations,
        warnings=tuple(_warnings(found, mode, factor, given is not None, um_per_px, sigma_limit_um)),
        signed_map=found.signed_map,
    )


def rse_rsp_stack(
    reference: ArrayLike, images: Sequence[ArrayLike], *, mode: str = "exact", **options: Any
) -> list[Squirrel]:
    """Compare each image of a stack with the reference.

    Parameters
    ----------
    reference : (Y, X) or (n, Y, X) array_like
        One for all images, or one for each.
    images : sequence of (m * Y, m * X) array_like
        With one reference, the mode ``compat`` crops and registers them together, as the plugin does.
    mode : {"exact", "compat"}
    **options
        As for :func:`rse_rsp`.

    Returns
    -------
    list of Squirrel

    Raises
    ------
    ImageError
        An image cannot be measured; the message names it, counted from 1.
    """
    many = np.ndim(reference) == 3
    references: Iterable[ArrayLike] = np.asarray(reference) if many else [reference] * len(images)
    if many and np.shape(reference)[0] != len(images):
        raise ImageError(
            f"{np.shape(reference)[0]} references for {len(images)} images", "give one, or one for each"
        )
    alignments: Sequence[CompatAlignment | None] = [None] * len(images)
    if mode == "compat" and not many:
        names = ("register", "crop_zero_border", "max_shift_px")
        known = {name: options[name] for name in names if name in options}
        alignments = common_alignment(reference, images, **known)
    results = []
    for number, (target, image, alignment) in enumerate(zip(references, images, alignments, strict=True), 1):
        try:
            results.append(rse_rsp(target, image, mode=mode, alignment=alignment, **options))
        except ImageError as error:
            raise ImageError(f"plane {number}: {error.message}", error.hint) from error
    return results


def common_alignment(
    reference: ArrayLike,
    images: Iterable[ArrayLike],
    *,
    register: bool = True,
    crop_zero_border: bool = True,
    max_shift_px: int = 0,
) -> list[CompatAlignment]:
    """Decide how the published plugin crops and moves the images of a stack.

    Parameters
    ----------
    reference : (Y, X) array_like
        One for all images.
    images : iterable of (m * Y, m * X) array_like
        Gone through twice, so no generator. An image that cannot be measured takes no part.
    register, crop_zero_border, max_shift_px
        As for :func:`rse_rsp`.

    Returns
    -------
    list of CompatAlignment
        One per image, for :func:`rse_rsp`.
    """
    target = single(check_image(reference, "the reference", MIN_SIDE_PX))
    measurable = _Measurable(images, target.shape)
    return align(
        target,
        measurable,
        measurable.factor,
        register=register,
        crop_zero_border=crop_zero_border,
        max_shift_px=max_shift_px,
    )


class _Measurable:
    """The images of a stack as the plugin holds them; None for those that cannot be measured."""

    def __init__(self, images: Iterable[ArrayLike], shape: tuple[int, ...]) -> None:
        self._images, self._shape = images, shape
        self.factor = 1
        for image in images:
            if np.shape(image)[0] % shape[0] == 0:
                self.factor = np.shape(image)[0] // shape[0]
                break

    def __iter__(self) -> Iterator[NDArray[np.float32] | None]:
        fine = tuple(self.factor * side for side in self._shape)
        for image in self._images:
            try:
                fits = check_image(image).shape == fine
            except ImageError:
                fits = False
            yield single(image) if fits else None


def _compat(
    reference: NDArray[np.float32], image: NDArray[np.float32], factor: int, mask: BoolImage | None,
    sigma_px: float | None, alignment: CompatAlignment | None, register: bool, crop_zero_border: bool,
    max_magnification: int, max_shift_px: int,
) -> Measured:  # fmt: skip
    if alignment is None:
        (alignment,) = align(
            reference,
            [image],
            factor,
            register=register,
            crop_zero_border=crop_zero_border,
            max_shift_px=max_shift_px,
        )
    y, x = crop = alignment.crop
    part = None if mask is None else mask[crop]
    if part is not None and np.count_nonzero(part) < MIN_SCORED_PX:
        raise ImageError(
            f"after cropping the mask leaves {np.count_nonzero(part)} pixels, {MIN_SCORED_PX} are needed",
            "choose a larger mask, or mode exact, which crops less",
        )
    target, pixels = alignment.applied(reference, image, factor)
    counted = target if part is None else target[part]
    if np.ptp(counted) == 0 or np.ptp(pixels) == 0:
        raise ImageError("nothing but one value is left after cropping", "mode exact needs no such crop")
    fit = compat_fit(
        target, pixels, factor, sigma_px=sigma_px, mask=part, max_magnification=max_magnification
    )
    signed = fit.signed_map
    if part is not None:
        signed[~np.repeat(np.repeat(part, factor, axis=0), factor, axis=1)] = np.nan
    if signed.shape != image.shape:
        whole = np.full(image.shape, np.nan, np.float32)
        whole[y.start * factor : y.stop * factor, x.start * factor : x.stop * factor] = signed
        signed = whole
    return Measured(
        rsp=fit.rsp,
        rse=fit.rse,
        fit_rms=fit.fit_rms,
        alpha=fit.alpha,
        beta=fit.beta,
        sigma_px=fit.sigma_px,
        shift_px=alignment.shift_px,
        crop=crop,
        scored_px=counted.size,
        signed_map=signed,
        iterations=fit.iterations,
        stops_short=fit.stops_short,
    )


def _warnings(
    found: Measured, mode: str, factor: int, fixed: bool, um_per_px: float | None, limit_um: float | None
) -> Iterator[str]:
    low, high = (2 * SIGMA_MIN_SR_PX / factor, SIGMA_MAX_PX) if mode == "exact" else SIGMA_BOX_PX
    if not fixed and found.sigma_px >= 0.999 * high:
        yield (
            f"sigma is at its upper bound of {high:g} reference pixels: the images differ by more "
            "than a blur, for example in background"
        )
    elif (
        um_per_px is not None and limit_um is not None and found.sigma_px * um_per_px > _ABOVE_PSF * limit_um
    ):
        yield (
            f"sigma ({found.sigma_px * um_per_px:.3f} um) is above the PSF ({limit_um:.3f} um): background "
            "mismatch or non-linear intensities"
        )
    if not fixed and found.sigma_px <= 1.001 * low:
        yield (
            f"sigma is at its lower bound ({found.sigma_px:.3g} reference pixels): the image is not sharper "
            "than the reference"
        )
    if found.stops_short:
        yield (
            "the plugin's first guess of beta or alpha is negative: its search stops short of the best fit "
            "where its random numbers decide, so RSE may differ from its own by up to 15 %, RSP by 0.003"
        )
    if found.alpha <= 0:
        yield "alpha is not positive: the image is inverted, or shows something else than the reference"
    elif abs(found.rsp) < _FLAT:
        yield (
            f"beta dominates: what the fit takes from the image explains {100 * abs(found.rsp):.0f} % of the "
            "reference's contrast, the rest is a constant"
        )
