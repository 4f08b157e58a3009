"""Modulation, transfer and haze of a stack, from the bands that its phases separate.

Band m, moved to where it belongs, and band 0 show the same object S through other parts of the transfer H:

    band m at object frequency q:  c_m / 2  H(q + m k) S(q)
    band 0 there:                           H(q) S(q) + haze(q)

Their ratio does not know the object. Away from q = 0, where haze ends, its change over |q + m k| - |q| gives
how fast H falls, and its height c_m. Near q = 0 band m, which has no haze, then gives the in-focus light, and
what band 0 has more than that is haze. Sums over many frequencies are compared and not single ones, and the
known noise is taken off, so the result does not depend on the amount of light, only its error does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.optimize
import scipy.signal
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fourier import taper
from dlsim_ij.optics import Optics, Pattern, otf_profile, separate_bands
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_HAZE_ENDS = 0.25  # of the cut-off: a blur of six pixels passes 1 % there
_LAST = 0.85  # of the cut-off: beyond, the transfer is too small to be compared
_BINS = 14
USUAL_DAMPING = 0.4
_DAMPING = 0.02, 1.0
_BOUND_HAZE_SIGMA_PX = 3.0, 60.0
_EDGE_DOUBT = 0.05  # of the in-focus light: blur and window change places only nearly


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFit(Result):
    """What the bands say.

    Attributes
    ----------
    modulation : tuple of tuple of float
        Per angle, one per order.
    modulation_error : tuple of tuple of float
    otf_damping, log_damping_error : float
        See `otf_profile`; the error is that of its natural logarithm.
    background : float
        Haze and even background together, relative to the in-focus light.
    haze, haze_sigma_px, flat : float
        The parts of it, as in `Conditions`.
    """

    modulation: tuple[tuple[float, ...], ...]
    modulation_error: tuple[tuple[float, ...], ...]
    otf_damping: float
    log_damping_error: float
    background: float
    haze: float
    haze_sigma_px: float
    flat: float


def fit_bands(
    electrons: FloatArray, patterns: Sequence[Pattern], optics: Optics, *, read_variance: float
) -> BandFit:
    """Fit modulation, transfer and haze.

    Parameters
    ----------
    electrons : (n_frames, Y, X) ndarray
        Photo-electrons above the camera's offset, angle-major, every frame of equal brightness.
    patterns : sequence of Pattern
        Directions, periods and phases; their modulation is not used.
    optics : Optics
        For the nominal cut-off.
    read_variance : float
        Of the camera, in electrons squared.

    Returns
    -------
    BandFit
    """
    window = np.outer(*(_window(side) for side in electrons.shape[1:]))
    groups = np.split(electrons, np.cumsum([len(p.steps_rad) for p in patterns])[:-1])
    bands = [separate_bands(g, p.steps_rad, p.orders) for g, p in zip(groups, patterns, strict=True)]
    still = np.mean([own[0] for own in bands], axis=0)
    noise = float((window**2 * (still + read_variance)).sum()) / len(electrons)
    zero = scipy.fft.fft2(still * window)
    stack = _Stack(window=window, noise=noise, cutoff=optics.cutoff_px, n_frames=len(electrons))
    pairs = [
        _Pair(own[m], p, m, zero, stack)
        for own, p in zip(bands, patterns, strict=True)
        for m in range(1, p.orders + 1)
    ]
    damping, log_error = _fit_damping(pairs)
    for pair in pairs:
        pair.fit_strength(damping)
    focus = _InFocus(pairs, damping, min(log_error, 0.5), stack)
    background = focus.background(zero)
    haze, sigma, flat = focus.split(zero, background)
    orders = [p.orders for p in patterns]
    ends = np.cumsum(orders)
    strengths = [tuple(p.strength for p in pairs[e - n : e]) for e, n in zip(ends, orders, strict=True)]
    errors = [tuple(p.strength_error for p in pairs[e - n : e]) for e, n in zip(ends, orders, strict=True)]
    return BandFit(
        modulation=tuple(strengths),
        modulation_error=tuple(errors),
        otf_damping=damping,
        log_damping_error=log_error,
        background=background,
        haze=haze,
        haze_sigma_px=sigma,
        flat=flat,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """What all bands have in common; `noise` is that of band 0's windowed spectrum."""

    window: FloatArray
    noise: float
    cutoff: float
    n_frames: int


class _Pair:
    """Band m of one angle against band 0: sums over bins of equal |q + m k| - |q|."""

    def __init__(
        self, band: ComplexArray, pattern: Pattern, order: int, zero: ComplexArray, stack: _Stack
    ) -> None:
        height, width = band.shape
        ky, kx = (order * k for k in pattern.frequency_px)
        wave_y = np.exp(-2j * np.pi * ky * np.arange(height))[:, None]
        wave_x = np.exp(-2j * np.pi * kx * np.arange(width))
        turned = band * wave_y * wave_x * np.exp(-1j * pattern.phases_rad[order - 1])
        self.moved = scipy.fft.fft2(turned * stack.window)
        fy, fx = scipy.fft.fftfreq(height), scipy.fft.fftfreq(width)
        cutoff = stack.cutoff
        self.here, here = _transfer(fy, fx, cutoff)
        self.there, self.passed = _transfer(fy + ky, fx + kx, cutoff)
        self.noise = stack.noise * stack.n_frames / len(pattern.steps_rad)
        self.use = (self.here > _HAZE_ENDS * cutoff) & (self.here < _LAST * cutoff)
        self.use &= self.there < _LAST * cutoff
        self.ratio = self.passed[self.use] / here[self.use]
        self.ahead = (self.there[self.use] - self.here[self.use]) / cutoff
        power = np.abs(zero) ** 2 - stack.noise
        smooth = np.maximum(_ring_means(power, self.here), 0)[self.use]
        # the transfer in the weight: where it is small, dividing by it would blow up the noise
        self.weight = smooth / (smooth + self.noise) * here[self.use]
        # shot noise is brighter where the pattern is: that much the noises of the two bands are alike
        shared = float((turned * stack.window**2).real.sum()) / stack.n_frames
        self.cross = (self.moved[self.use] * np.conj(zero[self.use])).real - shared
        self.power = power[self.use]
        self.strength, self.strength_error = 0.0, np.inf
        inner = np.linspace(0, 1, _BINS + 1)[1:-1]
        edges: Any = np.quantile(self.ahead, inner) if self.use.any() else []
        self.bins = np.searchsorted(edges, self.ahead)

    def sums(self, damping: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the sums of band m, of what a modulation of 1 would give, and their misfit's variance."""
        expected = 0.5 * self.ratio * damping**self.ahead
        top: Any = np.bincount(self.bins, self.weight * self.cross, _BINS)
        bottom: Any = np.bincount(self.bins, self.weight * expected * self.power, _BINS)
        c = top.sum() / bottom.sum() if bottom.sum() > 0 else 0.0
        misfit = self.cross - c * expected * self.power
        return top, bottom, np.bincount(self.bins, (self.weight * misfit) ** 2, _BINS) + 1e-300

    def fit_strength(self, damping: float) -> None:
        """Set the modulation, given how the transfer falls."""
        top, bottom, variance = self.sums(damping)
        if bottom.sum() <= 0:
            return
        self.strength = float(np.clip(top.sum() / bottom.sum(), 0.0, 1.0))
        self.strength_error = float(np.sqrt(2 * variance.sum()) / bottom.sum())  # q and -q are one


def _fit_damping(pairs: Sequence[_Pair]) -> tuple[float, float]:
    """Return the damping that evens every pair's ratio over the bins, and its logarithm's error."""

    def misfit(log_damping: float) -> float:
        total = 0.0
        for pair in pairs:
            top, bottom, variance = pair.sums(float(np.exp(log_damping)))
            c = (top * bottom / variance).sum() / (bottom**2 / variance).sum()
            if c > 0:
                total += float(((top - c * bottom) ** 2 / (2 * variance)).sum())
        return total

    low, high = np.log(_DAMPING)
    grid = np.linspace(low, high, 33)
    values = [misfit(g) for g in grid]
    best = int(np.argmin(values))
    found = scipy.optimize.minimize_scalar(
        misfit, bounds=(grid[max(best - 1, 0)], grid[min(best + 1, 32)]), method="bounded"
    )
    step = 0.1
    bend = (misfit(found.x + step) - 2 * found.fun + misfit(found.x - step)) / step**2
    error = float(np.sqrt(2 / bend)) if bend > 0 else np.inf
    # where the light is too little to say, the usual value counts, in proportion
    usual_error = 0.5
    weight = usual_error**2 / (usual_error**2 + error**2)
    return float(np.exp(weight * found.x + (1 - weight) * np.log(USUAL_DAMPING))), error


class _InFocus:
    """The object's low frequencies, as the pattern bands show them: without haze."""

    def __init__(self, pairs: Sequence[_Pair], damping: float, log_error: float, stack: _Stack) -> None:
        self._stack = stack
        shape = stack.window.shape
        fy, fx = (scipy.fft.fftfreq(side) for side in shape)
        self.here, transfer = _transfer(fy, fx, stack.cutoff)
        self.transfer = transfer * damping ** np.minimum(self.here / stack.cutoff, 1)
        total: Any = np.zeros(shape, np.complex128)
        weights: Any = np.zeros(shape)
        noise, doubt = weights.copy(), weights.copy()
        for pair in pairs:
            if pair.strength <= 0:
                continue
            passed = 0.5 * pair.strength * pair.passed * damping ** np.minimum(pair.there / stack.cutoff, 1)
            relative = np.hypot(pair.strength_error / pair.strength, log_error * pair.there / stack.cutoff)
            weight = passed / (pair.noise + (passed * relative * stack.window.sum()) ** 2)
            total += weight * pair.moved
            weights += weight * passed
            noise += weight**2 * pair.noise
            doubt += weight * passed * relative
        # band -m is the conjugate of band m: its view of q is the conjugate of that of -q
        total, weights = total + _mirrored(np.conj(total)), weights + _mirrored(weights)
        safe = np.maximum(weights, 1e-9 * max(weights.max(), 1e-300))
        self.spectrum = total / safe
        self.noise = (noise + _mirrored(noise)) / safe**2
        self.doubt = np.hypot((doubt + _mirrored(doubt)) / safe, _EDGE_DOUBT)

    def background(self, zero: ComplexArray) -> float:
        """Return haze and even background over the in-focus light, from the means of the field."""
        mean = float(self.spectrum[0, 0].real)
        return max(float(zero[0, 0].real) / mean - 1, 0.0) if mean > 0 else 0.0

    def split(self, zero: ComplexArray, background: float) -> tuple[float, float, float]:
        """Return haze, its blur, and the even rest.

        Out of focus lies, on average, what lies in focus: haze has the object's power, times a blur.
        """
        if background <= 0.02:
            return background, 12.0, 0.0
        window = scipy.fft.fft2(self._stack.window) / self._stack.window.sum()
        rest = zero - self.transfer * self.spectrum
        rest = rest - rest[0, 0] * window
        own = self.spectrum - self.spectrum[0, 0] * window
        low = self.here < _HAZE_ENDS * self._stack.cutoff
        ring = np.rint(self.here * min(rest.shape)).astype(int)[low]
        counts = np.maximum(np.bincount(ring), 1)

        def mean(values: FloatArray) -> FloatArray:
            return np.bincount(ring, values[low]) / counts

        q2 = mean(self.here**2)
        noise = mean(self._stack.noise + self.transfer**2 * self.noise)
        object_power = np.maximum(mean(np.abs(own) ** 2 - self.noise), 0)
        # errors of transfer and modulation leave a copy of the object in the rest
        noise = noise + mean((self.doubt * self.transfer) ** 2) * object_power
        haze_power = mean(np.abs(rest) ** 2)
        clear = (q2 > 0) & (object_power > 0)
        smeared = _Smeared(object_power, self._stack.window, int(ring.max()))

        def misfit(values: FloatArray) -> FloatArray:
            amount, sigma = np.exp(values)
            model = amount**2 * object_power * smeared.blur(sigma) + noise
            residual: FloatArray = np.sqrt(counts / 2) * np.log(np.maximum(haze_power, 1e-12) / model)
            return residual[clear]

        low_sigma, high_sigma = np.log(_BOUND_HAZE_SIGMA_PX)
        most = np.log(background)
        best = min(
            (
                scipy.optimize.least_squares(
                    misfit, (most - 0.7, np.log(start)), loss="soft_l1",
                    bounds=((most - 3, low_sigma), (most + 1e-9, high_sigma)),
                )
                for start in (5.0, 15.0, 35.0)
            ),
            key=lambda found: found.cost,
        )  # fmt: skip
        haze, sigma = (float(v) for v in np.exp(best.x))
        return haze, sigma, max(background - haze, 0.0)


class _Smeared:
    """What a blur does to a power spectrum that is seen through a window, which smears it over neighbours."""

    def __init__(self, power: FloatArray, window: FloatArray, last: int) -> None:
        reach = 8
        seen = np.abs(scipy.fft.fft2(window)) ** 2
        near = np.arange(-reach, reach + 1)
        self._kernel = seen[np.ix_(near, near)] / seen[np.ix_(near, near)].sum()
        sides = [np.arange(-last - reach, last + reach + 1) / min(window.shape) for _ in range(2)]
        self._radius = np.hypot(sides[0][:, None], sides[1])
        self._ring = np.minimum(np.rint(self._radius * min(window.shape)).astype(int), last)
        self._power = power[self._ring]
        self._counts = np.bincount(self._ring.ravel())
        self._whole = self._seen(self._power)

    def _seen(self, power: FloatArray) -> FloatArray:
        smeared = scipy.signal.fftconvolve(power, self._kernel, mode="same")
        return np.bincount(self._ring.ravel(), np.maximum(smeared, 0).ravel()) / self._counts

    def blur(self, sigma_px: float) -> FloatArray:
        """Return the factor by which each ring loses power."""
        blurred = self._seen(self._power * np.exp(-4 * (np.pi * sigma_px * self._radius) ** 2))
        return blurred / np.maximum(self._whole, 1e-300)


def _transfer(fy: FloatArray, fx: FloatArray, cutoff: float) -> tuple[FloatArray, FloatArray]:
    """Return the magnitude of each frequency and what ideal optics and a square pixel pass of it."""
    radius = np.hypot(fy[:, None], fx)
    return radius, otf_profile(radius, cutoff) * np.multiply.outer(np.sinc(fy), np.sinc(fx))


def _mirrored(spectrum: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """Return the values at -q."""
    return np.roll(spectrum[::-1, ::-1], (1, 1), axis=(0, 1))


def _ring_means(power: FloatArray, radius: FloatArray) -> FloatArray:
    ring = np.rint(radius * min(power.shape)).astype(int)
    counts = np.bincount(ring.ravel())
    means = np.bincount(ring.ravel(), power.ravel()) / np.maximum(counts, 1)
    return scipy.ndimage.uniform_filter1d(means, 3)[ring]


def _window(side: int) -> FloatArray:
    return taper(side, edge=max(4, side // 6))
