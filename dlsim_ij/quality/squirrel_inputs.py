"""What RSE and RSP accept, and what they refuse in one line."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.inputs import FloatImage
from dlsim_ij.quality.rsf import rsf_sigma_px
from dlsim_ij.quality.squirrel_exact import MIN_SCORED_PX

MODES = ("exact", "compat")
MAX_MAGNIFICATION = 5  # the plugin's own default

BoolImage = NDArray[np.bool_]


def check_options(
    *,
    mode: str = "exact",
    sigma_px: float | None = None,
    sigma_um: float | None = None,
    rsf: ArrayLike | None = None,
    pixel_size_um: float | None = None,
    emission_nm: float | None = None,
    na: float | None = None,
    max_magnification: int = MAX_MAGNIFICATION,
    max_shift_px: int = 0,
) -> None:
    """Refuse options of :func:`rse_rsp` that cannot be, before an image is read.

    Raises
    ------
    ConfigError
    """
    if mode not in MODES:
        raise ConfigError(f"mode {mode!r} of rse_rsp does not exist", 'there are "exact" and "compat"')
    lengths = {"sigma_px": sigma_px, "sigma_um": sigma_um, "pixel_size_um": pixel_size_um}
    for name, value in {**lengths, "emission_nm": emission_nm, "na": na}.items():
        if value is not None and not (isfinite(value) and value > 0):
            what = "a positive number" if name == "na" else "a length"
            raise ConfigError(f"{name} is {value}, not {what}", "pass a positive number, or None")
    if sum(value is not None for value in (sigma_px, sigma_um, rsf)) > 1:
        raise ConfigError("the blur is given twice", "pass one of sigma_px, sigma_um and rsf")
    if sigma_um is not None and pixel_size_um is None:
        raise ConfigError(
            "a sigma in micrometres needs the pixel size of the image", "pass pixel_size_um, or sigma_px"
        )
    if max_magnification < 1 or max_shift_px < 0:
        raise ConfigError(
            f"max_magnification is {max_magnification}, max_shift_px {max_shift_px}",
            "at least 1 and at least 0",
        )
    if mode != "compat" and (max_magnification != MAX_MAGNIFICATION or max_shift_px):
        raise ConfigError(
            "max_magnification and max_shift_px belong to mode compat", "exact needs neither; leave them out"
        )


def given_sigma_px(
    factor: int, sigma_px: float | None, sigma_um: float | None, rsf: ArrayLike | None,
    pixel_size_um: float | None, mode: str,
) -> float | None:  # fmt: skip
    """Return the known blur in reference pixels, in whichever way it was given; None: it is to be found."""
    if sigma_um is not None and pixel_size_um is not None:
        return sigma_um / (factor * pixel_size_um)
    if rsf is not None:
        # the plugin fits a sampled Gaussian, but pictures are integrated over pixels
        return rsf_sigma_px(rsf, integrated=mode == "exact")
    return None if sigma_px is None else float(sigma_px)


def magnification(reference: tuple[int, ...], image: tuple[int, ...]) -> int:
    """Return image pixels per reference pixel, or refuse sizes that do not fit."""
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


def checked_mask(mask: ArrayLike, shape: tuple[int, ...]) -> BoolImage:
    """Return the mask if it lies on the reference and leaves enough to score."""
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
    return chosen


def own_array(checked: FloatImage, original: ArrayLike) -> FloatImage:
    """Return an array that may be overwritten."""
    return (
        checked.copy()
        if isinstance(original, np.ndarray) and np.may_share_memory(checked, original)
        else checked
    )


def single(image: ArrayLike) -> NDArray[np.float32]:
    """Return the image as the plugin holds it."""
    return np.asarray(image).astype(np.float32, copy=False)


def psf_sigma_um(emission_nm: float, na: float) -> float:
    """Return the sigma of the Gaussian that is closest to a widefield PSF in focus.

    Zhang et al. 2007, :doi:`10.1364/AO.46.001819`, paraxial.
    """
    return float(np.sqrt(2) / (2 * np.pi) * emission_nm / na / 1000)
