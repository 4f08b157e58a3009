"""Measure the phase of every frame, where the microscope did not step evenly.

With the right phases one object explains all frames of an angle; with wrong ones the bands are mixed, and
where they overlap they contradict each other (the ground on which Wicker et al. 2013,
doi 10.1364/OE.21.002032, judge phases). Here object and phases are found in turns, both by least squares: the
object from all bands under the phases so far (a SIM image of one angle), then every frame as the best sum of
that object under the pattern of each order. The coefficient of order m turns with m times the phase of the
frame. Frequencies near the centre of any band are left out: out-of-focus light sits there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import central, moved_origin, taper, taper_px, waves
from dlsim_ij.acquisition.pattern_refine import RefinedPatterns, refine_patterns
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern, otf_profile, pixel_transfer, separate_bands

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_SIDE_PX = 256  # of the part that is looked at
_MOST_ROUNDS = 10
_STEP = 1.7  # each turn goes a constant part of the way, so it is taken further: halves the rounds
_STILL_RAD = 5e-4
_HAZE = 0.15  # of the cut-off, as in `pattern_refine`
_WIENER = 0.05
_WEAKEST = 0.02  # amplitude of an order that still counts
_LARGEST_RAD = np.pi / 3  # an error beyond is none of stepping: such frames are in the wrong place


def measure_steps(
    frames: NDArray[Any],
    patterns: Sequence[Pattern],
    optics: Optics,
    *,
    otf_damping: float | None = None,
    known: Sequence[Pattern] | None = None,
) -> RefinedPatterns:
    """Measure the phase step of every frame, and refine the patterns with them.

    Parameters
    ----------
    frames : (n_frames, Y, X) ndarray
        Native frames above the camera offset, of equal brightness, angle-major.
    patterns : sequence of Pattern
        From `fit_patterns`; their steps are the start.
    optics : Optics
        For the cut-off.
    otf_damping : float, optional
        Of the transfer, see `otf_profile`; measured if not given.
    known : sequence of Pattern, optional
        Calibration, as for `refine_patterns`.

    Returns
    -------
    RefinedPatterns
        The steps are relative to the first frame's; the phases are those of the first frame.

    Raises
    ------
    LayoutError
        A frame is more than 60 degrees from where it should be.

    Notes
    -----
    At 1000 photons per pixel the steps are right to about 0.5 degrees. In the dark the noise of a frame,
    which is in the object too, holds its phase where it was: what cannot be measured is left alone.
    """
    if otf_damping is None:
        otf_damping = refine_patterns(frames, patterns, optics, known=known).otf_damping
    crop, origin = central(frames, _SIDE_PX)
    stepped = []
    start = 0
    for number, pattern in enumerate(patterns, start=1):
        stop = start + len(pattern.steps_rad)
        even = _Explained(
            crop[start:stop], moved_origin(pattern, (-origin[0], -origin[1])), optics, otf_damping
        )
        steps = _steps(even, pattern, number)
        stepped.append(dataclasses.replace(pattern, steps_rad=steps))
        start = stop
    return refine_patterns(frames, stepped, optics, known=known)


def step_errors_rad(pattern: Pattern) -> tuple[float, ...]:
    """Return how far each step is from an even one, mean 0, in the direction that fits better.

    Examples
    --------
    >>> steps = (0.0, -2.0, -4.0)
    >>> pattern = Pattern(frequency_px=(0, 0.1), phases_rad=(0,), modulation=(1,), steps_rad=steps)
    >>> [round(error, 2) for error in step_errors_rad(pattern)]
    [-0.09, 0.0, 0.09]
    """
    steps = np.array(pattern.steps_rad)
    even = 2 * np.pi * np.arange(len(steps)) / len(steps)
    errors = []
    for direction in (1, -1):
        turned = np.exp(1j * (steps - direction * even))
        errors.append(np.angle(turned * np.exp(-1j * np.angle(turned.sum()))))
    best = min(errors, key=lambda error: float((error**2).sum()))
    return tuple(float(error) for error in best - best.mean())


class _Explained:
    """The frames of one angle, and how one object explains them under given steps."""

    def __init__(self, frames: NDArray[Any], pattern: Pattern, optics: Optics, damping: float) -> None:
        self._pattern = pattern
        self.phases = pattern.phases_rad
        self._shape = height, width = frames.shape[1:]
        edges = [(n, max(1, taper_px(n) // 2)) for n in self._shape]
        window = np.outer(*(taper(n, edge=edge) for n, edge in edges)).astype(np.float32)
        inner = np.outer(*(taper(n, edge=edge, zeros=edge) for n, edge in edges))
        self._inner = np.sqrt(inner).astype(np.float32)
        self._frames = ((frames - frames.mean()) * window).astype(np.float32)
        fy, fx = scipy.fft.fftfreq(height)[:, None], scipy.fft.fftfreq(width)[None, :]
        self._transfer = _transfer(fy, fx, optics, damping)
        self._half = self._transfer[:, : width // 2 + 1]
        orders = range(-pattern.orders, pattern.orders + 1)
        centres = [(m * pattern.frequency_px[0], m * pattern.frequency_px[1]) for m in orders]
        clear = (self._half > 0).astype(np.float64)
        for y, x in centres:
            distance = np.hypot(fy - y, scipy.fft.rfftfreq(width)[None, :] - x) / optics.cutoff_px
            clear *= 1 - np.exp(-((distance / _HAZE) ** 2))
        self._clear = clear.astype(np.float32)
        self._seen = np.stack([self._kept(scipy.fft.rfft2(frame) * self._clear) for frame in self._frames])
        # of the object, on a grid twice as fine, with its pixel (0, 0) on theirs
        self._strengths = [1.0, *(max(c / 2, _WEAKEST) for c in pattern.modulation)]
        fine_y, fine_x = (
            2 * scipy.fft.fftfreq(2 * height)[:, None],
            2 * scipy.fft.rfftfreq(2 * width)[None, :],
        )
        total = np.zeros((fine_y.size, fine_x.size), dtype=np.float32)
        for m, (y, x) in zip(orders, centres, strict=True):
            total += (self._strengths[abs(m)] * _transfer(fine_y + y, fine_x + x, optics, damping)) ** 2
        self._response = (1 / (total + _WIENER**2)).astype(np.float32)
        half_frequency = (pattern.frequency_px[0] / 2, pattern.frequency_px[1] / 2)
        fine = (2 * height, 2 * width)
        self._waves = [np.multiply(*waves(fine, half_frequency, m)) for m in range(1, pattern.orders + 1)]

    def coefficients(self, steps: FloatArray, phases: FloatArray) -> ComplexArray:
        """Return (orders, frames): what each frame holds of every order, with its phase."""
        pictures = [self._object(steps, phases)]
        for wave in self._waves:
            pictures += [pictures[0] * wave.real, pictures[0] * -wave.imag]
        rows = np.stack([self._kept(self._as_seen(picture)) for picture in pictures])
        gram = np.einsum("ip,jp->ij", rows, rows)
        gram += 1e-6 * np.trace(gram) / len(gram) * np.eye(len(gram))
        found = np.linalg.solve(gram, np.einsum("ip,jp->ij", rows, self._seen))
        amplitudes: ComplexArray = found[1::2] + 1j * found[2::2]
        return amplitudes

    def _object(self, steps: FloatArray, phases: FloatArray) -> FloatArray:
        bands = separate_bands(self._frames, tuple(steps), self._pattern.orders)
        total = _double(scipy.fft.fft2(bands[0]) * self._transfer).real
        for band, wave, phase, strength in zip(
            bands[1:], self._waves, phases, self._strengths[1:], strict=True
        ):
            turn = np.complex64(2 * strength * np.exp(-1j * phase))
            total += (_double(scipy.fft.fft2(band) * self._transfer) * np.conj(wave) * turn).real
        made: FloatArray = scipy.fft.irfft2(scipy.fft.rfft2(total) * self._response, s=total.shape)
        return made

    def _as_seen(self, picture: FloatArray) -> ComplexArray:
        height, width = self._shape
        spectrum = scipy.fft.rfft2(picture)[:, : width // 2 + 1] / 4
        cut = np.concatenate([spectrum[: height - height // 2], spectrum[-(height // 2) :]])
        seen: ComplexArray = cut * (self._half * self._clear)
        return seen

    def _kept(self, spectrum: ComplexArray) -> FloatArray:
        kept: FloatArray = (scipy.fft.irfft2(spectrum, s=self._shape) * self._inner).ravel()
        return kept


def _steps(explained: _Explained, pattern: Pattern, number: int) -> tuple[float, ...]:
    """Return the steps of one angle; `number` is for the message."""
    steps = np.array(pattern.steps_rad)
    orders = np.arange(1, pattern.orders + 1)[:, None]
    phases = np.array(explained.phases)
    for _ in range(_MOST_ROUNDS):
        found = explained.coefficients(steps, phases)
        move = _STEP * _deviations(found, steps)
        steps = steps + move
        _check_near(steps, np.array(pattern.steps_rad), number)
        phases = np.angle((found * np.exp(-1j * orders * steps)).mean(axis=1))
        if np.abs(move).max() < _STILL_RAD:
            break
    return tuple(float(step) for step in steps - steps[0])


def _check_near(steps: FloatArray, expected: FloatArray, number: int) -> None:
    """Refuse steps that no uneven microscope makes; they would not separate the bands either."""
    moved = np.angle(np.exp(1j * (steps - expected)))
    worst = float(np.abs(moved - np.median(moved)).max())
    if worst > _LARGEST_RAD:
        raise LayoutError(
            f"a phase of angle {number} is {np.degrees(worst):.0f} degrees from where it should be",
            "are the frames in the right order? With --phases known even steps are assumed",
        )


def _transfer(fy: FloatArray, fx: FloatArray, optics: Optics, damping: float) -> FloatArray:
    transfer = otf_profile(np.hypot(fy, fx), optics.cutoff_px, damping) * pixel_transfer(fy, fx)
    return transfer.astype(np.float32)


def _double(spectrum: ComplexArray) -> ComplexArray:
    """Return the image of a spectrum on a grid twice as fine; pixel 0 stays where it was."""
    height, width = spectrum.shape
    top, left = height - height // 2, width - width // 2
    wide = np.zeros((2 * height, 2 * width), dtype=np.complex64)
    wide[:top, :left], wide[:top, -(width // 2) :] = spectrum[:top, :left], spectrum[:top, left:]
    wide[-(height // 2) :, :left] = spectrum[top:, :left]
    wide[-(height // 2) :, -(width // 2) :] = spectrum[top:, left:]
    wide *= 4
    doubled: ComplexArray = scipy.fft.ifft2(wide, overwrite_x=True)
    return doubled


def _deviations(found: ComplexArray, steps: FloatArray) -> FloatArray:
    """Return what is to be added to the steps: the orders' phases, weighted with what each can tell."""
    total, weight = np.zeros(len(steps)), 0.0
    for order, amplitudes in enumerate(found, start=1):
        turned = amplitudes * np.exp(-1j * order * steps)
        mean = turned.mean()
        strength = order**2 * abs(mean) ** 2
        total += strength / order * np.angle(turned * np.conj(mean))
        weight += strength
    return total / weight if weight > 0 else total
