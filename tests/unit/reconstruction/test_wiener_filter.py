"""Filters and geometries: presets, limits, other numbers of angles and phases, plans used twice."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.optics import Optics
from dlsim_ij.quality import best_shift, fair_scores
from dlsim_ij.reconstruction import (
    FILTERS,
    STANDARD,
    VENDOR,
    WienerFilter,
    WienerPlan,
    estimate_parameters,
    wiener_images,
    wiener_sim,
)
from dlsim_ij.simulation import draw_structure, random_conditions, simulate_sim

INNER = np.s_[24:-24, 24:-24]


def simulate(n_angles=3, n_phases=5, seed=0, structure="microtubules"):
    rng = np.random.default_rng(seed)
    density = draw_structure(structure, (256, 256), 0.03, rng)
    conditions = random_conditions(
        rng, photons=(300, 300), n_angles=n_angles, n_phases=n_phases, like_paper=1.0
    )
    return simulate_sim(density, dataclasses.replace(conditions, haze=0.3), rng)


@pytest.mark.parametrize(
    ("n_angles", "n_phases"), [(2, 5), (3, 3), (3, 4), (3, 5), (4, 3), (5, 5), (3, 7), (6, 3)]
)
def test_any_number_of_angles_and_phases(n_angles, n_phases):
    stack = simulate(n_angles, n_phases, seed=2, structure="actin")
    found = estimate_parameters(stack.raw, Optics(), n_angles=n_angles, n_phases=n_phases)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    image = wiener_sim(signal, found.patterns, Optics(), filter=STANDARD)
    wide = bicubic_enlarge(signal.mean(axis=0), 2)
    assert np.hypot(*best_shift(stack.object[INNER], image[INNER])) < 0.05
    gained = fair_scores(stack.object[INNER], image[INNER]).psnr_db
    assert gained > fair_scores(stack.object[INNER], wide[INNER]).psnr_db + 3


def test_the_standard_filter_comes_nearest_to_the_object():
    stack = simulate()
    patterns = stack.conditions.patterns
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    score = {
        name: fair_scores(
            stack.object[INNER], wiener_sim(signal, patterns, Optics(), filter=one)[INNER]
        ).psnr_db
        for name, one in FILTERS.items()
    }
    assert score["standard"] > score["vendor"] + 0.5 > score["soft"] + 1


def test_what_is_measured_equals_what_is_given():
    """A filter without damping and weights is the one with the measured numbers."""
    stack = simulate(seed=3)
    signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
    found = estimate_parameters(stack.raw, Optics())
    patterns = [dataclasses.replace(p, modulation=(0.6, 0.4)) for p in found.patterns]
    measured = wiener_sim(signal, patterns, Optics(), filter=STANDARD)
    given = dataclasses.replace(STANDARD, otf_damping=found.otf_damping, order_weights=(0.3, 0.2))
    np.testing.assert_allclose(
        measured, wiener_sim(signal, patterns, Optics(), filter=given), rtol=1e-3, atol=1
    )


def test_the_options_do_what_they_say():
    stack = simulate(seed=1)
    patterns = stack.conditions.patterns

    def spectrum(**changes):
        image = wiener_sim(stack.raw, patterns, Optics(), filter=dataclasses.replace(VENDOR, **changes))
        return abs(np.fft.fft2((image - image.mean()) * np.outer(np.hanning(256), np.hanning(256))))

    radius = 2 * np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :]) / Optics().cutoff_px
    fine, usual = (radius > 1) & (radius < 1.35), spectrum()
    assert spectrum(wiener=0.5)[fine].sum() < 0.5 * usual[fine].sum()
    assert spectrum(apodisation_end=1.0)[fine].sum() < 0.1 * usual[fine].sum()
    assert (
        spectrum(apodisation_bend=3)[fine].sum()
        < usual[fine].sum()
        < spectrum(apodisation_bend=0.3)[fine].sum()
    )
    little = {"wiener": 1e-3}  # where the weights are not outweighed by the Wiener parameter
    weak, strong = (spectrum(order_weights=w, **little)[fine].sum() for w in ((0.2, 0.1), (0.8, 0.4)))
    assert weak > 2 * strong


def test_the_notch_takes_out_of_focus_light_away():
    """Light without pattern and without fine detail is what the notch is for."""
    rng = np.random.default_rng(0)
    haze = scipy.ndimage.gaussian_filter(rng.random((128, 128)), 6, mode="wrap").astype(np.float32)
    frames = np.stack([haze] * 15)
    patterns = simulate(seed=1).conditions.patterns
    left = [
        wiener_sim(frames, patterns, Optics(), filter=dataclasses.replace(VENDOR, notch_strength=s)).std()
        for s in (0.0, 0.9, 1.0)
    ]
    assert left[1] < 0.85 * left[0]
    assert left[2] < 0.6 * left[0]


def test_a_plan_serves_many_stacks():
    stack = simulate(seed=4)
    plan = WienerPlan((128, 128), stack.conditions.patterns, Optics(), [VENDOR])
    for frames in (stack.electrons, stack.electrons[:, ::-1]):
        once = wiener_images(frames, stack.conditions.patterns, Optics(), [VENDOR])
        np.testing.assert_array_equal(plan.images(frames), once)
    with pytest.raises(LayoutError, match="64 x 128 pixels, not 128 x 128"):
        plan.images(stack.electrons[:, ::2])
    with pytest.raises(LayoutError, match="14 frames"):
        plan.images(stack.electrons[:14])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wiener": 0.0}, "Wiener parameter of 0 "),
        ({"otf_damping": 2.0}, "OTF damping of 2 "),
        ({"notch_strength": 1.1}, "notch strength of 1.1 "),
        ({"notch_width": 0.0}, "notch width of 0 "),
        ({"apodisation_end": 9.0}, "apodisation cutoff of 9 "),
        ({"apodisation_bend": 0.0}, "apodisation bend of 0 "),
        ({"order_weights": (0.5, -1.0)}, "order weight of -1 "),
    ],
)
def test_impossible_filters_are_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        WienerFilter(**change)


def test_each_order_needs_a_weight():
    stack = simulate(seed=5)
    with pytest.raises(ConfigError, match="1 order weights for 2 orders"):
        wiener_sim(
            stack.electrons, stack.conditions.patterns, Optics(), filter=WienerFilter(order_weights=(0.5,))
        )
