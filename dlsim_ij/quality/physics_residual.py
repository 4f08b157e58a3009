"""The physics round trip: whether an image would have given the raw frames.

1. Pattern, blur and camera pixels turn the image into the frames that it predicts (`physics_forward`).
2. What the image cannot know, gain and filter, and what the acquisition knows nearly, is fitted
   (`physics_fit`); noise is measured where the optics pass nothing (`physics_noise`).
3. What is left of the frames is moved back to the image and searched for structure (`physics_scan`), at the
   frequencies where image and frames both have something to say (`physics_detail`).

docs/round-trip.md explains it with pictures, and says how often it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.acquisition.layout import Acquisition
from dlsim_ij.acquisition.thinning import PhotonScale
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.quality.physics_detail import compare_detail, find_shift
from dlsim_ij.quality.physics_fit import Fitted, Frames, fit_model
from dlsim_ij.quality.physics_forward import Mover, RawPlane, fading
from dlsim_ij.quality.physics_noise import measure_noise, trust_axes
from dlsim_ij.quality.physics_scan import PAPER_CUTOFF_PX, ImagePlane, evidence, noise_map, scan
from dlsim_ij.results import Result

_FADE, _MARGIN = 4.1, 6.9  # resolved distances: 12 and 20 pixels of the paper's microscope
_LEAST_SCORED_PX = 16
# Poisson noise gathered with a Gaussian of sigma 1.23 px, the paper's PSF: (2/3) / (sqrt(pi) 1.23), a little
# more for uneven light; over the root of the electrons in a pixel of all frames
_SKEW = 0.35
# Where the bands of an angle cannot be separated every inexactness leaks into the others. Chosen on simulated
# stacks and the public sample.
_FEW_INEXACT, _FEW_EXPECTED = 1.4, 1.3
_COARSER = 0.8  # of the frames' finest frequency: below, an image misses detail


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsResidual(Result):
    """What raw frames say against an image.

    Attributes
    ----------
    value : float
        Largest local departure, in standard deviations of what noise and an inexact model explain.
    expected : (float, float)
        Range of `value` for a true image of this field, from the 1 % to the 99 % level. An image made of the
        same frames shares their noise, and may stay below.
    invented, missing : float
        Largest departures of either sign: light that the image shows and the frames do not have, and light
        in the frames that the image does not show.
    where_px : (int, int)
        y, x of the largest in the image.
    share : float
        Share of the field whose departure is above the expected range.
    shift_px : (float, float)
        y, x by which the whole image would have to move to fit the frames best, in its pixels.
    frames_rms : float
        What is left of the frames, in units of their noise; 1 is noise alone. Frames that no image explains,
        as of a moving sample, are above without structure in the map.
    finest_frames_px : float or None
        Shortest period, in camera pixels, that stands out of the noise of the frames; None where there are
        too few phases to tell.
    finest_image_px : float
        Down to which the image shows what the frames show.
    frames_used : int
    scored_px : (int, int, int, int)
        y from, to, x from, to of the image; the border is not scored.
    map : (2Y, 2X) float32 ndarray
        The departure at every place of the image, strongest of several shapes, in the unit of `value`.
        Positive: light that the image misses. Negative: light that it invented. 0 at the border.
    """

    value: float
    expected: tuple[float, float]
    invented: float
    missing: float
    where_px: tuple[int, int]
    share: float
    shift_px: tuple[float, float]
    frames_rms: float
    finest_frames_px: float | None
    finest_image_px: float
    frames_used: int
    scored_px: tuple[int, int, int, int]
    map: NDArray[np.float32] = field(repr=False, compare=False)

    @property
    def consistent(self) -> bool:
        """Nowhere do the frames contradict the image beyond what chance explains."""
        return self.value <= self.expected[1]

    @property
    def misses_detail(self) -> bool:
        """The frames show finer detail than the image."""
        finest = self.finest_frames_px
        return finest is not None and finest < _COARSER * self.finest_image_px

    @property
    def sentence(self) -> str:
        """What to make of it, in one or two sentences."""
        most = self.expected[1]
        if self.consistent:
            text = (
                f"The raw frames are what this image would have given: the largest local departure is "
                f"{self.value:.1f} times the expected noise, by chance it is up to {most:.1f}."
            )
        else:
            y, x = self.where_px
            what = "shows light that the frames do not have" if self.invented >= self.missing else (
                "lacks light that the frames have"
            )  # fmt: skip
            text = (
                f"The raw frames contradict this image: at x {x}, y {y} px it {what}, by {self.value:.1f} "
                f"times the expected noise (by chance up to {most:.1f})."
            )
        if self.misses_detail:
            text += (
                f" It misses detail: the frames hold periods down to {self.finest_frames_px:.1f} camera "
                f"pixels, the image shows them down to {self.finest_image_px:.1f}."
            )
        return text


def physics_residual(
    image: ArrayLike,
    frames: ArrayLike,
    acquisition: Acquisition,
    *,
    frames_used: Sequence[int] | None = None,
    scale: PhotonScale | None = None,
) -> PhysicsResidual:
    """Compare raw frames with those that a super-resolved image would have given.

    Parameters
    ----------
    image : (2Y, 2X) array_like
        Super-resolved image, any gain and offset; pixel j lies at native coordinate (j + 0.5) / 2 - 0.5.
    frames : (n, Y, X) array_like
        Native camera counts, about 56 x 56 pixels and more: all of the acquisition, or those of
        `frames_used`.
    acquisition : Acquisition
        Fitted illumination and optics, from `detect_acquisition`.
    frames_used : sequence of int, optional
        Which frames of the acquisition take part, counted from 0: ``(0, 5, 10)`` is one phase for each of
        three angles. All by default.
    scale : PhotonScale, optional
        Gain and offset of the camera; by default the noise is measured in the frames.

    Returns
    -------
    PhysicsResidual

    Raises
    ------
    ImageError
        Image or frames cannot be measured, their sizes do not fit, or the frames hold no noise.
    LayoutError
        The number of frames does not fit, or the acquisition is not fit to be compared with.
    """
    pixels = check_image(image)
    raw, chosen = _checked_frames(frames, acquisition, frames_used)
    height, width = raw.shape[1:]
    if pixels.shape != (2 * height, 2 * width):
        raise ImageError(
            f"the image is {pixels.shape[0]} x {pixels.shape[1]} pixels, the frames {height} x {width}",
            "the image must have twice the pixels of the native frames along each side",
        )
    cutoff_px = acquisition.optics.cutoff_px
    margin_px = round(_MARGIN / cutoff_px)
    smallest = 2 * margin_px + _LEAST_SCORED_PX
    if min(height, width) < smallest:
        raise ImageError(
            f"the frames are {height} x {width} pixels, at least {smallest} x {smallest} are needed",
            "use a larger field: its border cannot be compared",
        )
    line = measure_noise(raw, cutoff_px, scale)
    plane = RawPlane((height, width), cutoff_px, round(_FADE / cutoff_px))
    mover = Mover(plane, acquisition.patterns)
    mean = raw.mean(axis=0, dtype=np.float64)
    even = float(line.of(mean).mean())
    faint = float(np.prod([(fading(side, plane.fade_px) ** 2).mean() for side in (height, width)]))
    numbers = [len(pattern.steps_rad) for pattern in acquisition.patterns]
    measured = Frames(
        spectra=plane.of_real(raw),
        angles=np.repeat(np.arange(len(numbers)), numbers)[chosen],
        steps_rad=np.concatenate([pattern.steps_rad for pattern in acquisition.patterns])[chosen],
        variance=even * height * width * faint,
        trusted=trust_axes(mean, plane, cutoff_px),
    )
    fine = mover.transformed(pixels)
    fitted = fit_model(mover.bands(fine), measured, mover, cutoff_px)
    part = ImagePlane(mover, cutoff_px)
    found = evidence(fine, fitted, measured, mover, part, cutoff_px)
    detail = compare_detail(found, part, cutoff_px)
    relative = noise_map(raw, line, fitted, measured, mover) / np.float32(even * faint)
    whole = measured.separable(mover.orders)
    skew = _SKEW * line.slope / np.sqrt(even * len(raw)) * cutoff_px / PAPER_CUTOFF_PX
    done = scan(
        found, detail.window, relative, part, cutoff_px, margin_px, skew, 1.0 if whole else _FEW_INEXACT
    )
    low, high = done.expected
    expected = (low, high if whole else _FEW_EXPECTED * high)
    shift = find_shift(found, detail.window, part)
    inner = done.map[2 * margin_px : 2 * (height - margin_px), 2 * margin_px : 2 * (width - margin_px)]
    missing, invented = max(0.0, float(inner.max())), max(0.0, -float(inner.min()))
    where = np.unravel_index(np.argmax(inner) if missing > invented else np.argmin(inner), inner.shape)
    return PhysicsResidual(
        value=max(missing, invented),
        expected=expected,
        invented=invented,
        missing=missing,
        where_px=(int(where[0]) + 2 * margin_px, int(where[1]) + 2 * margin_px),
        share=float((np.abs(inner) > expected[1]).mean()),
        shift_px=(2 * shift[0], 2 * shift[1]),
        frames_rms=_rms(measured, fitted),
        finest_frames_px=1 / detail.frames_limit if whole else None,
        finest_image_px=1 / detail.image_limit,
        frames_used=len(raw),
        scored_px=(2 * margin_px, 2 * (height - margin_px), 2 * margin_px, 2 * (width - margin_px)),
        map=done.map,
    )


def _rms(measured: Frames, fitted: Fitted) -> float:
    """Return what is left of the frames in units of their noise, at the frequencies that count."""
    weight = fitted.weights[measured.angles]
    left = np.abs(measured.spectra - fitted.predicted) ** 2
    return float(
        np.sqrt((weight * left).sum(dtype=np.float64) / weight.sum(dtype=np.float64) / measured.variance)
    )


def _checked_frames(
    frames: ArrayLike, acquisition: Acquisition, frames_used: Sequence[int] | None
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the frames that take part, and their places in the acquisition."""
    if not acquisition.fit:
        reason = acquisition.warnings[0][0] if acquisition.warnings else "its illumination was not found"
        raise LayoutError(
            f"the acquisition is not fit to predict frames: {reason}", "check the raw stack with dlsim run -v"
        )
    raw = np.asarray(frames)
    if raw.ndim != 3 or raw.dtype.kind not in "iuf":
        raise ImageError(
            f"the frames have the shape {' x '.join(map(str, raw.shape))} and the type {raw.dtype}",
            "pass (n, Y, X) camera counts",
        )
    total = sum(len(pattern.steps_rad) for pattern in acquisition.patterns)
    places = np.arange(total) if frames_used is None else np.asarray(frames_used)
    valid = places.ndim == 1 and places.size > 0 and places.dtype.kind in "iu"
    if not valid or places.min() < 0 or places.max() >= total or len(np.unique(places)) != len(places):
        raise LayoutError(
            f"frames_used is {frames_used!r}, the acquisition has {total} frames",
            "name different frames, counted from 0",
        )
    if len(raw) == total:
        places = np.sort(places)
        raw = raw[places]
    elif len(raw) != len(places):
        raise LayoutError(
            f"{len(raw)} frames do not fit an acquisition of {total}, of which {len(places)} are used",
            "pass all frames, or name in frames_used those that you pass",
        )
    if not np.isfinite(raw).all():
        raise ImageError("the frames hold NaN or infinity", "repair the file first")
    for place, frame in zip(places, raw, strict=True):
        if frame.size == 0 or frame.min() == frame.max():
            raise ImageError(f"frame {place + 1} of {total} is constant", "was the stack saved completely?")
    return raw, places.astype(np.intp)
