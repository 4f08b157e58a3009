"""One simulated field of view: an object under a pattern, exposed at several light levels.

Targets, both above the background and in units of the stack's own scale:

- ``wiener``: what the Wiener filter of the paper's microscope makes of the frames without noise, under the
  true pattern, so as good software shows a bright acquisition;
- ``object``: the object itself under a smooth transfer that ends well inside the SIM limit. It has no
  haze, no dark halos and no stripes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.acquisition.pattern_fit import CLEAR_PEAK
from dlsim_ij.datasets.inputs import input_kind, network_inputs
from dlsim_ij.datasets.normalise import Scaling
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.reconstruction import VENDOR, wiener_sim
from dlsim_ij.simulation import Conditions, SimulatedStack, draw_structure, simulate_sim

FloatArray = NDArray[np.floating]

# of the SIM limit (cut-off plus finest pattern): where the object's transfer ends, and how it bends.
# The last part of the limit holds little light and no picture needs it; asked for it, a network invents.
OBJECT_END, OBJECT_BEND = 0.78, 1.5


def draw_object(
    structure: str,
    field_px: int,
    grid_um: float,
    rng: np.random.Generator,
    *,
    others: Sequence[str] = (),
    mixtures: float = 0.0,
) -> FloatArray:
    """Draw an object, in a fraction `mixtures` of all cases with one of the `others` among it.

    Returns
    -------
    (2 field_px, 2 field_px) float32 ndarray
    """
    shape = (2 * field_px, 2 * field_px)
    density = draw_structure(structure, shape, grid_um, rng)
    if others and rng.random() < mixtures:
        share = np.exp(rng.uniform(np.log(0.2), np.log(2.0)))
        density = density + np.float32(share) * draw_structure(str(rng.choice(others)), shape, grid_um, rng)
    return density


def expose(
    density: FloatArray,
    haze_density: FloatArray,
    conditions: Conditions,
    levels: Sequence[float],
    rng: np.random.Generator,
    *,
    inputs: str,
    targets: Sequence[str],
    pattern_error: Callable[[Pattern, float, np.random.Generator], Pattern],
) -> list[tuple[FloatArray, FloatArray]]:
    """Make (channels, targets) of one object at every light level.

    Parameters
    ----------
    density, haze_density : (2Y, 2X) ndarray
        In focus and out of it.
    conditions : Conditions
        All but the light level.
    levels : sequence of float
        Photons per pixel.
    rng : numpy.random.Generator
    inputs : str
        See `datasets.inputs`.
    targets : sequence of {"wiener", "object"}
    pattern_error : callable
        Makes of a true pattern the one that a fit at that light level would give.

    Returns
    -------
    list of ((C, Y, X) ndarray, (len(targets), 2Y, 2X) ndarray)
    """
    pairs = []
    for level in levels:
        exposed = dataclasses.replace(conditions, photons=level)
        stack = simulate_sim(density, exposed, rng, haze_density=haze_density)
        patterns = [pattern_error(p, level, rng) for p in exposed.patterns]
        channels, scaling = network_inputs(stack.raw, patterns, exposed.optics, inputs)
        made = np.stack([_TARGETS[name](stack, scaling) for name in targets])
        pairs.append((channels, made))
    return pairs


def wiener_target(stack: SimulatedStack, scaling: Scaling) -> FloatArray:
    """Return what a Wiener filter makes of the stack without noise: (2Y, 2X) float32, normalised."""
    conditions = stack.conditions
    brightness = np.array(conditions.intensity, dtype=np.float32)[:, None, None]
    camera = conditions.camera
    counts = stack.electrons / brightness * np.float32(camera.gain_adu_per_electron)
    clean = scaling.apply(counts + np.float32(camera.offset_adu))
    return wiener_sim(clean, conditions.patterns, conditions.optics, filter=VENDOR)


def object_target(stack: SimulatedStack, scaling: Scaling) -> FloatArray:
    """Return the object under a cosine^1.5 that ends at 0.78 of the SIM limit: as `wiener_target`."""
    conditions = stack.conditions
    finest = max(p.orders * np.hypot(*p.frequency_px) for p in conditions.patterns)
    limit = conditions.optics.cutoff_px + finest
    height, width = stack.object.shape
    fy, fx = 2 * scipy.fft.fftfreq(height), 2 * scipy.fft.rfftfreq(width)
    frequency = np.hypot(fy[:, None], fx[None, :]) / limit
    there = np.cos(np.pi / 2 * np.minimum(frequency, 1))  # the transfer that `stack.object` has already
    wanted = np.cos(np.pi / 2 * np.minimum(frequency / OBJECT_END, 1)) ** OBJECT_BEND
    change = np.divide(wanted, there, out=np.zeros_like(wanted), where=frequency < OBJECT_END)
    spectrum = scipy.fft.rfft2(stack.object) * change.astype(np.float32)
    image = scipy.fft.irfft2(spectrum, s=(height, width))
    gain = conditions.camera.gain_adu_per_electron / scaling.scale
    return (image * gain).astype(np.float32)


_TARGETS: dict[str, Callable[[SimulatedStack, Scaling], FloatArray]] = {
    "wiener": wiener_target,
    "object": object_target,
}


def as_fitted(pattern: Pattern, photons: float, rng: np.random.Generator) -> Pattern:
    """Return the pattern as a fit would give it: nearly right, with equal phase steps.

    The spreads are those of `fit_patterns` on simulated fields of this size; in the dark, where order
    2 has no clear peak, its phase follows order 1.
    """
    dark = photons < 4 * CLEAR_PEAK
    n_phases = len(pattern.steps_rad)
    first = pattern.phases_rad[0] + float(np.mean(pattern.steps_rad) - np.mean(equal_steps(n_phases)))
    first += rng.normal(0, 0.08 if dark else 0.04)
    second = 2 * first if dark else pattern.phases_rad[-1] + rng.normal(0, 0.08)
    return _moved(pattern, (first, second)[: pattern.orders], 3e-4 if dark else 1e-4, rng)


def as_calibrated(pattern: Pattern, photons: float, rng: np.random.Generator) -> Pattern:
    """Return the pattern as a calibration and a single frame would give it: its phase is less sure."""
    spread = np.exp(rng.uniform(np.log(0.02), np.log(0.2)))
    error = rng.normal(0, spread)
    first = pattern.phases_rad[0] + pattern.steps_rad[0] + error
    second = pattern.phases_rad[-1] + 2 * (pattern.steps_rad[0] + error) + rng.normal(0, 0.08)
    return _moved(pattern, (first, second)[: pattern.orders], 1e-4, rng)


def _moved(
    pattern: Pattern, phases_rad: tuple[float, ...], spread_px: float, rng: np.random.Generator
) -> Pattern:
    y, x = pattern.frequency_px
    return dataclasses.replace(
        pattern,
        frequency_px=(y + rng.normal(0, spread_px), x + rng.normal(0, spread_px)),
        phases_rad=phases_rad,
        steps_rad=equal_steps(len(pattern.steps_rad)),
    )


def pattern_error_of(inputs: str) -> Callable[[Pattern, float, np.random.Generator], Pattern]:
    """Return how far from the truth the patterns are that go with a kind of input."""
    return as_calibrated if input_kind(inputs).one_per_angle else as_fitted


def random_optics(rng: np.random.Generator) -> Optics:
    """Draw the optics of another microscope whose camera samples them neither too coarsely nor too finely."""
    while True:
        optics = Optics(
            na=rng.uniform(1.2, 1.49),
            emission_nm=rng.uniform(480, 680),
            pixel_size_um=rng.uniform(0.05, 0.085),
        )
        if 0.2 <= optics.cutoff_px <= 0.47:
            return optics
