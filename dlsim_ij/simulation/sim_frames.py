"""Raw SIM frames of a known object: pattern, blur, out-of-focus haze, camera.

| stage | axes | unit |
|---|---|---|
| object | (fine Y, fine X) | density, mean 1 |
| bands on the fine grid | (fine Y, fine X) | density x pattern order |
| bands after the optics | (Y, X) native | density |
| frames | (angle * phase, Y, X) native | expected photo-electrons |
| raw | the same | camera counts |

A frame is a sum of 2 M + 1 bands (see `optics.pattern`), so one Fourier transform per angle and order
serves all phases. Spectra are cut to the band that the optics pass, and weighted with the pixel's own
transfer, instead of binning pixels: the optics pass nothing beyond, so this is exact.

A grid of f points to a pixel ends at f / 2 cycles per pixel. Object times pattern reaches further and
folds back, but no deeper than f / 2 less the pattern's frequency; as long as that is beyond the cut-off,
nothing folded is seen. Where it is not (pixels above 88 nm, say), the object is put on a finer grid first.
A camera whose pixels are too coarse for the optics really folds, and so do the frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Pattern
from dlsim_ij.results import Result
from dlsim_ij.simulation.conditions import Conditions, paper_conditions, paper_patterns, random_conditions
from dlsim_ij.simulation.transfer import transfer_on_grid

__all__ = [
    "Conditions",
    "SimulatedStack",
    "paper_conditions",
    "paper_patterns",
    "random_conditions",
    "simulate_sim",
    "widefield",
]

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_WIDEFIELD_PERCENT = 99.5  # the light level is stated at this percentile of the wide-field image


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStack(Result):
    """A raw stack with its truth.

    Attributes
    ----------
    raw : (n_frames, Y, X) uint16 ndarray
        Camera counts.
    electrons : (n_frames, Y, X) float32 ndarray
        Expected photo-electrons: the same frames without any noise.
    object : (2Y, 2X) float32 ndarray
        The object on the output grid, as an ideal SIM of the same optics would show it: its spectrum
        times a cosine that ends at the SIM cut-off (that of the optics plus the finest pattern). In
        photo-electrons, no haze.
    sample : (f Y, f X) float32 ndarray
        The object itself on the grid it was drawn on, without any optics: photo-electrons per native pixel.
    conditions : Conditions
    """

    raw: NDArray[np.uint16] = field(repr=False, compare=False)
    electrons: FloatArray = field(repr=False, compare=False)
    object: FloatArray = field(repr=False, compare=False)
    sample: FloatArray = field(repr=False, compare=False)
    conditions: Conditions


def simulate_sim(
    density: FloatArray,
    conditions: Conditions,
    rng: np.random.Generator,
    *,
    haze_density: FloatArray | None = None,
    points_per_pixel: int = 2,
) -> SimulatedStack:
    """Simulate the raw frames of one object.

    Parameters
    ----------
    density : (f Y, f X) ndarray
        Object on a grid with f = `points_per_pixel` points along a camera pixel. The field is periodic.
    conditions : Conditions
        Optics, pattern, light, camera.
    rng : numpy.random.Generator
        Source of the noise. The same seed gives the same bits on the same machine.
    haze_density : (f Y, f X) ndarray, optional
        What lies out of focus; `density` itself, moved by half the field, when not given.
    points_per_pixel : int
        Even; 2 is the output's own grid. Since the optics pass less than half of what that grid holds,
        finer ones change nothing but the drawing of the object.

    Returns
    -------
    SimulatedStack

    Raises
    ------
    ConfigError
        The grid is not an even multiple of the camera's, or the object is empty.

    Notes
    -----
    Haze is not modulated: the pattern of the finest order does not reach out-of-focus planes in step.
    Drift moves object and haze by turning the phases of their spectra: between pixels, nothing blurred.
    """
    factor = points_per_pixel
    shape = _native_size(density.shape, factor)
    spectrum = scipy.fft.fft2(density.astype(np.float32))
    camera = _ToCamera(shape, factor, conditions)
    even = camera.image(camera.passed(spectrum))
    out_of_focus = _haze(haze_density if haze_density is not None else density, conditions, factor, shape)
    background = conditions.haze * out_of_focus + conditions.flat * float(even.mean())
    level = float(np.percentile(even + background, _WIDEFIELD_PERCENT))
    if not level > 0:
        raise ConfigError("the object is empty: nothing to image", "draw another one")
    per_density = conditions.photons * conditions.camera.quantum_yield / level

    frames = np.empty((conditions.n_frames, *shape), np.float32)
    shown = _moving_frames if conditions.drift_px else _still_frames
    for number, frame in enumerate(shown(density, spectrum, even, background, conditions, camera)):
        frames[number] = frame * (per_density * conditions.intensity[number])
    np.maximum(frames, 0, out=frames)
    raw = conditions.camera.expose(frames, rng)
    truth = _ideal_sim(spectrum, conditions, *shape, factor) * per_density
    return SimulatedStack(
        raw=raw,
        electrons=frames,
        object=truth.astype(np.float32),
        sample=(density * per_density).astype(np.float32),
        conditions=conditions,
    )


def widefield(density: FloatArray, conditions: Conditions, *, points_per_pixel: int = 2) -> FloatArray:
    """Return what an even illumination shows of the object: (Y, X), in units of the density, no haze."""
    shape = _native_size(density.shape, points_per_pixel)
    camera = _ToCamera(shape, points_per_pixel, conditions)
    return camera.image(camera.passed(scipy.fft.fft2(density.astype(np.float32))))


def require_grid(conditions: Conditions, points_per_pixel: int) -> int:
    """Return how many times what the pixels hold the optics pass, 1 for fine pixels.

    Raises
    ------
    ConfigError
        A grid of so many points to a pixel does not hold it.
    """
    folds = max(1, int(np.ceil(2 * _real_cutoff(conditions))))
    if folds > points_per_pixel:
        raise ConfigError(
            f"{points_per_pixel} points to a pixel of {conditions.optics.pixel_size_um:g} um do not hold "
            "what these optics pass",
            f"draw the object on a finer grid: {folds + folds % 2} points to a pixel",
        )
    return folds


def _real_cutoff(conditions: Conditions) -> float:
    factor = conditions.cutoff_factor if conditions.psf is None else max(conditions.cutoff_factor, 1.0)
    return conditions.optics.cutoff_px * factor


class _ToCamera:
    """The way from a spectrum on the fine grid to an image on native pixels: blur, pixel, sampling."""

    def __init__(self, shape: tuple[int, int], factor: int, conditions: Conditions) -> None:
        self._shape, self._factor = shape, factor
        cutoff = _real_cutoff(conditions)
        self._folds = require_grid(conditions, factor)
        finest = max(p.orders * max(map(abs, p.frequency_px)) for p in conditions.patterns)
        self.finer = max(1, int(np.ceil(2 * (cutoff + finest) / factor)))
        height, width = (self._folds * side for side in shape)
        self.fy, self.fx = self._folds * scipy.fft.fftfreq(height), self._folds * scipy.fft.fftfreq(width)
        transfer = transfer_on_grid(
            conditions.optics, self.fy, self.fx, cutoff_factor=conditions.cutoff_factor,
            damping=conditions.otf_damping, aberration=conditions.aberration, psf=conditions.psf,
        )  # fmt: skip
        transfer = transfer * np.multiply.outer(np.sinc(self.fy), np.sinc(self.fx))  # the pixel is a square
        # native pixel i covers fine samples f i .. f i + f - 1, so its centre is (f - 1) / 2 samples on
        ramp = _ramp(self.fy, self.fx, (factor - 1) / 2 / factor)
        self._response = (transfer * ramp).astype(np.complex64)

    def passed(self, spectrum: ComplexArray, points_per_pixel: int | None = None) -> ComplexArray:
        """Return what the optics pass of a spectrum on a fine grid."""
        height, width = (self._folds * side for side in self._shape)
        return _cropped(spectrum, height, width, points_per_pixel or self._factor) * self._response

    def wave(self, spectrum: ComplexArray) -> ComplexArray:
        """Return the (complex) image on native pixels."""
        if self._folds > 1:
            (height, width), n = self._shape, self._folds
            spectrum = spectrum.reshape(n, height, n, width).sum(axis=(0, 2))
        return scipy.fft.ifft2(spectrum)

    def image(self, spectrum: ComplexArray) -> FloatArray:
        """Return the real image on native pixels."""
        image: FloatArray = self.wave(spectrum).real
        return image

    def moved(self, spectrum: ComplexArray, drift_px: tuple[float, float]) -> ComplexArray:
        """Return the spectrum of what has moved by `drift_px`."""
        turn_y = np.exp(-2j * np.pi * drift_px[0] * self.fy).astype(np.complex64)
        turn_x = np.exp(-2j * np.pi * drift_px[1] * self.fx).astype(np.complex64)
        return spectrum * turn_y[:, None] * turn_x

    def bands(self, density: FloatArray, spectrum: ComplexArray, pattern: Pattern) -> Iterator[ComplexArray]:
        """Yield the passed spectrum of object times pattern, order by order."""
        factor = self._factor * self.finer
        if self.finer > 1:
            density = _refined(spectrum, self.finer)
        for order in range(1, pattern.orders + 1):
            product = scipy.fft.fft2(density * _wave(density.shape, pattern, order, factor))
            yield self.passed(product, factor) if self.finer == 1 else self._on_old_grid(product, factor)

    def _on_old_grid(self, product: ComplexArray, factor: int) -> ComplexArray:
        # the response expects samples of the old grid: move by the difference of the two half samples
        shift = _ramp(self.fy, self.fx, ((factor - 1) / factor - (self._factor - 1) / self._factor) / 2)
        return self.passed(product, factor) * shift.astype(np.complex64)


def _still_frames(
    density: FloatArray,
    spectrum: ComplexArray,
    even: FloatArray,
    background: FloatArray,
    conditions: Conditions,
    camera: _ToCamera,
) -> Iterator[Any]:
    """Yield the frames in units of the density: one transform per angle and order."""
    for pattern in conditions.patterns:
        bands = [camera.wave(band) for band in camera.bands(density, spectrum, pattern)]
        for step in pattern.steps_rad:
            frame = even + background
            for order, (band, c) in enumerate(zip(bands, pattern.modulation, strict=True), start=1):
                frame = frame + c * (band * np.exp(1j * order * step)).real
            yield frame


def _moving_frames(
    density: FloatArray,
    spectrum: ComplexArray,
    even: FloatArray,
    background: FloatArray,
    conditions: Conditions,
    camera: _ToCamera,
) -> Iterator[Any]:
    """Yield the frames of a sample that drifts under a pattern that does not.

    Object times pattern moves as a whole when the pattern's phase goes ahead by its frequency times the way.
    """
    still = camera.passed(spectrum)
    haze = scipy.fft.fft2(background)
    fy, fx = (scipy.fft.fftfreq(side)[:, None] for side in background.shape)
    number = 0
    for pattern in conditions.patterns:
        bands = list(camera.bands(density, spectrum, pattern))
        for step in pattern.steps_rad:
            down, right = conditions.drift_px[number]
            ahead = step + 2 * np.pi * (pattern.frequency_px[0] * down + pattern.frequency_px[1] * right)
            frame = still
            for order, (band, c) in enumerate(zip(bands, pattern.modulation, strict=True), start=1):
                frame = frame + np.complex64(c * np.exp(1j * order * ahead)) * band
            turned = haze * np.exp(-2j * np.pi * (down * fy + right * fx.T))
            yield camera.image(camera.moved(frame, (down, right))) + scipy.fft.ifft2(turned).real
            number += 1


def _native_size(shape: tuple[int, ...], factor: int) -> tuple[int, int]:
    if factor < 2 or factor % 2 or len(shape) != 2 or shape[0] % (2 * factor) or shape[1] % (2 * factor):
        raise ConfigError(
            f"an object of {shape} points, {factor} to a camera pixel, is not an even number of pixels",
            f"make both sides multiples of {2 * max(factor, 2)}, with an even number of points to a pixel",
        )
    return shape[0] // factor, shape[1] // factor


def _cropped(spectrum: ComplexArray, height: int, width: int, factor: int) -> ComplexArray:
    """Cut a spectrum to the band of a coarser grid; density per point becomes density per pixel."""
    y, x = height // 2, width // 2
    rows = np.r_[0:y, spectrum.shape[0] - y : spectrum.shape[0]]
    columns = np.r_[0:x, spectrum.shape[1] - x : spectrum.shape[1]]
    cut: ComplexArray = spectrum[np.ix_(rows, columns)] / np.float32(factor**2)
    return cut


def _refined(spectrum: ComplexArray, finer: int) -> FloatArray:
    """Return the object of a spectrum on a grid `finer` times as fine, every new point between the old."""
    height, width = spectrum.shape
    y, x = height // 2, width // 2
    wide = np.zeros((finer * height, finer * width), np.complex64)
    for rows in (slice(0, y), slice(-y, None)):
        for columns in (slice(0, x), slice(-x, None)):
            wide[rows, columns] = spectrum[rows, columns]
    fy, fx = (scipy.fft.fftfreq(finer * side) * finer for side in spectrum.shape)  # cycles per old step
    wide *= _ramp(fy, fx, -(finer - 1) / 2 / finer).astype(np.complex64) * np.float32(finer**2)
    refined: FloatArray = scipy.fft.ifft2(wide).real
    return refined


def _ramp(fy: FloatArray, fx: FloatArray, shift: float) -> ComplexArray:
    """Return the phase that moves an image's samples on by `shift`, in the unit the frequencies count."""
    ramp: ComplexArray = np.multiply.outer(np.exp(2j * np.pi * shift * fy), np.exp(2j * np.pi * shift * fx))
    return ramp


def _wave(shape: tuple[int, ...], pattern: Pattern, order: int, factor: int) -> ComplexArray:
    """Return exp(i (2 pi m k.r + phase_m)) on the fine grid; r counts native pixels from pixel (0, 0)."""
    waves = []
    for side, frequency in zip(shape, pattern.frequency_px, strict=True):
        native = (np.arange(side) + 0.5) / factor - 0.5
        waves.append(np.exp(2j * np.pi * order * frequency * native).astype(np.complex64))
    waves[0] = waves[0] * np.complex64(np.exp(1j * pattern.phases_rad[order - 1]))
    wave: ComplexArray = np.multiply.outer(waves[0], waves[1])
    return wave


def _haze(density: FloatArray, conditions: Conditions, factor: int, shape: tuple[int, int]) -> FloatArray:
    """Return blurred out-of-focus light on native pixels, with the mean of the density."""
    moved = np.roll(density, (density.shape[0] // 2, density.shape[1] // 3), axis=(0, 1))
    spectrum = _cropped(scipy.fft.fft2(moved.astype(np.float32)), *shape, factor)
    radius = np.hypot(scipy.fft.fftfreq(shape[0])[:, None], scipy.fft.fftfreq(shape[1])[None, :])
    blur = np.exp(-2 * (np.pi * conditions.haze_sigma_px * radius) ** 2)
    blurred: FloatArray = scipy.fft.ifft2(spectrum * blur).real
    return np.maximum(blurred, 0)


def _ideal_sim(
    spectrum: ComplexArray, conditions: Conditions, height: int, width: int, factor: int
) -> FloatArray:
    """Return the object on the doubled grid under a cosine that ends at the SIM cut-off."""
    finest = max(p.orders * np.hypot(*p.frequency_px) for p in conditions.patterns)
    end = conditions.optics.cutoff_px + finest
    cut = _cropped(spectrum, 2 * height, 2 * width, factor // 2)
    fy, fx = 2 * scipy.fft.fftfreq(2 * height), 2 * scipy.fft.fftfreq(2 * width)
    apodisation = np.cos(np.pi / 2 * np.minimum(np.hypot(fy[:, None], fx[None, :]) / end, 1))
    shift = _ramp(fy / 2, fx / 2, (factor / 2 - 1) / 2 / (factor / 2))
    image: FloatArray = scipy.fft.ifft2(cut * apodisation * shift).real
    return image
