"""The resolution of one image as a user asks for it: guarded, with warnings and a spread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.decorrelation import Decorrelation, Status, Version, decorrelation_resolution
from dlsim_ij.quality.image_doubts import image_doubts
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.quality.resampling import Resampling, detect_resampling
from dlsim_ij.quality.spread import Spread, summarise
from dlsim_ij.quality.thinning import photon_scale, split_image
from dlsim_ij.results import Result

FloatArray = NDArray[np.float64]

_FEWEST_THINNINGS = 5
ROUNDING_SIGMA_PX = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResolution(Result):
    """The resolution of an image, whether it can be believed, and the plugin's number beside it.

    Attributes
    ----------
    status : {"ok", "no-peak", "crash"}
        Of the number that counts (see :class:`~dlsim_ij.quality.decorrelation.Decorrelation`).
    resolution_nm, resolution_px : float or None
        Measured at native sampling; `resolution_px` in pixels of the image as given. None without a peak,
        and `resolution_nm` without a pixel size.
    kc, a0 : float or None
        At native sampling: 1 is the Nyquist frequency of the native pixels.
    enlarged : bool
        The image was found to be enlarged, by `factor` along each axis.
    factor : float
        Pixels of the image per native pixel; 1 when it was not enlarged, or nobody looked.
    naive_resolution_nm, naive_resolution_px : float or None
        What the plugin gives on the image as it is. They hold only if `naive_valid`.
    naive_valid : bool
    pixel_size_um, native_pixel_size_um : float or None
    spread : Spread or None
        Of the resolution under other noise, when it was asked for; in nm if the pixel size is known.
    warnings : tuple of (str, str)
        What is doubtful, and what to do.
    resampling : Resampling or None
        None when the guard was off.
    native, naive : Decorrelation
        The two measurements with their curves; one object when the image was not enlarged.
    """

    status: Status
    resolution_nm: float | None
    resolution_px: float | None
    kc: float | None
    a0: float
    enlarged: bool
    factor: float
    naive_resolution_nm: float | None
    naive_resolution_px: float | None
    naive_valid: bool
    pixel_size_um: float | None
    native_pixel_size_um: float | None
    spread: Spread | None
    warnings: tuple[tuple[str, str], ...]
    resampling: Resampling | None = field(repr=False, compare=False)
    native: Decorrelation = field(repr=False, compare=False)
    naive: Decorrelation = field(repr=False, compare=False)


def image_resolution(
    image: ArrayLike,
    pixel_size_um: float | None = None,
    *,
    version: Version = "1.1.8-nocap",
    rmin: float = 0.0,
    rmax: float = 1.0,
    n_radii: int = 50,
    n_gaussians: int = 10,
    guard: bool = True,
    unaltered: bool = False,
    n_thinnings: int = 0,
    gain: float | None = None,
    offset: float | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> ImageResolution:
    """Measure the resolution of one image by decorrelation analysis, and say how far to trust it.

    Parameters
    ----------
    image : (Y, X) array_like
        Any intensity unit. Of an RGB picture the plugin takes the red channel: pass ``rgb[..., 0]``.
    pixel_size_um : float, optional
        Side of a pixel of the image as given, in micrometre.
    version, rmin, rmax, n_radii, n_gaussians, workers
        As in :func:`~dlsim_ij.quality.decorrelation.decorrelation_resolution`.
    guard : bool
        Look for an enlargement, and measure at native sampling if there was one; and look for what else
        makes the number doubtful. An enlarged image has the same resolution in pixels on smaller pixels,
        so the plugin claims detail that is not there.
    unaltered : bool
        The image is as it was made: see :func:`~dlsim_ij.quality.resampling.detect_resampling`.
    n_thinnings : int
        How often to thin the image for `spread`: 0 for none, else at least 5; 20 give the error bar itself
        to about 16 %.
    gain, offset : float, optional
        Of the camera, for the thinning; estimated from the image when not given
        (:mod:`~dlsim_ij.quality.thinning`).
    seed : int
        Of the thinning.

    Returns
    -------
    ImageResolution

    Raises
    ------
    ImageError, ConfigError
        As in `decorrelation_resolution`.

    Notes
    -----
    The spread comes from half images: each photon of the native image is kept with probability 1/2, again and
    again. That adds to an image of n photons per pixel the noise of variance n that a second exposure would
    differ by, so the standard deviation over the half images estimates that of the measured number over
    repeated exposures of the same field. Their mean and median belong to half the light, and are a little
    coarser. It is no error of the resolution itself: what the method or the sample get wrong does not show.
    Measured against 40 true repeats, see docs/quality.md.

    Examples
    --------
    >>> from scipy.ndimage import gaussian_filter
    >>> rng = np.random.default_rng(1)
    >>> specimen = 2000 * gaussian_filter((rng.random((128, 128)) > 0.98).astype(float), 1.5)
    >>> image = rng.poisson(specimen + 10)
    >>> plain = image_resolution(image, pixel_size_um=0.065)
    >>> enlarged = image_resolution(np.repeat(np.repeat(image, 2, 0), 2, 1), pixel_size_um=0.0325)
    >>> enlarged.factor, enlarged.resolution_nm == plain.resolution_nm
    (2.0, True)
    >>> enlarged.naive_valid, enlarged.naive_resolution_nm < enlarged.resolution_nm
    (False, True)
    """
    _check_thinnings(n_thinnings)

    def measure(pixels: ArrayLike, pixel_um: float | None) -> Decorrelation:
        return decorrelation_resolution(
            pixels, pixel_um, version, rmin, rmax, n_radii, n_gaussians, workers=workers
        )

    naive = measure(image, pixel_size_um)
    resampling = detect_resampling(image, unaltered=unaltered) if guard else None
    native, factor, pixels = naive, 1.0, check_image(image)
    warnings: list[tuple[str, str]] = []
    if resampling is not None and resampling.enlarged:
        factor, pixels = resampling.factor, resampling.native
        native = measure(pixels, pixel_size_um * factor if pixel_size_um else None)
        warnings.append(_enlarged_warning(resampling, naive, native))
    warnings += native.warnings
    if guard:
        warnings += image_doubts(pixels)
        warnings += _rounding_warning(native)
    spread = None
    if n_thinnings:
        unit: Literal["px", "nm"] = "nm" if pixel_size_um else "px"
        scale = factor * (1000 * pixel_size_um if pixel_size_um else 1)
        try:
            halves = half_images(pixels, n_thinnings, gain=gain, offset=offset, seed=seed)
        except ImageError as reason:
            warnings.append((f"no spread: {reason.message}", reason.hint or ""))
        else:
            found = (measure(half, None).resolution_px for half in halves)
            spread = summarise((value * scale if value else None for value in found), unit, "thinnings")
    return ImageResolution(
        status=native.status,
        resolution_nm=_nm(native),
        resolution_px=native.resolution_px * factor if native.resolution_px else None,
        kc=native.kc,
        a0=native.a0,
        enlarged=factor != 1,
        factor=factor,
        naive_resolution_nm=_nm(naive),
        naive_resolution_px=naive.resolution_px,
        naive_valid=factor == 1,
        pixel_size_um=pixel_size_um,
        native_pixel_size_um=native.pixel_size_um,
        spread=spread,
        warnings=tuple(warnings),
        resampling=resampling,
        native=native,
        naive=naive,
    )


def half_images(
    pixels: FloatArray, count: int, *, gain: float | None = None, offset: float | None = None, seed: int = 0
) -> Iterator[FloatArray]:
    """Return a generator of `count` images of half the light, each photon kept with probability 1/2.

    Raises
    ------
    ImageError
        At once: gain and offset are not given and cannot be estimated.
    """
    scale = photon_scale(pixels, gain, offset)
    generator = np.random.default_rng(seed)
    return (
        split_image(pixels, gain=scale.gain, offset=scale.offset, seed=generator)[0] for _ in range(count)
    )


def _check_thinnings(n_thinnings: int) -> None:
    if n_thinnings != int(n_thinnings) or n_thinnings < 0 or 0 < n_thinnings < _FEWEST_THINNINGS:
        raise ConfigError(
            f"{n_thinnings} thinnings", f"choose 0 for no spread, or at least {_FEWEST_THINNINGS}"
        )


def _enlarged_warning(resampling: Resampling, naive: Decorrelation, native: Decorrelation) -> tuple[str, str]:
    factor = resampling.factor
    claim = ""
    if naive.resolution_px is not None:
        length = f"{_nm(naive):.0f} nm" if naive.resolution_um else f"{naive.resolution_px:.2f} px"
        claim = f", so the plugin's {length} are not its resolution"
    bicubic = "by ImageJ's bicubic or bilinear" if factor == 2 else "by ImageJ's bicubic"
    what = {"bicubic": bicubic, "nearest": "by repeating pixels", "fourier": "in Fourier space"}
    how = what.get(resampling.method, "by interpolation")
    hint = "measured at native sampling; give the original image to be sure"
    if native.resolution_px is None:
        hint = "the original pixels give no resolution: use a brighter image, or the mean of the frames"
    return f"the image was enlarged {factor:.3g} times {how}{claim}", hint


def _rounding_warning(result: Decorrelation) -> list[tuple[str, str]]:
    """Tell when the curve that decides lies where single precision leaves little of the image.

    Of 1260 pairs of an image and the same in another unit or with another offset, kc differed in 103 (by 5 %
    in the median, more than 17 % in a tenth), and one of each pair was of this kind: 8 % of the images.
    """
    deciding = [
        curve.sigma_px
        for curve in result.curves
        if curve.sigma_px is not None and curve.peak_height > 0 and curve.peak_radius == result.kc
    ]
    if result.status != "ok" or not deciding or max(deciding) >= ROUNDING_SIGMA_PX:
        return []
    return [(
        "this resolution hangs on rounding, by some per cent: it comes from the method's finest filter "
        f"({max(deciding):.2f} px), which leaves hardly more of the image than the published plugin's single "
        "precision rounds away",
        "quote it as a rounded number (two digits), and compare images only in the same unit and offset",
    )]  # fmt: skip


def _nm(result: Decorrelation) -> float | None:
    return 1000 * result.resolution_um if result.resolution_um is not None else None
