"""Find direction, period, phase and strength of the illumination from the raw frames alone.

Band m of an angle is band 0 times the pattern, as far as the optics let both pass, so the product of
band m with the conjugate of band 0 holds a pure wave of frequency m k. Its place is found on a grid,
jointly for all orders, then between the grid points (`pattern_refine`; Gustafsson et al. 2008,
doi 10.1529/biophysj.107.120345; Wicker et al. 2013, doi 10.1364/OE.21.002032).

This lives in `acquisition` and not in `reconstruction`, because telling whether the frames are in the
right order needs the same fit, and reconstruction stands above acquisition.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import central, fourier_sum, refined_peak, taper
from dlsim_ij.acquisition.pattern_refine import CLEAR_PEAK as CLEAR_PEAK
from dlsim_ij.acquisition.pattern_refine import FIT_SIDE_PX, refine_patterns
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern, otf_profile, separate_bands
from dlsim_ij.optics.pattern import equal_steps

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

SEARCH = (0.40, 1.0)  # of the cut-off: where the finest order of a useful pattern can lie
# Measured on 150 simulated stacks: in stacks read rightly, gaps between directions are within 3 degrees
# of even ones and periods within 2 %, unless the fit itself fails.
REGULAR_DEG = 10.0
REGULAR_PERIOD = 0.05
_CANDIDATES = 16
_MOST_SETS = 4096  # all 16 for three angles, the best 5 for five: a million sets would take seconds
_NEARLY = 0.3  # of the highest score: how far down a peak of a regular set may lie
_IRREGULARITY_COST = 0.02  # in units of the highest score, per (2 degrees)^2 and (1 %)^2
_SMALL_SIDE_PX = 256


def fit_patterns(
    frames: NDArray[Any],
    n_angles: int,
    n_phases: int,
    optics: Optics,
    *,
    known: Sequence[Pattern] | None = None,
) -> list[Pattern]:
    """Fit the illumination of every angle.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Native (never enlarged) frames above the camera offset, of equal brightness, angle-major.
    n_angles, n_phases : int
        5 phases and more are fitted as three-beam (two orders), 3 and 4 as two-beam.
    optics : Optics
        For the cut-off.
    known : sequence of Pattern, optional
        Calibration from a brighter stack of the same session: frequencies and steps are kept, only the phase
        of order 1 is measured, and order 2 follows it. At a few photons a free fit goes wrong.

    Returns
    -------
    list of Pattern
        One per angle, with the signal-to-noise ratio of each order.

    Raises
    ------
    LayoutError
        The frame count is not angles times phases, phases are fewer than 3, or the calibration is of another
        layout.
    """
    if n_phases < 3 or frames.ndim != 3 or len(frames) != n_angles * n_phases:
        raise LayoutError(
            f"{len(frames)} frames are not {n_angles} angles x {n_phases} phases (at least 3)",
            "check the number of frames in the stack",
        )
    orders = 2 if n_phases >= 5 else 1
    steps = [equal_steps(n_phases)] * n_angles if known is None else [p.steps_rad for p in known]
    if len(steps) != n_angles or any(len(own) != n_phases for own in steps):
        listed = ", ".join(str(len(own)) for own in steps)
        raise LayoutError(
            f"a calibration of {len(steps)} angles ({listed} phases) for {n_angles} x {n_phases} frames",
            "give the calibration of this acquisition, or the right --layout",
        )
    crop, _ = central(frames, FIT_SIDE_PX)
    groups = [crop[a * n_phases : (a + 1) * n_phases] for a in range(n_angles)]
    all_bands = [separate_bands(group, own, orders) for group, own in zip(groups, steps, strict=True)]
    correlations = [products_with_levels(bands, optics.cutoff_px) for bands in all_bands]
    if known is None:
        peaks = [_coarse_peaks(products, levels, optics.cutoff_px) for products, levels in correlations]
        frequencies = [
            refined_peak(products, levels, start)
            for (products, levels), start in zip(correlations, _regular_choice(peaks), strict=True)
        ]
    else:
        frequencies = [pattern.frequency_px for pattern in known]
    coarse = [
        Pattern(
            frequency_px=frequency,
            phases_rad=(0.0,) * orders,
            steps_rad=own,
            modulation=(0.0,) * orders,
            snr=_signal_to_noise(products, levels, frequency),
        )
        for (products, levels), frequency, own in zip(correlations, frequencies, steps, strict=True)
    ]
    return refine_patterns(frames, coarse, optics, known=known).patterns


def _signal_to_noise(
    products: list[ComplexArray], levels: list[float], frequency: tuple[float, float]
) -> tuple[float, ...]:
    heights = [abs(fourier_sum(product, frequency, order)) for order, product in enumerate(products, start=1)]
    return tuple(height / level for height, level in zip(heights, levels, strict=True))


def step_agreement(
    frames: NDArray[Any], n_angles: int, n_phases: int, patterns: Sequence[Pattern], optics: Optics
) -> list[float]:
    """Tell how well the worst frame of each angle has the phase that its place in the stack demands.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        As for `fit_patterns`.
    n_angles, n_phases : int
        As for `fit_patterns`.
    patterns : sequence of Pattern
        The fit.
    optics : Optics
        For the cut-off.

    Returns
    -------
    list of float
        One per angle: the pattern's strength, in step, in the worst frame over that of the mean. 1 is
        perfect; a frame of another angle has 0, one in the wrong place less than 0.4.
    """
    crop, _ = central(frames, FIT_SIDE_PX)
    agreements = []
    for number, pattern in enumerate(patterns):
        own = crop[number * n_phases : (number + 1) * n_phases]
        mean = own.mean(axis=0)
        still, *moving = _sharpened([mean - mean.mean(), *(frame - mean for frame in own)], optics.cutoff_px)
        waves = [fourier_sum(frame * np.conj(still), pattern.frequency_px, 1) for frame in moving]
        turned = np.array(waves) * np.exp(-1j * np.array(pattern.steps_rad))
        along = (turned * np.exp(-1j * np.angle(turned.sum()))).real
        agreements.append(float(along.min() / max(along.mean(), 1e-30)))
    return agreements


def _sharpened(images: Sequence[NDArray[Any]], cutoff_px: float) -> list[ComplexArray]:
    """Filter images so that products of them show the pattern and not the out-of-focus light."""
    height, width = images[0].shape
    window = np.outer(taper(height), taper(width))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    # out-of-focus light sits at the centre of every band and correlates with anything
    keep = (1 - np.exp(-((radius / (0.12 * cutoff_px)) ** 2))) * (radius < cutoff_px)
    keep = keep * np.sqrt(otf_profile(radius, cutoff_px, 0.5))
    return [scipy.fft.ifft2(scipy.fft.fft2(image * window) * keep) for image in images]


def products_with_levels(
    bands: list[NDArray[Any]], cutoff_px: float
) -> tuple[list[ComplexArray], list[float]]:
    """Return band m times conjugate band 0, and the usual height of their spectra off the peak."""
    height, width = bands[0].shape
    sharp = _sharpened([bands[0] - bands[0].mean(), *bands[1:]], cutoff_px)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    products = [sharp[m] * np.conj(sharp[0]) for m in range(1, len(bands))]
    levels = []
    for product in products:
        spectrum = np.abs(scipy.fft.fft2(product))
        ring = (radius > 0.15 * cutoff_px) & (radius < cutoff_px)
        levels.append(float(np.sqrt(np.median(spectrum[ring] ** 2) / np.log(2))))
    return products, levels


def _coarse_peaks(
    products: list[ComplexArray], levels: list[float], cutoff_px: float
) -> list[tuple[float, tuple[float, float]]]:
    """Return the highest peaks (score, frequency of order 1) on a fine grid, best first.

    The score sums the orders' squared heights over the usual ones.
    """
    height, width = products[0].shape
    orders = len(products)
    # order 2 is looked up at twice the frequency, on a grid twice as coarse; in a small field, where peaks
    # are few and broad, half a sample there hides the highest
    finer = 4 if max(height, width) <= _SMALL_SIDE_PX else 2
    size = (finer * height, finer * width)
    score = np.zeros(size)
    fy, fx = np.fft.fftfreq(size[0]), np.fft.fftfreq(size[1])
    index_y, index_x = np.arange(size[0]), np.arange(size[1])
    for order, (product, level) in enumerate(zip(products, levels, strict=True), start=1):
        spectrum = np.abs(scipy.fft.fft2(product, s=size)) ** 2 / level**2
        rows, columns = (order * index_y) % size[0], (order * index_x) % size[1]
        score += spectrum[np.ix_(rows, columns)]
    finest = orders * np.hypot(fy[:, None], fx[None, :])
    inside = (finest > SEARCH[0] * cutoff_px) & (finest < SEARCH[1] * cutoff_px)
    # the indices of m k wrap beyond half a cycle per pixel
    inside &= (np.abs(fy)[:, None] < 0.5 / orders) & (np.abs(fx)[None, :] < 0.5 / orders)
    score = np.where(inside, score, -1)
    peaks = []
    for _ in range(_CANDIDATES):
        y, x = (int(n) for n in np.unravel_index(np.argmax(score), size))
        if score[y, x] <= 0:
            break
        peaks.append((float(score[y, x]), (float(fy[y]), float(fx[x]))))
        near = np.arange(-finer, finer + 1)  # the same peak on neighbouring grid points
        score[np.ix_((y + near) % size[0], (x + near) % size[1])] = -1
    return peaks


def _regular_choice(peaks: list[list[tuple[float, tuple[float, float]]]]) -> list[tuple[float, float]]:
    """Choose one peak per angle: the highest, unless others nearly as high make a regular set.

    One microscope has one period and evenly spread directions. A sparse field (a few bright spots) has
    side peaks as high as the true one, and this tells them apart.
    """
    highest = [own[0][1] for own in peaks]
    if len(peaks) < 2:
        return highest
    deepest = int(_MOST_SETS ** (1 / len(peaks)))
    near = [[peak for peak in own[:deepest] if peak[0] > _NEARLY * own[0][0]] for own in peaks]
    best, choice = -np.inf, highest
    for combination in itertools.product(*near):
        frequencies = np.array([frequency for _, frequency in combination])
        gap_deg, spread = irregularity(np.degrees(np.arctan2(*frequencies.T)), 1 / np.hypot(*frequencies.T))
        if gap_deg > REGULAR_DEG or spread > REGULAR_PERIOD:
            continue
        total = sum(score / own[0][0] for (score, _), own in zip(combination, peaks, strict=True))
        total -= _IRREGULARITY_COST * ((gap_deg / 2) ** 2 + (spread / 0.01) ** 2)
        if total > best:
            best, choice = total, [frequency for _, frequency in combination]
    return choice


def irregularity(
    angles_deg: Sequence[float] | FloatArray, periods_px: Sequence[float] | FloatArray
) -> tuple[float, float]:
    """Tell how far patterns are from one period and directions evenly spread over 180 degrees.

    Returns
    -------
    gap_deg : float
        Largest deviation of a gap between neighbouring directions.
    spread : float
        Longest over shortest period, less 1.

    Examples
    --------
    >>> gap_deg, spread = irregularity([14, 74, -45], [8.2, 8.2, 8.2])
    >>> round(gap_deg, 6), round(spread, 6)
    (1.0, 0.0)
    """
    angles = np.sort(np.asarray(angles_deg) % 180)
    gaps = np.diff([*angles, angles[0] + 180])
    return float(np.abs(gaps - 180 / len(angles)).max()), float(max(periods_px) / min(periods_px) - 1)
