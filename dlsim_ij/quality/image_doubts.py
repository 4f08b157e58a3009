"""What makes the resolution of an image doubtful: bad pixels, clipping, a pattern, coloured noise."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.quality.spectral_lines import middle
from dlsim_ij.quality.thinning import dim_noise

FloatArray = NDArray[np.float64]
Doubt = tuple[str, str]  # what is doubtful, what to do

_SPIKE = 4.0  # above the brightest neighbour, in units of the neighbours' range and of the noise
_SPIKE_ENERGY = 0.05  # of the energy of all other fine detail
_CLIPPED_PIXELS = 10
_CLIPPED_TOP = 3.0
_CLIPPED_BOTTOM = 0.05
_CUT_STEP = 0.05
_FEWEST_LEVELS = 32
_PATTERN_PEAK = 12.0
_PATTERN_RADII = 4, 6  # of the ring that a peak must tower above, in steps of frequency
_CANDIDATES = 40
_PATTERN_FIELD_PX = 768  # a pattern shows as well in a part of a larger image
_LOWEST_PATTERN, _HIGHEST_PATTERN = 0.06, 0.5  # cycles per px
_SHORTEST_SIDE_PX = 32
_SMALLEST_FOR_NOISE_PX = 60
_WHITENESS = 0.5  # a camera: 0.9 to 1.05; after a Gaussian blur of 0.7 px: 0.4
_UNEVENNESS = 0.7  # noise, blurred or not: 0.2 to 0.6; detail without noise: above 0.75


def image_doubts(pixels: FloatArray) -> tuple[Doubt, ...]:
    """Look for what a decorrelation analysis cannot tell from detail, or cannot see past.

    Parameters
    ----------
    pixels : (Y, X) ndarray of float64
        Finite and not constant, at native sampling.

    Returns
    -------
    tuple of (str, str)
        What is doubtful and what to do, most harmful first; empty when nothing was found.
    """
    if min(pixels.shape) < _SHORTEST_SIDE_PX:
        return ()
    found = [spikes(pixels), clipping(pixels), regular_pattern(pixels)]
    if found[-1] is None:  # a pattern is detail in every block, as even as noise
        found.append(coloured_noise(pixels))
    return tuple(doubt for doubt in found if doubt is not None)


def _centred(pixels: FloatArray) -> NDArray[np.float32]:
    """Return the image around its mean, at most 1: squares of any unit stay finite."""
    centred = pixels - pixels.mean()
    centred /= max(abs(centred.min()), abs(centred.max()))
    return centred.astype(np.float32)


def spikes(pixels: FloatArray) -> Doubt | None:
    """Find single pixels far above or below all eight neighbours: hot, dead, struck by a cosmic ray."""
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    # single precision and single steps: this would otherwise be the most memory of a measurement
    centred = _centred(pixels)
    highest = ndimage.maximum_filter(centred, footprint=ring)
    lowest = ndimage.minimum_filter(centred, footprint=ring)
    outside = np.maximum(centred - highest, lowest - centred)
    scale = highest - lowest
    highest += lowest
    highest /= 2
    del lowest
    detail = np.square(np.subtract(centred, highest, out=highest), out=highest)
    noise = float(np.sqrt(np.quantile(detail, 0.95)))
    scale += noise
    spiky = (outside > _SPIKE * scale) & (outside > 0)
    energy = float(np.square(outside[spiky], dtype=np.float64).sum())
    if not spiky.any() or energy < _SPIKE_ENERGY * float(detail.sum(dtype=np.float64, where=~spiky)):
        return None
    y, x = (int(i) for i in np.unravel_index(int(np.where(spiky, outside, 0).argmax()), pixels.shape))
    count = int(np.count_nonzero(spiky))
    return (
        f"{count} hot or dead pixel{'s' * (count != 1)} (the worst at y {y}, x {x}, value {pixels[y, x]:g}): "
        "each adds a flat spectrum that hides the detail",
        "replace them by the median of their neighbours (ImageJ: Process > Noise > Remove Outliers)",
    )


def clipping(pixels: FloatArray) -> Doubt | None:
    """Find a heap of pixels at the largest or the smallest value."""
    values, counts = np.unique(pixels, return_counts=True)
    if len(values) < _FEWEST_LEVELS:  # counts of a few photons heap up by themselves
        return None
    low, high = values[0], values[-1]
    near_top = int(counts[:-1][values[:-1] >= high - 0.02 * (high - low)].sum())
    top, bottom = pixels == high, pixels == low
    if counts[-1] >= _CLIPPED_PIXELS and counts[-1] > _CLIPPED_TOP * near_top and _in_groups(top):
        return (
            f"{counts[-1]} pixels share the largest value {high:g}: the image is saturated, and the edges of "
            "those areas look like detail",
            "expose less, or crop the saturated parts away",
        )
    if counts[0] > _CLIPPED_BOTTOM * pixels.size and counts[0] > _CLIPPED_TOP * counts[1:4].sum():
        beside = ndimage.binary_dilation(bottom) & ~bottom
        # where there are true zeros, what lies beside them is one or two photons, or as good as nothing
        step = np.median(pixels[beside]) - low
        if step > max(values[3] - low, _CUT_STEP * (np.median(pixels[~bottom]) - low)):
            return (
                f"{100 * counts[0] / pixels.size:.0f} % of the pixels share the smallest value {low:g}: the "
                "background was cut off, and the edges of the cut look like detail",
                "use the image before its background was subtracted",
            )
    return None


def _in_groups(mask: NDArray[np.bool_]) -> bool:
    """Return whether most of the pixels touch another one, as saturated ones do and hot ones do not."""
    neighbours = ndimage.convolve(
        mask.astype(np.uint8), np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), mode="constant"
    )
    return bool(np.count_nonzero(mask & (neighbours > 0)) > 0.5 * np.count_nonzero(mask))


def regular_pattern(pixels: FloatArray) -> Doubt | None:
    """Find a frequency that towers above those around it, as a periodic pattern does."""
    pixels = middle(pixels, _PATTERN_FIELD_PX)
    windowed = _centred(pixels)
    for axis, side in enumerate(pixels.shape):
        window = np.hanning(side + 2)[1:-1]
        windowed *= (window[:, None] if axis == 0 else window).astype(np.float32)
    power = np.square(np.abs(scipy.fft.fft2(windowed, overwrite_x=True)))
    frequency_y, frequency_x = (scipy.fft.fftfreq(side) for side in pixels.shape)
    # the other half is the same; what lies on the axes are the lines of a camera and the borders of the field
    searched = (frequency_x[None, :] > 1.5 / pixels.shape[1]) & (
        np.abs(frequency_y[:, None]) > 1.5 / len(pixels)
    )
    radius = np.hypot(frequency_y[:, None], frequency_x)
    # beyond the circle that the analysis looks at, nothing sets its result: at the very corner networks with
    # pixel shuffle leave a chequerboard of a ten-thousandth of the image
    searched &= (radius > _LOWEST_PATTERN) & (radius <= _HIGHEST_PATTERN)
    mean_around = ndimage.uniform_filter(power, 2 * _PATTERN_RADII[1] + 1, mode="wrap")
    likely = np.where(searched, power / np.maximum(mean_around, np.finfo(float).tiny), 0)
    candidates = np.argpartition(likely, -_CANDIDATES, axis=None)[-_CANDIDATES:]
    rows, columns = np.unravel_index(candidates, power.shape)
    y, x = _ring_offsets()
    ring = power[(rows[:, None] + y) % power.shape[0], (columns[:, None] + x) % power.shape[1]]
    towering = power[rows, columns] / np.maximum(ring.max(axis=1), np.finfo(float).tiny)
    best = int(towering.argmax())
    if towering[best] < _PATTERN_PEAK:
        return None
    v, u = float(frequency_y[rows[best]]), float(frequency_x[columns[best]])
    period, angle = 1 / np.hypot(v, u), np.degrees(np.arctan2(v, u))
    return (
        f"a regular pattern with a period of {period:.2f} px along {angle:.0f} degrees: its power is "
        f"{towering[best]:.0f} times that around it, and may set the result",
        "average the frames of all phases, or improve the reconstruction (phases, modulation depth)",
    )


def _ring_offsets() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    inner, outer = _PATTERN_RADII
    y, x = np.mgrid[-outer : outer + 1, -outer : outer + 1]
    held = (y**2 + x**2 >= inner**2) & (y**2 + x**2 <= outer**2)
    return y[held], x[held]


def coloured_noise(pixels: FloatArray) -> Doubt | None:
    """Find noise whose neighbouring pixels are alike, in the darker half of the image.

    Noise is told from detail by its evenness: its strength hardly differs from block to block.
    """
    if min(pixels.shape) < _SMALLEST_FOR_NOISE_PX:
        return None
    noise = dim_noise(pixels)
    if not noise.variance > 0 or noise.whiteness >= _WHITENESS or noise.unevenness > _UNEVENNESS:
        return None
    return (
        f"the noise is not white (its highest frequencies hold {100 * noise.whiteness:.0f} % of what they "
        "should): it was filtered, interpolated or reconstructed, and smoothed noise counts as detail",
        "measure the image before that step, or compare two independent ones by FRC",
    )
