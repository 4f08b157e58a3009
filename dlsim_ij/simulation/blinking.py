"""Blinking emitters on a structure: frames for SRRF with known truth.

| stage | axes | unit |
|---|---|---|
| positions | (emitter, 2) | camera pixels, y and x |
| states | (frame, emitter) | off, on, bleached |
| spectrum of a frame | (ky, kx) | photo-electrons |
| frames | (frame, Y, X) | expected photo-electrons |
| raw | the same | camera counts |

The spectrum of a set of points is a sum of waves, so emitters sit exactly where they are, between pixels
and through the drift, and the optics are the transfer function of `simulate_sim`. The field is periodic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics, otf_profile
from dlsim_ij.results import Result
from dlsim_ij.simulation.camera import Camera

FloatArray = NDArray[np.floating]
States = NDArray[np.uint8]

OFF, ON, BLEACHED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkingConditions(Result):
    """Everything of a blinking series but the object and the noise.

    Attributes
    ----------
    optics : Optics
    otf_damping : float
        Of the transfer function, as in `Conditions`.
    n_frames : int
    n_emitters : int
        Drawn from the object; several may sit on one place.
    p_on, p_off, p_bleach : float
        Chance per frame that an emitter that is off turns on, and that one that is on turns off or
        bleaches for good. All start in the balance of on and off.
    photons_per_emitter : float
        Photo-electrons of an emitter in a frame in which it is on.
    background_electrons : float
        Even background per pixel and frame.
    drift_px_per_frame : (float, float)
        Motion of the object, y and x, in camera pixels.
    camera : Camera
    """

    optics: Optics = field(default_factory=Optics)
    otf_damping: float = 0.4
    n_frames: int = 200
    n_emitters: int = 2000
    p_on: float = 0.05
    p_off: float = 0.4
    p_bleach: float = 0.002
    photons_per_emitter: float = 300.0
    background_electrons: float = 5.0
    drift_px_per_frame: tuple[float, float] = (0.0, 0.0)
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        chances = (self.p_on, self.p_off, self.p_bleach)
        if not all(0 <= p <= 1 for p in chances) or self.p_off + self.p_bleach > 1:
            raise ConfigError(
                f"chances per frame of {chances} are impossible",
                "each lies between 0 and 1, p_off + p_bleach too",
            )
        if self.p_on + self.p_off == 0:
            raise ConfigError("with p_on and p_off both 0 nothing says how many start on", "give one of them")
        if self.n_frames < 1 or self.n_emitters < 1:
            raise ConfigError(
                "a series needs at least one frame and one emitter", "raise n_frames or n_emitters"
            )
        if self.photons_per_emitter < 0 or self.background_electrons < 0:
            raise ConfigError("light cannot be negative", "give photons and background from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkingSeries(Result):
    """A simulated series with its truth.

    Attributes
    ----------
    raw : (n_frames, Y, X) uint16 ndarray
        Camera counts.
    object : (f Y, f X) float32 ndarray
        What a perfect microscope would see, without blur, drift or background: photo-electrons of the
        emitters in each point of the grid, mean over the frames.
    positions_px : (n_emitters, 2) float64 ndarray
        y and x in the first frame; camera pixel k covers k to k + 1.
    states : (n_frames, n_emitters) uint8 ndarray
        `OFF`, `ON` or `BLEACHED`.
    drift_px : (n_frames, 2) float64 ndarray
        Where the object lies, relative to the first frame.
    conditions : BlinkingConditions
    """

    raw: NDArray[np.uint16] = field(repr=False, compare=False)
    object: FloatArray = field(repr=False, compare=False)
    positions_px: FloatArray = field(repr=False, compare=False)
    states: States = field(repr=False, compare=False)
    drift_px: FloatArray = field(repr=False, compare=False)
    conditions: BlinkingConditions


def simulate_blinking(
    density: FloatArray,
    conditions: BlinkingConditions,
    rng: np.random.Generator,
    *,
    points_per_pixel: int = 4,
) -> BlinkingSeries:
    """Simulate frames of emitters that blink on an object.

    Parameters
    ----------
    density : (f Y, f X) ndarray
        How likely an emitter sits in each point, never negative; `points_per_pixel` points along a camera
        pixel. From `draw_structure`, or any picture.
    conditions : BlinkingConditions
        Emitters, light, optics, drift, camera.
    rng : numpy.random.Generator
        Source of everything random. The same seed gives the same bits on the same machine.
    points_per_pixel : int
        f. The truth has the same grid; for comparison with SRRF, take its magnification.

    Returns
    -------
    BlinkingSeries

    Raises
    ------
    ConfigError
        The object is empty or negative, or its grid is no whole number of camera pixels.
    """
    shape = _native_shape(density, points_per_pixel)
    positions = _draw_positions(density, conditions.n_emitters, points_per_pixel, rng)
    states = blinking_states(conditions, rng)
    on = states == ON
    drift = np.arange(conditions.n_frames)[:, None] * np.array(conditions.drift_px_per_frame)
    frames = np.stack(list(_expected_frames(positions, on, drift, shape, conditions)))
    counts = on.mean(axis=0) * conditions.photons_per_emitter
    truth = np.zeros(density.shape, np.float32)
    np.add.at(truth, tuple((positions * points_per_pixel).astype(np.intp).T), counts)
    return BlinkingSeries(
        raw=conditions.camera.expose(frames, rng),
        object=truth,
        positions_px=positions,
        states=states,
        drift_px=drift,
        conditions=conditions,
    )


def blinking_states(conditions: BlinkingConditions, rng: np.random.Generator) -> States:
    """Draw the chain of every emitter: off and on, at last bleached.

    Returns
    -------
    (n_frames, n_emitters) uint8 ndarray
        `OFF`, `ON` or `BLEACHED`.
    """
    states = np.empty((conditions.n_frames, conditions.n_emitters), np.uint8)
    balance = conditions.p_on / (conditions.p_on + conditions.p_off)
    states[0] = np.where(rng.random(conditions.n_emitters) < balance, ON, OFF)
    for before, after in pairwise(states):
        chance = rng.random(conditions.n_emitters)
        after[:] = before
        after[(before == OFF) & (chance < conditions.p_on)] = ON
        after[(before == ON) & (chance < conditions.p_off)] = OFF
        bleaching = chance >= 1 - conditions.p_bleach  # the other end of the interval: both cannot happen
        after[(before == ON) & bleaching] = BLEACHED
    return states


def _native_shape(density: FloatArray, factor: int) -> tuple[int, int]:
    if factor < 1 or density.ndim != 2 or density.shape[0] % factor or density.shape[1] % factor:
        raise ConfigError(
            f"an object of {density.shape} points, {factor} to a camera pixel, is no whole number of pixels",
            f"make both sides multiples of {max(factor, 1)}",
        )
    if not np.isfinite(density).all() or (density < 0).any() or not density.any():
        raise ConfigError(
            "the object is empty, negative or not finite: no emitter can be placed", "draw another"
        )
    return density.shape[0] // factor, density.shape[1] // factor


def _draw_positions(density: FloatArray, n: int, factor: int, rng: np.random.Generator) -> FloatArray:
    """Return n places in camera pixels, as likely as the density says and anywhere within its points."""
    cumulated = np.cumsum(density, dtype=np.float64)
    # searching beyond the last point with density would end outside the grid
    chosen = np.searchsorted(cumulated, rng.random(n) * cumulated[-1], side="right")
    corner = np.stack(np.unravel_index(np.minimum(chosen, density.size - 1), density.shape), axis=1)
    return (corner + rng.random((n, 2))) / factor


def _expected_frames(
    positions: FloatArray,
    on: NDArray[np.bool_],
    drift: FloatArray,
    shape: tuple[int, int],
    conditions: BlinkingConditions,
) -> Iterator[NDArray[np.float32]]:
    """Yield the photo-electrons of each frame.

    A pixel coarser than half the resolution folds fine detail back (aliasing); such frames are computed at
    a multiple of the pixels, of which every n-th is kept.
    """
    finer = max(1, int(np.ceil(2 * conditions.optics.cutoff_px)))
    height, width = (side * finer for side in shape)
    ky, kx = finer * scipy.fft.fftfreq(height), finer * scipy.fft.rfftfreq(width)  # cycles per camera pixel
    transfer = otf_profile(np.hypot(ky[:, None], kx), conditions.optics.cutoff_px, conditions.otf_damping)
    transfer = transfer * np.sinc(ky)[:, None] * np.sinc(kx)  # the pixel is a square
    transfer = (transfer * finer**2 * conditions.photons_per_emitter).astype(np.float32)
    centres = positions - 0.5  # pixel 0 has its centre at 0.5, the transform at 0
    waves_y, waves_x = (_waves(k, at) for k, at in zip((ky, kx), centres.T, strict=True))
    for lit, (down, right) in zip(on, drift, strict=True):
        moved = _waves(ky, np.array([down])), _waves(kx, np.array([right]))
        spectrum = (waves_y[:, lit] * moved[0]) @ (waves_x[:, lit] * moved[1]).T
        frame = scipy.fft.irfft2(spectrum * transfer, (height, width))[::finer, ::finer]
        yield np.maximum(frame, 0).astype(np.float32) + np.float32(conditions.background_electrons)


def _waves(frequencies: FloatArray, positions: FloatArray) -> NDArray[np.complex64]:
    """Return exp(-2 pi i k r), (frequency, position)."""
    return np.exp(-2j * np.pi * np.multiply.outer(frequencies, positions)).astype(np.complex64)
