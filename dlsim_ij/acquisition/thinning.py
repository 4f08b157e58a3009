"""Less light than there was: each detected photon is kept with one probability, at random.

A Poisson count thinned binomially is a Poisson count with a share of the mean, so a thinned stack is what
the same illumination would have given at that share of the light; the photons that were not kept are an
independent stack. For camera counts ``y``, with `gain` counts per photo-electron and read noise, the model
is ::

    mean of y = gain * electrons + camera offset
    variance of y = gain^2 * (electrons + read noise^2)

and ``offset = camera offset - gain * read noise^2`` makes ``x = (y - offset) / gain`` a number whose variance
equals its mean, ``electrons + read noise^2``: it is thinned as photons are (`thin_electrons`).

Read noise does not fall with the light. Of its variance r^2 the share q survives the thinning, since the r^2
in x were thinned along: q^2 r^2 of the noise that was there, and q (1 - q) r^2 from the lottery.
`thin_frames` adds what is missing, (1 - q) r^2. (Had x been counted from the true offset, q^2 r^2 would
survive and (1 - q^2) r^2 be missing; the sum is the same, but more pixels would lie below 0, and those
cannot be thinned.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.acquisition.light import USUAL_READ_NOISE_ELECTRONS, Light
from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.results import Result

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotonScale(Result):
    """How counts relate to photo-electrons: ``(counts - offset) / gain`` has its mean as its variance."""

    gain: float  # counts per photo-electron
    offset: float  # counts; below the camera's own offset by gain times its squared read noise
    source: Literal["given", "estimated"]
    gain_error: float | None  # one standard error; None when given
    whiteness: float | None  # of the noise; 1 is white. None when given

    def electrons(self, image: ArrayLike) -> FloatArray:
        """Return the image in photo-electrons, read noise included: ``(image - offset) / gain``."""
        return (np.asarray(image, np.float64) - self.offset) / self.gain


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsCamera(Result):
    """What thinning has to know of a camera.

    Attributes
    ----------
    gain_adu_per_electron : float
        Counts per photo-electron. Of an EMCCD, variance over mean: twice the true gain. With it, mean and
        variance of thinned counts are right, and "electrons" are half of the true ones.
    offset_adu : float
        Counts without light.
    read_noise_electrons : float
        Standard deviation.
    source : {"given", "measured"}
    read_noise_supposed : bool
        The frames did not tell the read noise, a usual one was taken. `offset_adu` then rests on it too, so
        that the scale of the photons does not.

    Raises
    ------
    ConfigError
        A number is not finite, the gain not positive, or the read noise negative.
    """

    gain_adu_per_electron: float
    offset_adu: float
    read_noise_electrons: float
    source: Literal["given", "measured"]
    read_noise_supposed: bool = False

    def __post_init__(self) -> None:
        gain, offset, read = self.gain_adu_per_electron, self.offset_adu, self.read_noise_electrons
        if not (isfinite(gain) and gain > 0 and isfinite(offset) and isfinite(read) and read >= 0):
            raise ConfigError(
                f"a camera with a gain of {gain:g}, an offset of {offset:g} and a read noise of {read:g}",
                "give a positive gain in counts per photo-electron, the offset in counts, the read noise in "
                "electrons",
            )

    @classmethod
    def of_light(cls, light: Light) -> CountsCamera:
        """Take over what `measure_light` found.

        Raises
        ------
        ImageError
            It found no gain.
        """
        if light.gain_adu_per_electron is None or light.offset_adu is None:
            raise ImageError(
                "the frames do not tell their gain: no part of their spectrum holds noise only, or the noise "
                "does not grow with the brightness",
                "give gain and offset of the camera, in counts per photo-electron and in counts",
            )
        read_noise = light.read_noise_electrons
        return cls(
            gain_adu_per_electron=light.gain_adu_per_electron,
            offset_adu=light.offset_adu,
            read_noise_electrons=USUAL_READ_NOISE_ELECTRONS if read_noise is None else read_noise,
            source="measured",
            read_noise_supposed=read_noise is None,
        )

    @property
    def scale(self) -> PhotonScale:
        """Counts to numbers whose variance equals their mean."""
        return PhotonScale(
            gain=self.gain_adu_per_electron,
            offset=self.offset_adu - self.gain_adu_per_electron * self.read_noise_electrons**2,
            source="given" if self.source == "given" else "estimated",
            gain_error=None,
            whiteness=None,
        )


def check_fraction(fraction: float, *, one_allowed: bool = False) -> None:
    """Raise `ConfigError` unless the fraction lies between 0 and 1."""
    if not (0 < fraction < 1 or (one_allowed and fraction == 1)):
        raise ConfigError(f"the fraction is {fraction}", "choose a number between 0 and 1")


def binomial_split(
    counts: ArrayLike, fraction: float = 0.5, *, seed: int | np.random.Generator = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split photon counts into two independent images.

    Parameters
    ----------
    counts : ndarray
        Whole numbers of photons, 0 or more, of any shape; floats must be whole too. Camera counts are not
        photons: use :func:`thin_frames`, or :func:`dlsim_ij.quality.split_image`.
    fraction : float
        Expected share of the first image, between 0 and 1.
    seed : int or numpy.random.Generator
        Source of the randomness.

    Returns
    -------
    first, second : ndarray of int64
        Their sum is `counts`. If `counts` is Poisson distributed, both are, independently.

    Raises
    ------
    ImageError
        Negative, broken or unusable numbers.
    ConfigError
        The fraction is not between 0 and 1.

    Examples
    --------
    >>> first, second = binomial_split(np.full((2, 2), 100), seed=1)
    >>> (first + second).tolist()
    [[100, 100], [100, 100]]
    """
    check_fraction(fraction)
    photons = np.asarray(counts)
    if photons.dtype.kind not in "iuf":
        raise ImageError(f"photon counts of type {photons.dtype} cannot be split", "pass whole numbers")
    if photons.size and not (np.isfinite(photons).all() and (photons >= 0).all()):
        raise ImageError(
            "photon counts must be 0 or more, these hold negative, NaN or infinite values",
            "for camera counts with an offset, use split_image",
        )
    whole = photons.astype(np.int64)
    if photons.dtype.kind == "f" and (whole != photons).any():
        raise ImageError(
            "photon counts must be whole numbers, these are not", "for scaled images, use split_image"
        )
    first = np.random.default_rng(seed).binomial(whole, fraction)
    return first, whole - first


def thin_electrons(electrons: FloatArray, fraction: float, generator: np.random.Generator) -> FloatArray:
    """Keep each electron with the probability `fraction`; the electrons need not be whole numbers.

    Parameters
    ----------
    electrons : ndarray
        Numbers whose variance equals their mean, from `PhotonScale.electrons`.
    fraction : float
        Between 0 and 1, both included.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of float64
        Mean and variance are `fraction` of what they were, and the rest, ``electrons - thinned``, is
        uncorrelated.

    Notes
    -----
    A pixel of n > 0 electrons receives the noise of variance ``fraction (1 - fraction) n``, also if n is not
    whole. A pixel below 0 receives none, so where a pixel sees less than about one electron there
    is a little noise too much: the mean of what lies below 0 is not balanced.
    """
    # rounded up or down at random, so that its mean is kept; the rest is shared out evenly
    whole = np.floor(np.maximum(electrons, 0) + generator.random(electrons.shape)).astype(np.int64)
    thinned: FloatArray = generator.binomial(whole, fraction) + fraction * (electrons - whole)
    return thinned


def thin_frames(
    frames: NDArray[Any],
    camera: CountsCamera,
    fraction: float,
    *,
    seed: int | np.random.Generator = 0,
    whole_counts: bool = True,
) -> NDArray[Any]:
    """Make the frames that the camera would have written at a fraction of the light.

    Parameters
    ----------
    frames : (..., Y, X) ndarray
        Camera counts at native sampling.
    camera : CountsCamera
    fraction : float
        Share of the light, above 0, at most 1.
    seed : int or numpy.random.Generator
        Source of the randomness.
    whole_counts : bool
        Round to whole counts, as the camera does. False for frames in another unit.

    Returns
    -------
    (..., Y, X) ndarray
        Of the type of `frames` if that is an integer type, clipped to its range; else float32. The camera's
        offset and read noise are as they were. A fraction of 1 returns the frames, rounded.

    Raises
    ------
    ConfigError
        The fraction is out of range, or whole numbers are to hold counts that are not whole.
    ImageError
        The frames are no finite numbers.

    Notes
    -----
    See the top of the module for the read noise. Rounding brings a variance of 1/12 count^2, which is in the
    measured read noise already, so that much less is added.

    What does not come from photons scales with the light here and would not in a camera: hot pixels, and
    offsets of its rows and columns. Saturated pixels stay too dim.
    """
    check_fraction(fraction, one_allowed=True)
    frames = np.asarray(frames)
    if frames.dtype.kind not in "iuf" or frames.ndim < 2:
        raise ImageError(
            f"frames of type {frames.dtype} with {frames.ndim} axes cannot be thinned", "pass (frame, Y, X)"
        )
    whole_type = frames.dtype.kind in "iu"
    if whole_type and not whole_counts:
        raise ConfigError(
            f"frames of type {frames.dtype} hold whole counts only", "pass floats, or whole counts"
        )
    if not whole_type and not np.isfinite(frames).all():
        raise ImageError("the frames hold NaN or infinity", "repair the file first")
    generator = np.random.default_rng(seed)
    gain, read_variance = camera.gain_adu_per_electron, camera.read_noise_electrons**2
    scale = camera.scale
    rounding = 1 / 12 / gain**2 if whole_counts else 0.0
    missing = max(0.0, (1 - fraction) * read_variance - rounding) ** 0.5
    thinned = np.empty(frames.shape, frames.dtype if whole_type else np.float32)
    for place in np.ndindex(frames.shape[:-2]):  # frame by frame: electrons need four times the memory
        kept = thin_electrons(scale.electrons(frames[place]), fraction, generator)
        kept -= fraction * read_variance
        if missing:
            kept += missing * generator.standard_normal(kept.shape)
        kept *= gain
        kept += camera.offset_adu
        if whole_counts:
            np.rint(kept, out=kept)
        if whole_type:
            limits = np.iinfo(frames.dtype)
            np.clip(kept, limits.min, limits.max, out=kept)
        thinned[place] = kept
    return thinned
