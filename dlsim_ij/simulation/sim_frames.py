"""Raw SIM frames of a known object: pattern, blur, out-of-focus haze, camera.

| stage | axes | unit |
|---|---|---|
| object | (fine Y, fine X) | density, mean 1 |
| bands on the fine grid | (fine Y, fine X) | density x pattern order |
| bands after the optics | (Y, X) native | density |
| frames | (angle * phase, Y, X) native | expected photo-electrons |
| raw | the same | camera counts |

A frame is a sum of 2 M + 1 bands (see `optics.pattern`), so one Fourier transform per angle and order
serves all phases. Spectra are cut to the camera's band, and weighted with the pixel's own transfer,
instead of binning pixels: the optics pass nothing beyond, so this is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics, Pattern, otf_profile
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.results import Result
from dlsim_ij.simulation.camera import Camera

FloatArray = NDArray[np.floating]
ComplexArray = NDArray[np.complexfloating]

_WIDEFIELD_PERCENT = 99.5  # the light level is stated at this percentile of the wide-field image


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions(Result):
    """Everything of one acquisition but the object and the noise.

    Attributes
    ----------
    optics : Optics
        Nominal optics, as a user would state them.
    cutoff_factor, otf_damping : float
        How the real transfer departs from the nominal one.
    patterns : tuple of Pattern
        True illumination, one per angle; its steps include the phase errors.
    photons : float
        Photo-electrons per pixel and frame at the 99.5 % level of the wide-field image.
    haze, haze_sigma_px : float
        Out-of-focus light relative to the mean in-focus light, and its blur in native pixels.
    flat : float
        Even background relative to the mean in-focus light.
    intensity : tuple of float
        Relative brightness of each frame.
    camera : Camera
    """

    optics: Optics = field(default_factory=Optics)
    cutoff_factor: float = 1.0
    otf_damping: float = 0.4
    patterns: tuple[Pattern, ...]
    photons: float = 300.0
    haze: float = 0.5
    haze_sigma_px: float = 12.0
    flat: float = 0.1
    intensity: tuple[float, ...]
    camera: Camera = field(default_factory=Camera)


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
        times a cosine that ends at the SIM cut-off. In photo-electrons, no haze.
    conditions : Conditions
    """

    raw: NDArray[np.uint16] = field(repr=False, compare=False)
    electrons: FloatArray = field(repr=False, compare=False)
    object: FloatArray = field(repr=False, compare=False)
    conditions: Conditions


def paper_patterns(
    n_phases: int = 5, *, phases_rad: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[Pattern, ...]:
    """Return the illumination of the paper's microscope: 13.9, 74.4 and -45.2 degrees, 493 and 246 nm.

    Measured on the public sample with 60 nm pixels; three-beam with 5 phases.
    """
    return tuple(
        _pattern(angle, 493 / 60, n_phases, phase, (0.6, 0.35))
        for angle, phase in zip((13.9, 74.4, -45.2), phases_rad, strict=True)
    )


def paper_conditions(rng: np.random.Generator, *, photons: tuple[float, float]) -> Conditions:
    """Draw an acquisition of the paper's microscope: random phases and light level, all else as measured."""
    return Conditions(
        patterns=paper_patterns(phases_rad=tuple(rng.uniform(0, 2 * np.pi, 3))),
        photons=float(np.exp(rng.uniform(*np.log(photons)))),
        intensity=tuple(float(v) for v in 1 + rng.normal(0, 0.01, 15)),
    )


def random_conditions(
    rng: np.random.Generator,
    *,
    optics: Optics = Optics(),  # noqa: B008  (frozen)
    photons: tuple[float, float] = (1.2, 1000.0),
    n_angles: int = 3,
    n_phases: int = 5,
    like_paper: float = 0.5,
) -> Conditions:
    """Draw one acquisition.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    optics : Optics
        Nominal optics.
    photons : (float, float)
        Range of the light level, drawn evenly on a log scale.
    n_angles, n_phases : int
        Angles are spread evenly over 180 degrees from a random start.
    like_paper : float
        Fraction with the periods and camera of the paper's microscope; the others range over periods
        of 0.62 to 0.98 of what the optics pass, other gains and camera offsets.
    """
    near = rng.random() < like_paper
    if near:
        finest_px = rng.uniform(240, 256) / 1000 / optics.pixel_size_um
    else:
        finest_px = 1 / (optics.cutoff_px * rng.uniform(0.62, 0.95))
    start = rng.uniform(0, 180)
    orders = 2 if n_phases >= 5 else 1
    strength = (rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.75))[:orders]
    patterns = []
    for angle in range(n_angles):
        period = orders * finest_px * (1 + rng.normal(0, 0.004))
        steps = np.array(equal_steps(n_phases)) + rng.normal(0, 0.04, n_phases)
        factor = rng.uniform(0.75, 1.1)
        patterns.append(
            _pattern(
                start + 180 / n_angles * angle + rng.normal(0, 1.0),
                period,
                n_phases,
                rng.uniform(0, 2 * np.pi),
                tuple(min(1.0, c * factor) for c in strength),
                steps=tuple(float(s) for s in steps),
                second_phase_error=rng.normal(0, 0.05),
            )
        )
    camera = Camera(
        gain_adu_per_electron=6.85 if near else float(np.exp(rng.uniform(np.log(0.4), np.log(12)))),
        offset_adu=100.0 if near else rng.uniform(90, 400),
        read_noise_electrons=rng.uniform(0.3, 0.9) if near else rng.uniform(0.3, 2.0),
        row_column_electrons=rng.uniform(0, 0.2),
    )
    return Conditions(
        optics=optics,
        cutoff_factor=rng.uniform(0.9, 1.07),
        otf_damping=rng.uniform(0.2, 0.9),
        patterns=tuple(patterns),
        photons=float(np.exp(rng.uniform(*np.log(photons)))),
        haze=float(np.exp(rng.uniform(np.log(0.1), np.log(4)))) if rng.random() < 0.85 else 0.0,
        haze_sigma_px=float(np.exp(rng.uniform(np.log(6), np.log(40)))),
        flat=rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.0,
        intensity=tuple(float(v) for v in 1 + rng.normal(0, 0.015, n_angles * n_phases)),
        camera=camera,
    )


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
        Source of the noise.
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
    """
    optics = conditions.optics
    factor = points_per_pixel
    height, width = _native_size(density.shape, factor)
    spectrum = scipy.fft.fft2(density.astype(np.float32))
    cutoff = optics.cutoff_px * conditions.cutoff_factor
    radius = np.hypot(scipy.fft.fftfreq(height)[:, None], scipy.fft.fftfreq(width)[None, :])
    transfer = otf_profile(radius, cutoff, conditions.otf_damping) * _pixel_transfer(height, width)
    # native pixel i covers fine samples f i .. f i + f - 1, so its centre is (f - 1) / 2 samples on
    to_native = (transfer * _ramp(height, width, (factor - 1) / 2 / factor)).astype(np.complex64)

    still = _cropped(spectrum, height, width, factor)
    even = scipy.fft.ifft2(still * to_native).real
    out_of_focus = _haze(haze_density if haze_density is not None else density, conditions, factor, radius)
    background = conditions.haze * out_of_focus + conditions.flat * float(even.mean())
    level = float(np.percentile(even + background, _WIDEFIELD_PERCENT))
    if not level > 0:
        raise ConfigError("the object is empty: nothing to image", "draw another one")
    per_density = conditions.photons / level

    frames = np.empty((sum(len(p.steps_rad) for p in conditions.patterns), height, width), np.float32)
    number = 0
    for pattern in conditions.patterns:
        bands = [
            scipy.fft.ifft2(
                _cropped(
                    scipy.fft.fft2(density * _wave(density.shape, pattern, order, factor)),
                    height, width, factor,
                ) * to_native,
            )
            for order in range(1, pattern.orders + 1)
        ]  # fmt: skip
        for step in pattern.steps_rad:
            frame = even + background
            for order, (band, c) in enumerate(zip(bands, pattern.modulation, strict=True), start=1):
                frame = frame + c * (band * np.exp(1j * order * step)).real
            frames[number] = frame * (per_density * conditions.intensity[number])
            number += 1
    np.maximum(frames, 0, out=frames)
    raw = conditions.camera.expose(frames, rng)
    truth = _ideal_sim(spectrum, conditions, height, width, factor) * per_density
    return SimulatedStack(raw=raw, electrons=frames, object=truth.astype(np.float32), conditions=conditions)


def _pattern(
    angle_deg: float,
    period_px: float,
    n_phases: int,
    phase: float,
    modulation: tuple[float, ...],
    *,
    steps: tuple[float, ...] | None = None,
    second_phase_error: float = 0.0,
) -> Pattern:
    angle = np.radians(angle_deg)
    phases = (float(phase), float(2 * phase + second_phase_error))
    return Pattern(
        frequency_px=(float(np.sin(angle) / period_px), float(np.cos(angle) / period_px)),
        phases_rad=phases[: len(modulation)],
        steps_rad=steps or equal_steps(n_phases),
        modulation=modulation,
    )


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


def _ramp(height: int, width: int, shift_px: float) -> ComplexArray:
    """Return the phase that moves an image's samples on by `shift_px` pixels."""
    y = np.exp(2j * np.pi * shift_px * scipy.fft.fftfreq(height))
    x = np.exp(2j * np.pi * shift_px * scipy.fft.fftfreq(width))
    ramp: ComplexArray = np.multiply.outer(y, x)
    return ramp


def _pixel_transfer(height: int, width: int) -> FloatArray:
    """Return what averaging over a square pixel does to a frequency."""
    transfer: FloatArray = np.multiply.outer(
        np.sinc(scipy.fft.fftfreq(height)), np.sinc(scipy.fft.fftfreq(width))
    )
    return transfer


def _wave(shape: tuple[int, ...], pattern: Pattern, order: int, factor: int) -> ComplexArray:
    """Return exp(i (2 pi m k.r + phase_m)) on the fine grid; r counts native pixels from pixel (0, 0)."""
    waves = []
    for side, frequency in zip(shape, pattern.frequency_px, strict=True):
        native = (np.arange(side) + 0.5) / factor - 0.5
        waves.append(np.exp(2j * np.pi * order * frequency * native).astype(np.complex64))
    waves[0] = waves[0] * np.complex64(np.exp(1j * pattern.phases_rad[order - 1]))
    wave: ComplexArray = np.multiply.outer(waves[0], waves[1])
    return wave


def _haze(density: FloatArray, conditions: Conditions, factor: int, radius: FloatArray) -> FloatArray:
    """Return blurred out-of-focus light on native pixels, with the mean of the density."""
    height, width = radius.shape
    moved = np.roll(density, (density.shape[0] // 2, density.shape[1] // 3), axis=(0, 1))
    spectrum = _cropped(scipy.fft.fft2(moved.astype(np.float32)), height, width, factor)
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
    shift = _ramp(2 * height, 2 * width, (factor / 2 - 1) / 2 / (factor / 2))
    image: FloatArray = scipy.fft.ifft2(cut * apodisation * shift).real
    return image
