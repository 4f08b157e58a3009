"""Phases of single frames: found to a degree at normal light, left alone in the dark."""

import dataclasses

import numpy as np
import pytest

from dlsim_ij.acquisition import fit_patterns, measure_steps
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.pattern_phases import step_errors_rad
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import WienerFilter, wiener_sim
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns

# without a notch, which would take away most of the stripes
PLAIN = WienerFilter(otf_damping=0.4, wiener=0.1, order_weights=(0.3, 0.17), notch_strength=0.0)


def uneven(structure, seed, *, photons=1000.0, degrees=10.0, n_phases=5, side=192):
    rng = np.random.default_rng(seed)
    patterns = paper_patterns(n_phases=n_phases, phases_rad=tuple(rng.uniform(0, 6, 3)))
    orders = 2 if n_phases >= 5 else 1
    patterns = tuple(
        dataclasses.replace(
            p,
            phases_rad=p.phases_rad[:orders],
            modulation=p.modulation[:orders],
            frequency_px=tuple(f * (1 if orders == 2 else 2) for f in p.frequency_px),
            steps_rad=tuple(np.array(p.steps_rad) + np.radians(rng.uniform(-degrees, degrees, n_phases))),
        )
        for p in patterns
    )
    density = draw_structure(structure, (2 * side, 2 * side), 0.03, rng)
    conditions = Conditions(
        patterns=patterns, photons=photons, haze=0.3, intensity=(1.0,) * 3 * n_phases, flat=0.0
    )
    stack = simulate_sim(density, conditions, rng)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    return stack, signal, fit_patterns(signal, 3, n_phases, Optics())


def errors_deg(patterns, truth):
    worst = []
    for found, true in zip(patterns, truth, strict=True):
        sign = 1 if np.dot(found.frequency_px, true.frequency_px) > 0 else -1
        difference = sign * np.array(step_errors_rad(found)) - step_errors_rad(true)
        worst.append(np.degrees(np.abs(difference)).max())
    return np.array(worst)


def stripes(image, clean, patterns):
    """Return the largest amplitude, at the frequencies of the patterns, of what `image` adds to `clean`."""
    window = np.outer(*(np.hanning(n) for n in image.shape))
    spectrum = abs(np.fft.fft2((image - image.mean() - clean + clean.mean()) * window)) / window.sum()
    worst = 0.0
    for pattern in patterns:
        for order in range(1, pattern.orders + 1):
            y, x = (round(order * f * n / 2) for f, n in zip(pattern.frequency_px, image.shape, strict=True))
            worst = max(worst, np.roll(spectrum, (1 - y, 1 - x), axis=(0, 1))[:3, :3].max())
    return worst / clean.std()


@pytest.mark.parametrize(("structure", "seed"), [("microtubules", 0), ("actin", 1), ("mitochondria", 2)])
def test_errors_of_10_degrees_are_found_and_their_stripes_go(structure, seed):
    stack, signal, patterns = uneven(structure, seed)
    measured = measure_steps(signal, patterns, Optics()).patterns
    assert errors_deg(patterns, stack.conditions.patterns).max() > 6
    assert errors_deg(measured, stack.conditions.patterns).max() < 3
    truth = stack.conditions.patterns
    ideal, known, estimated = (
        wiener_sim(signal, p, Optics(), filter=PLAIN)[32:-32, 32:-32] for p in (truth, patterns, measured)
    )
    assert fair_scores(ideal, estimated).psnr_db > fair_scores(ideal, known).psnr_db + 8
    assert stripes(estimated, ideal, truth) < 0.5 * stripes(known, ideal, truth)


def test_two_beam_stacks_of_four_phases():
    stack, signal, patterns = uneven("actin", 3, n_phases=4)
    measured = measure_steps(signal, patterns, Optics()).patterns
    assert errors_deg(measured, stack.conditions.patterns).max() < 3


def test_even_steps_stay_even_in_the_dark():
    stack, signal, patterns = uneven("microtubules", 4, photons=10.0, degrees=0.0)
    measured = measure_steps(signal, patterns, Optics()).patterns
    assert errors_deg(measured, stack.conditions.patterns).max() < 6


def test_the_first_step_is_0_and_the_phase_is_that_of_the_first_frame():
    stack, signal, patterns = uneven("actin", 5)
    for found, true in zip(
        measure_steps(signal, patterns, Optics()).patterns, stack.conditions.patterns, strict=True
    ):
        assert found.steps_rad[0] == 0
        sign = 1 if np.dot(found.frequency_px, true.frequency_px) > 0 else -1
        first = true.phases_rad[0] + true.steps_rad[0]
        assert abs((sign * found.phases_rad[0] - first + np.pi) % (2 * np.pi) - np.pi) < np.radians(4)


def test_a_frame_in_the_wrong_place_is_no_phase_error():
    _, signal, patterns = uneven("actin", 6, degrees=0.0)
    signal = signal.copy()
    signal[[1, 3]] = signal[[3, 1]]
    with pytest.raises(LayoutError, match="a phase of angle 1 is"):
        measure_steps(signal, patterns, Optics())
