"""Fourier ring correlation: up to which spatial frequency two images of one field agree.

Two independently noisy images share the structure and not the noise. Their correlation, ring by ring of
spatial frequency, falls from 1 where structure rules to 0 where noise does; the resolution is the period
at which it crosses a threshold (:doi:`10.1038/nmeth.2448`). One image is split into two by giving every
photon to one of two halves at random (:func:`~dlsim_ij.quality.thinning.split_image`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.acquisition.thinning import PhotonScale
from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.frc_curve import Curve, Status
from dlsim_ij.quality.frc_rings import FloatArray, Rings, Window, ring_sums
from dlsim_ij.quality.frc_shift import align as align_pair
from dlsim_ij.quality.frc_shift import find_shift
from dlsim_ij.quality.frc_thresholds import Threshold, check_threshold, for_all_photons, threshold_curve
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.quality.thinning import estimate_photon_scale, split_image
from dlsim_ij.results import Result

Method = Literal["pair", "binomial-split", "frame-split"]
FrameSplit = Literal["alternate", "halves", "binomial"]

MIN_SIDE_PX = 32
_HARMFUL_SHIFT = 0.1  # of the resolution: it takes 10 % off the correlation at the crossing
_LEAST_FLOOR = 0.03
_DARK_ELECTRONS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Frc(Result):
    """Resolution by Fourier ring correlation, and the curves it was read from."""

    status: Status
    resolution_px: float | None  # None: no crossing, see `status`
    resolution_um: float | None  # None also where the pixel size is unknown
    resolution_sd_px: float | None  # from the number of samples in the rings around the crossing
    cutoff: float | None  # cycles/px of the crossing
    threshold: Threshold
    pixel_size_um: float | None
    method: Method
    full_photons: bool  # the threshold was moved so that halves stand for images with all photons
    shift_px: tuple[float, float] | None  # (y, x) by which the second image must move; None for a split
    photon_scale: PhotonScale | None  # used to split; None for a pair
    warnings: tuple[str, ...]
    frequency: FloatArray = field(repr=False, compare=False)  # (rings,) cycles/px
    raw: FloatArray = field(repr=False, compare=False)  # (rings,)
    smoothed: FloatArray = field(repr=False, compare=False)  # (rings,)
    threshold_curve: FloatArray = field(repr=False, compare=False)  # (rings,)
    n_independent: FloatArray = field(repr=False, compare=False)  # (rings,) complex samples


def frc_resolution(
    first: ArrayLike,
    second: ArrayLike | None = None,
    *,
    pixel_size_um: float | None = None,
    threshold: Threshold = "1/7",
    window: Window = "tukey",
    smoothed: bool = True,
    align: bool = False,
    gain: float | None = None,
    offset: float | None = None,
    full_photons: bool = False,
    seed: int = 0,
) -> Frc:
    """Measure the resolution of two images of one field, or of one camera image.

    Parameters
    ----------
    first : (Y, X) array_like
        At least 32 x 32, any intensity unit. Need not be square.
    second : (Y, X) array_like, optional
        The same field on the same grid with independent noise. Without it, `first` is split into two halves
        of its photons; it must then come straight from a camera, because in an image that was interpolated,
        denoised or reconstructed the noise is not independent from pixel to pixel.
    pixel_size_um : float, optional
        Only turns px into um.
    threshold : {"1/7", "half-bit", "3-sigma"}
        See :func:`~dlsim_ij.quality.frc_thresholds.threshold_curve`.
    window : {"tukey", "hann", "none"}
        Taken to avoid the cross that image borders make in the spectrum: "tukey" tapers an eighth of each
        side at both ends.
    smoothed : bool
        Read the crossing from the smoothed curve (LOESS over a twentieth of the side's pixels in rings, as
        in :doi:`10.1038/nmeth.2448`), or else from the raw one.
    align : bool
        Undo the shift between the two images before they are compared. Without it a shift that matters is
        only reported.
    gain, offset : float, optional
        To split one camera image: counts per photo-electron, and counts (see
        :class:`~dlsim_ij.acquisition.thinning.PhotonScale`). Both or neither; estimated without them.
    full_photons : bool
        One image only. Each half has half of the photons, so its resolution is lower than that of two
        images like `first`. True answers for the latter, by the threshold that
        :func:`~dlsim_ij.quality.frc_thresholds.for_all_photons` gives. The published thresholds are meant
        for halves and speak of the sum of both, which is why False is the default.
    seed : int
        Of the random split.

    Returns
    -------
    Frc
        `status` is "ok"; "no-crossing": the images agree up to the Nyquist frequency, so the pixel limits
        the resolution, or noise is shared; "no-signal": nothing significant is shared; "identical": one
        image was given twice. Only "ok" has a resolution.

    Raises
    ------
    ImageError
        An image cannot be measured, the sizes differ, or one image cannot be split.
    ConfigError
        A setting is unknown or out of range.

    Notes
    -----
    Correlation of ring r: ``sum Re(F1 conj(F2)) / sqrt(sum |F1|^2 sum |F2|^2)``; the crossing is the
    first, by straight line between two rings, up to which all rings together correlate by 5 standard
    deviations of noise, so a resolution coarser than a third of the shorter side is not seen. The number
    does not depend on gain or offset of either image, nor on flips and quarter turns of both. Noise that
    both images share (a fixed pattern, the same denoiser, a split of one processed image) looks like
    structure.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(0)
    >>> structure = gaussian_filter(rng.normal(size=(128, 128)), 2)
    >>> result = frc_resolution(*(structure + rng.normal(0, 0.05, structure.shape) for _ in range(2)))
    >>> result.status, round(result.resolution_px, 1)
    ('ok', 4.6)
    """
    check_threshold(threshold)
    check_pixel_size(pixel_size_um)
    options = _Options(threshold, window, smoothed, align, full_photons, pixel_size_um)
    if second is None:
        pixels = check_image(first, "the image", MIN_SIDE_PX)
        if align:
            raise ConfigError("two halves of one image need no alignment", "leave out align")
        half, other, scale = split_image(pixels, gain=gain, offset=offset, seed=seed)
        return _measure(half, other, options, "binomial-split", scale)
    if gain is not None or offset is not None:
        raise ConfigError("gain and offset are for splitting one image, two are given", "leave them out")
    if full_photons:
        raise ConfigError("two images need no correction of their photons", "leave out full_photons")
    return _measure(*check_frc_pair(first, second), options, "pair", None)


def frc_frame_split(
    frames: ArrayLike,
    reconstruct: Callable[[FloatArray], ArrayLike] | None = None,
    *,
    split: FrameSplit = "alternate",
    pixel_size_um: float | None = None,
    threshold: Threshold = "1/7",
    window: Window = "tukey",
    smoothed: bool = True,
    gain: float | None = None,
    offset: float | None = None,
    full_photons: bool = False,
    seed: int = 0,
) -> Frc:
    """Measure the resolution of a reconstruction from two halves of its raw data.

    Parameters
    ----------
    frames : (N, Y, X) or (T, N, Y, X) array_like
        N equivalent frames (a series of one view, blinking frames); or T repeats of an acquisition whose N
        frames differ, as the 15 of SIM do.
    reconstruct : callable, optional
        From raw frames to one image, ``(N, Y, X) -> (Y', X')``; the mean over frames if left out. It is
        called once per half. Whatever it fits (pattern, normalisation) should be fitted to all frames
        beforehand: what is fitted to each half is part of what is compared.
    split : {"alternate", "halves", "binomial"}
        "alternate": even and odd frames (repeats), so that bleaching and drift fall on both alike.
        "halves": first and second half in time. "binomial": the photons of every frame are shared out at
        random; the only choice for a single acquisition of frames that differ, where leaving out every
        second frame would leave out angles or phases.
    pixel_size_um : float, optional
        Of the reconstructed image.
    threshold, window, smoothed, gain, offset, full_photons, seed
        As in :func:`frc_resolution`; `full_photons` applies to every split, each half having half the light.

    Returns
    -------
    Frc
        With `method` "frame-split", whatever the split.

    Raises
    ------
    ImageError
        The frames cannot be split, or a reconstruction cannot be measured.
    ConfigError
        A setting is unknown or out of range.
    """
    check_threshold(threshold)
    check_pixel_size(pixel_size_um)
    if split not in get_args(FrameSplit):
        raise ConfigError(f"no split is called '{split}'", f"choose {', '.join(get_args(FrameSplit))}")
    if split != "binomial" and (gain is not None or offset is not None):
        raise ConfigError(f"gain and offset play no part in the split '{split}'", "leave them out")
    stack = np.asarray(frames)
    if stack.ndim not in (3, 4) or 0 in stack.shape:
        raise ImageError(
            f"the frames have the shape {_size(stack)}", "give (frames, Y, X) or (repeats, frames, Y, X)"
        )
    if stack.dtype.kind not in "iuf":
        raise ImageError(f"the frames are of type {stack.dtype}", "pass integers or floating point numbers")
    make = reconstruct if reconstruct is not None else _mean
    options = _Options(threshold, window, smoothed, False, full_photons, pixel_size_um)
    scale, warnings = None, []
    if split == "binomial":
        # before repeats are averaged: a mean of counts is not Poisson distributed any more
        halves, scale = _split_every_frame(stack.reshape(-1, *stack.shape[-2:]), gain, offset, seed)
        if stack.ndim == 4:
            halves = halves[0].reshape(stack.shape).mean(axis=0), halves[1].reshape(stack.shape).mean(axis=0)
    else:
        count = len(stack) // 2
        if count == 0:
            raise ImageError("one frame cannot be shared between two halves", "use split='binomial'")
        if len(stack) % 2:
            warnings.append(f"the last of {len(stack)} frames was left out, so that both halves are equal")
        if split == "alternate":
            parts = stack[0 : 2 * count : 2], stack[1 : 2 * count : 2]
        else:
            parts = stack[:count], stack[count : 2 * count]
        if stack.ndim == 4:
            parts = parts[0].mean(axis=0), parts[1].mean(axis=0)
        halves = np.asarray(parts[0], np.float64), np.asarray(parts[1], np.float64)
    images = [
        check_image(make(half), f"the reconstruction of half {number}", MIN_SIDE_PX)
        for number, half in enumerate(halves, start=1)
    ]
    _check_same_size(*images)
    result = _measure(images[0], images[1], options, "frame-split", scale)
    return replace(result, warnings=(*warnings, *result.warnings))


@dataclass(frozen=True)
class _Options:
    threshold: Threshold
    window: Window
    smoothed: bool
    align: bool
    full_photons: bool
    pixel_size_um: float | None


def _measure(
    first: FloatArray, second: FloatArray, options: _Options, method: Method, scale: PhotonScale | None
) -> Frc:
    rings = Rings.of((first.shape[0], first.shape[1]), options.window)
    sums, cross = ring_sums(first, second, rings)
    threshold = threshold_curve(options.threshold, rings.n_independent)
    if options.full_photons:
        threshold = for_all_photons(threshold)
    curve = Curve.of(sums, rings, threshold, options.smoothed)
    shift = None if method == "binomial-split" else find_shift(cross, sums, curve, rings)
    del cross
    if options.align and shift is not None and shift != (0.0, 0.0):
        pair = align_pair(first, second, shift, MIN_SIDE_PX)
        return replace(_measure(*pair, replace(options, align=False), method, scale), shift_px=shift)
    status, cutoff, sd = curve.crossing()
    resolution = None if cutoff is None else 1 / cutoff
    pixel = options.pixel_size_um
    return Frc(
        status=status,
        resolution_px=resolution,
        resolution_um=resolution * pixel if resolution is not None and pixel is not None else None,
        resolution_sd_px=sd / cutoff**2 if cutoff is not None and sd is not None else None,
        cutoff=cutoff,
        threshold=options.threshold,
        pixel_size_um=pixel,
        method=method,
        full_photons=options.full_photons,
        shift_px=shift,
        photon_scale=scale,
        warnings=tuple(_warnings(status, cutoff, curve, shift, scale, method, first, second)),
        frequency=rings.frequency,
        raw=curve.raw,
        smoothed=curve.smoothed,
        threshold_curve=curve.threshold,
        n_independent=rings.n_independent,
    )


def _warnings(
    status: Status,
    cutoff: float | None,
    curve: Curve,
    shift: tuple[float, float] | None,
    scale: PhotonScale | None,
    method: Method,
    first: FloatArray,
    second: FloatArray,
) -> list[str]:
    if status == "identical":
        return [
            "both images are the same up to gain and offset: their noise is shared, so nothing is measured"
        ]
    found = []
    if status == "no-crossing":
        found.append(
            "the curve stays above the threshold up to the Nyquist frequency: the pixel limits the"
            " resolution, or both images share their noise"
        )
    if shift is not None:
        length = float(np.hypot(*shift))
        allowed = _HARMFUL_SHIFT / cutoff if cutoff is not None else 1.0
        if length > allowed:
            found.append(
                f"the second image is shifted by {length:.2f} px (it must move {shift[0]:+.2f} px in y,"
                f" {shift[1]:+.2f} px in x), which lowers the curve: align the two"
            )
    floor, error = curve.floor(cutoff)
    if abs(floor) > max(_LEAST_FLOOR, 4 * error):
        if scale is not None and method == "binomial-split":
            # splitting y / g' leaves the noise correlated by (g - g') / (g + g')
            found.append(
                f"the halves correlate by {floor:+.2f} at the highest frequencies, where they should not: the"
                f" gain looks {(1 + abs(floor)) / (1 - abs(floor)):.2f} times too "
                + ("small" if floor > 0 else "large")
                + ", or the image was processed"
            )
        elif floor > 0:
            found.append(
                f"the images correlate by {floor:.2f} at the highest frequencies: noise or a fixed pattern"
                " is shared, or detail reaches that far"
            )
    if scale is not None and method == "binomial-split":
        electrons = float(np.mean(first) + np.mean(second)) / scale.gain
        if electrons < _DARK_ELECTRONS:
            found.append(
                f"the image holds {electrons:.2g} photo-electrons per pixel: halves of it are not"
                " independent where a pixel sees less than one"
            )
    return found


def _split_every_frame(
    frames: NDArray[np.generic], gain: float | None, offset: float | None, seed: int
) -> tuple[tuple[FloatArray, FloatArray], PhotonScale]:
    height, width = frames.shape[1:]
    if gain is None and offset is None:
        # one camera took them all; the few blocks that lie across two frames are outliers to the fit
        found = estimate_photon_scale(frames.reshape(-1, width))
        gain, offset = found.gain, found.offset
    else:
        found = None
    halves = np.empty((2, len(frames), height, width))
    generator = np.random.default_rng(seed)
    for index, frame in enumerate(frames):
        halves[0, index], halves[1, index], scale = split_image(
            frame, gain=gain, offset=offset, seed=generator
        )
    return (halves[0], halves[1]), found or scale


def _mean(frames: FloatArray) -> FloatArray:
    return np.asarray(frames.mean(axis=0))


def check_frc_pair(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return two images as float64, or say why they cannot be correlated."""
    pixels = check_image(first, "the first image", MIN_SIDE_PX)
    partner = check_image(second, "the second image", MIN_SIDE_PX)
    _check_same_size(pixels, partner)
    return pixels, partner


def _check_same_size(first: FloatArray, second: FloatArray) -> None:
    if first.shape != second.shape:
        raise ImageError(
            f"the first image is {_size(first)} pixels, the second {_size(second)}",
            "both must show the same field on the same pixel grid",
        )


def check_pixel_size(pixel_size_um: float | None) -> None:
    """Raise `ConfigError` for a pixel that is no length."""
    if pixel_size_um is not None and not (np.isfinite(pixel_size_um) and pixel_size_um > 0):
        raise ConfigError(
            f"the pixel size is {pixel_size_um}", "give the side of a pixel in um, or leave it out"
        )


def _size(pixels: NDArray[np.generic]) -> str:
    return " x ".join(str(side) for side in pixels.shape) or "()"
