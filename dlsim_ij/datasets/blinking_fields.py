"""Simulated fields of blinking emitters: what they are made of, and the SRRF image of all their frames."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.datasets.blinking_inputs import MAGNIFICATION, N_FRAMES, normalised_signal, radiality_image
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.optics import Optics
from dlsim_ij.results import Result
from dlsim_ij.simulation import STRUCTURES, BlinkingConditions, Camera, draw_structure, simulate_blinking

FloatArray = NDArray[np.floating]

FRAMES_OF_TRUTH = 200
_FWHM_PER_SIGMA = 2.3548
_BRIGHT_PERCENT = 99.5
_MOST_LIT_PER_PX, _MOST_EMITTERS_PER_PX = 2, 12  # of the field, on average; they cost time


@dataclass(frozen=True, slots=True, kw_only=True)
class BlinkingField(Result):
    """A simulated series and the SRRF image of all its frames.

    Attributes
    ----------
    raw : (200, Y, X) uint16 ndarray
        Camera counts, without hot pixels.
    truth : (5Y, 5X) float32 ndarray
        SRRF of all frames above their background, in counts.
    scaling : Scaling
        Of all frames: what counts as background.
    conditions : BlinkingConditions
    """

    raw: NDArray[np.uint16] = field(repr=False, compare=False)
    truth: NDArray[np.float32] = field(repr=False, compare=False)
    scaling: Scaling
    conditions: BlinkingConditions


def make_field(
    structure: str, side_px: int, rng: np.random.Generator, *, mixtures: float = 0.0
) -> BlinkingField:
    """Draw a structure, its blinking, optics and camera; expose it, and make its SRRF image.

    Parameters
    ----------
    structure : str
        One of `STRUCTURES`.
    side_px : int
        Camera pixels along a side.
    rng : numpy.random.Generator
        Source of everything random.
    mixtures : float
        Chance that a second structure lies over the first.

    Returns
    -------
    BlinkingField
    """
    optics = random_optics(rng)
    shape = (MAGNIFICATION * side_px,) * 2
    grid_um = optics.pixel_size_um / MAGNIFICATION
    density = draw_structure(structure, shape, grid_um, rng)
    if rng.random() < mixtures:
        other = str(rng.choice([name for name in STRUCTURES if name != structure]))
        density = density + np.float32(rng.uniform(0.2, 1)) * draw_structure(other, shape, grid_um, rng)
    conditions = random_blinking(density, optics, rng)
    raw = simulate_blinking(density, conditions, rng, points_per_pixel=MAGNIFICATION).raw
    signal, scaling = normalised_signal(raw)
    truth = radiality_image(signal, threads=1) * np.float32(scaling.scale)
    return BlinkingField(raw=raw, truth=truth, scaling=scaling, conditions=conditions)


def random_optics(rng: np.random.Generator) -> Optics:
    """Draw a microscope whose point-spread function is 1.5 to 3.5 camera pixels wide."""
    na, emission_nm = rng.uniform(1.2, 1.49), rng.uniform(510, 680)
    width_um = 0.51 * emission_nm / 1000 / na
    return Optics(na=na, emission_nm=emission_nm, pixel_size_um=width_um / rng.uniform(1.5, 3.5))


def random_blinking(density: FloatArray, optics: Optics, rng: np.random.Generator) -> BlinkingConditions:
    """Draw emitters, light and camera for a density of label on the fine grid.

    Where the mean image is bright (its 99.5 % level), 1 to 100 emitters within the width of the
    point-spread function are lit at a time (at most 2 per pixel of the field, on average), and together
    give 10 to 600 photo-electrons per pixel and frame (one emitter at most 5000). An emitter is lit 2 to
    50 % of the time, for 1 to 10 frames on average. The background is up to as bright as that level, camera
    gains range over a factor of 27. All but offset and background are even on a log scale.

    So these are densely labelled samples in ordinary light, as the paper's, not single molecules: where
    fewer than one emitter is lit at a time, five frames do not hold the structure.
    """
    lit_share = _log_uniform(rng, 0.02, 0.5)
    p_off = _log_uniform(rng, 0.1, 0.9)
    electrons = _log_uniform(rng, 10, 600)
    side_px = density.shape[0] // MAGNIFICATION
    coarse = density.reshape(side_px, MAGNIFICATION, -1, MAGNIFICATION).sum(axis=(1, 3), dtype=np.float64)
    width_px = 0.51 * optics.emission_nm / 1000 / optics.na / optics.pixel_size_um
    seen = ndimage.gaussian_filter(coarse / coarse.sum(), width_px / _FWHM_PER_SIGMA, mode="wrap")
    bright = float(np.percentile(seen, _BRIGHT_PERCENT))  # of the light of all emitters, in one pixel
    area_px = np.pi / 4 / np.log(2) * width_px**2
    lit = min(_log_uniform(rng, 1, 100) / (bright * area_px), _MOST_LIT_PER_PX * side_px**2)
    n_emitters = int(np.clip(lit / lit_share, 50, _MOST_EMITTERS_PER_PX * side_px**2))
    photons = electrons / (n_emitters * lit_share * bright)
    return BlinkingConditions(
        optics=optics,
        otf_damping=rng.uniform(0.3, 0.9),
        n_frames=FRAMES_OF_TRUTH,
        n_emitters=n_emitters,
        p_on=lit_share / (1 - lit_share) * p_off,
        p_off=p_off,
        p_bleach=_log_uniform(rng, 1e-4, 3e-3),
        photons_per_emitter=min(photons, 5000.0),
        background_electrons=electrons * rng.uniform(0, 1) ** 2 + rng.uniform(0, 5),
        camera=Camera(
            gain_adu_per_electron=_log_uniform(rng, 0.3, 8),
            offset_adu=rng.uniform(90, 400),
            read_noise_electrons=rng.uniform(0.3, 2),
            row_column_electrons=rng.uniform(0, 0.2),
        ),
    )


def group_starts(n_groups: int, rng: np.random.Generator) -> list[int]:
    """Draw the first frames of groups of five consecutive frames that do not overlap."""
    slots = rng.permutation(FRAMES_OF_TRUTH // N_FRAMES)[:n_groups]
    return [int(N_FRAMES * slot) for slot in slots]


def brightness_of(frames: NDArray[np.integer], whole: NDArray[np.integer]) -> float:
    """Return how bright a few frames are on average, relative to all of them.

    The slope of the one mean image over the other: without an offset, and not drawn down by the noise of
    the few frames. No network can know how much the sample bleached later, so its target is the SRRF image
    of frames that are as bright as those it sees.
    """
    few, many = (stack.mean(axis=0, dtype=np.float64) for stack in (frames, whole))
    many = many - many.mean()
    slope = float((many * few).sum() / (many**2).sum())
    return float(np.clip(slope, 0.2, 5.0))


def with_hot_pixels(
    frames: NDArray[np.uint16], fraction: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Add hot pixels, the same in every frame, as bright as the brightest of the picture or several times."""
    hot = rng.random(frames.shape[1:]) < fraction
    span = float(frames.max()) - float(np.median(frames))
    added = np.zeros(frames.shape[1:])
    added[hot] = span * np.exp(rng.uniform(np.log(0.3), np.log(10), hot.sum()))
    return np.clip(np.rint(frames + added), 0, 65535).astype(np.uint16)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
