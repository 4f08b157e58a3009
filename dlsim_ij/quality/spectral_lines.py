"""Traces of an enlargement in a spectrum: copies at a fixed distance, and square borders.

An image that was interpolated by a factor s is a comb of native pixels blurred by the interpolation kernel,
so its spectrum repeats itself every 1/s cycles per px, weakened by the kernel, and the copies carry the
phases of the original. Amplitudes are thrown away here: the mean of exp(i (phase(f + d) - phase(f))) over all
frequencies f is then a sum of random directions, unless d = 1/s. Anything smooth (optics, blur, a denoiser)
changes the phase at f and at f + d without tying the two together.

An image that was enlarged by padding its spectrum has no copies, but a spectrum that ends at a square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complexfloating]

LOWEST_LINE = 0.155  # cycles per px: enlargements up to 6.5
HIGHEST_LINE = 0.93  # and down to 1.08
_STEP = 1 / 8  # of the search, in units of the frequency step of the image
_BACKGROUND_STEPS = 31
_EVENNESS_PX = 6.0
_EDGE_GAP_BINS = 2
_EDGE_BINS = 4
_LOWEST_BORDER_BINS = 20
_HALF = 0.3  # powers of ten
_PATTERN_PEAK = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A distance at which a spectrum repeats itself, along both axes."""

    distance: float  # cycles per px
    strength: float  # of the weaker axis, over the median of other distances
    coherence: float  # of the weaker axis: 1 if all pairs agree, at the best distance from the native border
    at_border: float  # the same at the native border itself
    origin_px: tuple[float, float]  # (y, x) of one native pixel, from the centre of the image


@dataclass(frozen=True, slots=True)
class Border:
    """The end of a square spectrum."""

    frequency: float  # cycles per px
    drop: float  # power inside over power outside, in powers of ten


def middle(pixels: FloatArray, side_px: int) -> FloatArray:
    """Return a view of the middle of an image, at most `side_px` high and wide."""
    cuts = []
    for side in pixels.shape:
        kept = min(side, side_px)
        cuts.append(slice((side - kept) // 2, (side - kept) // 2 + kept))
    return pixels[tuple(cuts)]


def _spectrum(pixels: FloatArray, *, even: bool) -> ComplexArray:
    """Return the spectrum of second differences along both axes under a Hann window, its centre at pixel 0.

    The differences take away the large low frequencies, which would leak into all others. `even` divides
    them by their local strength, or a few bright spots would stand for the whole image; this blurs borders.
    """
    detail = np.diff(np.diff(pixels, 2, axis=0), 2, axis=1)
    detail /= max(
        abs(detail.min()), abs(detail.max()), np.finfo(float).tiny
    )  # squares of any unit stay finite
    if even:
        strength = np.square(detail)
        gaussian_filter(strength, _EVENNESS_PX, output=strength)
        np.sqrt(strength, out=strength)
        strength += 1e-3 * strength.max()
        detail /= strength
        del strength
    height, width = detail.shape
    detail *= np.hanning(height + 2)[1:-1, None]
    detail *= np.hanning(width + 2)[1:-1]
    # pixel i of the differences is centred on pixel i + 1 of the image
    return scipy.fft.fft2(np.roll(detail, (-(height // 2), -(width // 2)), (0, 1)))


def find_lines(pixels: FloatArray) -> list[Line]:
    """Return the distances at which the spectrum of an image repeats itself along both axes.

    The strongest comes first; most of them are chance.
    """
    phases = _phases(_spectrum(pixels, even=True))
    distances = np.arange(LOWEST_LINE, HIGHEST_LINE, _STEP / max(phases.shape))
    (along_x, turn_x), (along_y, turn_y) = (_repetition(part, distances) for part in (phases, phases.T))
    weaker = np.minimum(along_x, along_y)
    lines: list[Line] = []
    while len(lines) < 12:
        best = int(weaker.argmax())
        if weaker[best] <= 0:
            break
        distance = float(distances[best])
        coherence = np.minimum(_coherence(phases, distance), _coherence(phases.T, distance))
        origin = tuple(-float(turn[best]) / (2 * np.pi * distance) for turn in (turn_y, turn_x))
        lines.append(
            Line(
                distance=distance,
                strength=float(weaker[best]),
                coherence=float(coherence.max()),
                at_border=float(coherence[0]),
                origin_px=(origin[0], origin[1]),
            )
        )
        weaker[np.abs(distances - distance) < 4 / min(phases.shape)] = 0
    return lines


def _phases(spectrum: ComplexArray) -> ComplexArray:
    amplitude = np.abs(spectrum)
    amplitude += 1e-12 * amplitude.max()
    spectrum /= amplitude
    return spectrum.astype(np.complex64)


def _repetition(phases: ComplexArray, distances: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the agreement of phases by their distance along x, over its running median; and their turn.

    All pairs (f, f + d) with f < 0 < f + d: over the parts of positive and of negative frequency this is a
    product in real space.
    """
    _, width = phases.shape
    half = (width - 1) // 2
    positive, negative = np.zeros_like(phases), np.zeros_like(phases)
    positive[:, 1 : half + 1] = phases[:, 1 : half + 1]
    negative[:, width - half :] = phases[:, width - half :]
    product = scipy.fft.ifft(positive, axis=1, overwrite_x=True)
    product *= scipy.fft.ifft(negative, axis=1, overwrite_x=True).conj()
    along = product.sum(axis=0)
    # pixel 0 is the centre: the left half is what comes before it
    fine = round(width / _STEP)
    padded = np.zeros(fine, along.dtype)
    padded[: width - width // 2], padded[fine - width // 2 :] = (
        along[: width - width // 2],
        along[width - width // 2 :],
    )
    sums = scipy.fft.fft(padded)
    agreement = np.abs(sums)
    background = median_filter(agreement[:: round(1 / _STEP)], _BACKGROUND_STEPS, mode="wrap")
    background = np.maximum(background, np.finfo(float).tiny)
    nearest = np.rint(distances * fine).astype(np.intp) % fine
    strength = agreement[nearest] / np.interp(
        distances, np.arange(len(background)) / len(background), background
    )
    return strength, np.angle(sums[nearest])


def _coherence(phases: ComplexArray, distance: float) -> FloatArray:
    """Return the agreement of pairs that lie alike about the border of the native spectrum, first at it.

    An image with detail up to its native limit agrees at the border itself; one that was oversampled
    has nothing there, and agrees further inside, where the copies are weaker.
    """
    height, width = phases.shape
    shift = round(distance * width)
    reach = max(2, round(0.04 * shift))
    rows = phases[np.abs(scipy.fft.fftfreq(height)) < 0.4 * distance]
    found = []
    for share in (0.0, 0.12, 0.24, 0.36):
        # the pairs on the other side are these, conjugated
        low = -(shift // 2) + round(share * shift) + np.arange(-reach, reach + 1)
        products = rows[:, low % width] * rows[:, (low + shift) % width].conj()
        found.append(np.abs(products.mean()))
    return np.array(found)


def has_peak(pixels: FloatArray, distance: float) -> bool:
    """Return whether a pattern along both axes ties the frequencies together that lie this far apart.

    A pattern is a peak of the spectrum, at the distance itself, or at half of it (both its side bands), or
    folded back. A kernel of interpolation is 0 where a copy of the brightest frequency, 0, would be.
    """
    windowed = pixels - pixels.mean()
    height, width = windowed.shape
    windowed *= np.hanning(height + 2)[1:-1, None]
    windowed *= np.hanning(width + 2)[1:-1]
    power = np.square(np.abs(scipy.fft.fft2(windowed, overwrite_x=True)))
    places = {distance, distance / 2, 1 - distance}
    return any(
        min(_peak_over_surroundings(part, place) for part in (power, power.T)) > _PATTERN_PEAK
        for place in places
        if place < 0.5
    )


def _peak_over_surroundings(power: FloatArray, frequency: float) -> float:
    height, width = power.shape
    rows = np.array([-1, 0, 1]) % height
    at = round(frequency * width)
    peak = power[np.ix_(rows, np.arange(at - 1, at + 2) % width)].max()
    around = np.r_[at - 12 : at - 5, at + 6 : at + 13] % width
    return float(peak / max(power[np.ix_(rows, around)].max(), np.finfo(float).tiny))


def find_border(pixels: FloatArray) -> Border | None:
    """Return the clearest square border of the spectrum of an image, if there is one.

    Power must fall within a few steps of frequency, on both axes at the same frequency, beside the corners of
    the square, and stay as it is before and behind. A round end, such as that of optics, does not.
    """
    power = np.square(np.abs(_spectrum(pixels, even=False)))
    power += 1e-30 * power.max()
    quadrant = _folded(np.log10(power, out=power))
    size = min(quadrant.shape)
    best = Border(0.5, 0.0)
    for step in range(_LOWEST_BORDER_BINS, size - 3 * _EDGE_BINS + 1):
        frequency = step / (2 * size)
        drop = min(_drop(quadrant, frequency), _drop(quadrant.T, frequency))
        if drop > best.drop:
            best = Border(frequency, drop)
    if best.drop <= 0:
        return None
    down, across = (_end(part, best.frequency) for part in (quadrant, quadrant.T))
    return None if down is None or across is None else Border((down + across) / 2, best.drop)


def _folded(power: FloatArray) -> FloatArray:
    """Return the mean over the four signs of the frequency: entry 0 is 0, the end is Nyquist."""
    half_y, half_x = (side // 2 for side in power.shape)
    mirrored_y, mirrored_x = -np.arange(half_y) % power.shape[0], -np.arange(half_x) % power.shape[1]
    folded = power[:half_y, :half_x].copy()
    folded += power[mirrored_y][:, :half_x]
    folded += power[:half_y, mirrored_x]
    folded += power[np.ix_(mirrored_y, mirrored_x)]
    return folded / 4


def _drop(quadrant: FloatArray, frequency: float) -> float:
    """Return the fall of power along x at a frequency, less what it falls before and behind."""
    profile = _profile(quadrant, frequency)
    at = round(2 * frequency * quadrant.shape[1])
    inside, outside = at - _EDGE_GAP_BINS, at + _EDGE_GAP_BINS + 1
    near, far = profile[inside - _EDGE_BINS : inside].mean(), profile[outside : outside + _EDGE_BINS].mean()
    before = profile[inside - 2 * _EDGE_BINS : inside - _EDGE_BINS].mean()
    behind = profile[outside + _EDGE_BINS : outside + 2 * _EDGE_BINS].mean()
    return float(near - far - 3 * abs(before - near) - 3 * abs(far - behind))


def _profile(quadrant: FloatArray, frequency: float) -> FloatArray:
    rows = slice(*(round(2 * frequency * share * quadrant.shape[0]) for share in (0.5, 0.95)))
    return quadrant[rows].mean(axis=0)


def _end(quadrant: FloatArray, frequency: float) -> float | None:
    """Return where power along x has fallen by half near a frequency, between two of its steps.

    None: it was falling before, as at a zero of an interpolation, and ends nowhere.
    """
    profile = _profile(quadrant, frequency)
    at = round(2 * frequency * quadrant.shape[1])
    first = max(at - 2 * _EDGE_BINS, 1)
    level = profile[max(first - 2 * _EDGE_BINS, 0) : first].mean() - _HALF
    fallen = int(np.argmax(profile[first:] < level))
    if not fallen:
        return None
    step = first + fallen
    # the window smears the end outwards by half a step
    part = (profile[step - 1] - level) / (profile[step - 1] - profile[step])
    return float((step - 1 + part - 0.5) / (2 * quadrant.shape[1]))
