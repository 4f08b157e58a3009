"""Photons, gain, offset and read noise, measured from the noise of the raw frames themselves.

Beyond the cut-off of the optics a frame holds noise only. Its variance grows with the brightness as
``gain * (mean - offset) + (gain * read_noise)**2``: the photon transfer curve (Janesick 2007,
doi 10.1117/3.725073), whose slope is the gain. Its intercept mixes offset and read noise. The third
cumulant of the noise takes them apart: read noise is symmetric and has none, that of photons grows with
``mean - offset`` too, so the line through it meets zero at the offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.acquisition.order import noise_band
from dlsim_ij.acquisition.pattern_fourier import central_part, taper
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

_LARGEST_SIDE_PX = 512
_GROUPS = 40  # of pixels alike in brightness
_EDGE_PX = 8
_WIDEFIELD_PERCENT = 99.5  # the light level is stated at this percentile, as in the simulator
_CLEAR, _CLEAR_SKEW = 5.0, 3.0  # times its standard error: a slope that is one
USUAL_READ_NOISE_ELECTRONS = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Light(Result):
    """Light level and camera, estimated from one stack; None where the frames do not tell.

    Attributes
    ----------
    gain_adu_per_electron, gain_error : float or None
        Counts per photo-electron, and the standard error of the line.
    offset_adu, offset_error : float or None
        Counts without light. Where the third cumulant is too noisy, as in bright frames, a read noise of
        0.7 electrons is supposed, and the error allows for more.
    read_noise_electrons : float or None
        A root of a small difference: good to some tenths of an electron. None where the third cumulant
        does not tell.
    photons : float or None
        Photo-electrons per pixel and frame at the 99.5 % level of the mean frame.
    photons_mean : float or None
        The same, mean of the field.
    """

    gain_adu_per_electron: float | None
    gain_error: float | None
    offset_adu: float | None
    offset_error: float | None
    read_noise_electrons: float | None
    photons: float | None
    photons_mean: float | None


UNKNOWN = Light(
    gain_adu_per_electron=None, gain_error=None, offset_adu=None, offset_error=None,
    read_noise_electrons=None, photons=None, photons_mean=None,
)  # fmt: skip


def measure_light(
    frames: NDArray[Any], cutoff_px: float, *, ignore: NDArray[np.bool_] | None = None
) -> Light:
    """Estimate gain, offset, read noise and photons of a raw stack.

    Parameters
    ----------
    frames : (N, Y, X) ndarray
        Native camera counts, at least three frames.
    cutoff_px : float
        Highest frequency that the optics pass, in cycles per pixel. Where it leaves no room below the
        pixels' own limit, nothing can be measured.
    ignore : (Y, X) ndarray of bool, optional
        Hot or saturated pixels.

    Returns
    -------
    Light
    """
    frames = central_part(frames, _LARGEST_SIDE_PX).astype(np.float32)
    n, height, width = frames.shape
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    band = noise_band(radius, cutoff_px)
    if n < 3 or min(height, width) < 4 * _EDGE_PX or float(radius[band].min()) < cutoff_px:
        return UNKNOWN
    mean = frames.mean(axis=0)
    kernel = scipy.fft.irfft2(band, s=(height, width))
    second, third = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    # a window keeps the step between opposite edges out; inside it is 1
    window = np.outer(taper(height), taper(width)).astype(np.float32)
    for frame in frames:
        noise = scipy.fft.irfft2(scipy.fft.rfft2((frame - mean) * window) * band, s=(height, width))
        power = noise * noise
        second += power
        third += power * noise
    second /= (n - 1) * float((kernel**2).sum())
    third /= n * (1 - 1 / n) * (1 - 2 / n) * float((kernel**3).sum())

    usable = window > 0.999
    if ignore is not None:
        near = scipy.ndimage.binary_dilation(central_part(ignore, _LARGEST_SIDE_PX), iterations=2)
        usable &= ~near
    level = scipy.ndimage.gaussian_filter(mean, 1.0)
    if usable.sum() < 4 * _GROUPS:
        return UNKNOWN
    groups = np.array_split(np.argsort(level[usable]), _GROUPS)
    brightness, variance, skewness = (
        np.array([image[usable][group].mean() for group in groups]) for image in (level, second, third)
    )
    if not (variance > 0).all():
        return UNKNOWN
    gain, intercept, gain_error, _ = _line(brightness, variance, variance)
    if gain < _CLEAR * gain_error:
        return UNKNOWN
    # where the line of the variance meets zero: the offset less gain * read noise^2
    no_light, no_light_error = -intercept / gain, _crossing_error(brightness, variance, variance)
    slope, start, slope_error, _ = _line(brightness, skewness, variance**1.5)
    skew_error = _crossing_error(brightness, skewness, variance**1.5)
    offset, offset_error = (
        no_light + gain * USUAL_READ_NOISE_ELECTRONS**2,
        float(np.hypot(no_light_error, gain)),
    )
    read_noise = None
    if slope > _CLEAR_SKEW * slope_error and skew_error < offset_error:
        darkest = float(np.percentile(level[usable], 0.5))
        offset = float(np.clip(-start / slope, no_light, max(darkest, no_light)))
        offset_error = skew_error
        read_noise = float(np.sqrt((offset - no_light) / gain))
    photons, photons_mean = photon_levels(mean, gain, offset)
    return Light(
        gain_adu_per_electron=gain,
        gain_error=gain_error,
        offset_adu=offset,
        offset_error=offset_error,
        read_noise_electrons=read_noise,
        photons=photons,
        photons_mean=photons_mean,
    )


def photon_levels(mean: NDArray[Any], gain: float, offset: float) -> tuple[float, float]:
    """Return photo-electrons per pixel and frame, in the bright parts and on average.

    Parameters
    ----------
    mean : (Y, X) ndarray
        Of all frames, in counts.
    gain, offset : float
        Counts per photo-electron, and counts without light.

    Returns
    -------
    bright : float
        At the 99.5 % level of the mean frame.
    average : float
        Over the field.
    """
    bright = scipy.ndimage.gaussian_filter(mean, 0.5)  # blurs a peak little, and noise of many frames enough
    levels = np.percentile(bright, _WIDEFIELD_PERCENT), mean.mean()
    return float(max(0.0, levels[0] - offset) / gain), float(max(0.0, float(levels[1]) - offset) / gain)


def _line(x: FloatArray, y: FloatArray, error: FloatArray) -> tuple[float, float, float, float]:
    """Return slope, intercept and their standard errors, from the scatter about the line."""
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=1 / error, cov=True)
    return float(slope), float(intercept), float(covariance[0, 0] ** 0.5), float(covariance[1, 1] ** 0.5)


def _crossing_error(x: FloatArray, y: FloatArray, error: FloatArray) -> float:
    """Return the standard error of where the line meets zero."""
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=1 / error, cov=True)
    towards = np.array([intercept / slope**2, -1 / slope])
    return float(np.sqrt(towards @ covariance @ towards))
