"""Blinking emitters: chains, light, places and drift are what the conditions say."""

import json

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import (
    BlinkingConditions,
    Camera,
    blinking_states,
    draw_structure,
    simulate_blinking,
)
from dlsim_ij.simulation.blinking import BLEACHED, OFF, ON

NO_NOISE = Camera(gain_adu_per_electron=1, offset_adu=0, read_noise_electrons=0, row_column_electrons=0)
BRIGHT = 60_000.0  # photo-electrons of one emitter, below saturation even in a single pixel


def one_point(side, factor, at):
    density = np.zeros((side * factor, side * factor))
    density[at] = 1
    return density


def always_on(**options):
    options = {"p_on": 1.0, "p_off": 0.0, "p_bleach": 0.0, "background_electrons": 0.0, **options}
    return BlinkingConditions(camera=NO_NOISE, **options)


def centre(image):
    """Return the place (y, x) of a single spot, from the phase of the lowest frequency; no edge effects."""
    spectrum = np.fft.fft2(image)
    phases = -np.angle(np.array([spectrum[1, 0], spectrum[0, 1]])) / (2 * np.pi)
    return phases % 1 * image.shape[0] + 0.5


def test_the_same_seed_gives_the_same_bits():
    density = draw_structure("actin", (128, 128), 0.02, np.random.default_rng(0))
    conditions = BlinkingConditions(n_frames=12, n_emitters=300, drift_px_per_frame=(0.1, 0.05))
    one, two, other = (
        simulate_blinking(density, conditions, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert one.raw.shape == (12, 32, 32)
    assert one.raw.dtype == np.uint16
    for name in ("raw", "object", "positions_px", "states", "drift_px"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert (one.raw != other.raw).mean() > 0.5


def test_chains_have_their_chances():
    conditions = BlinkingConditions(n_frames=400, n_emitters=3000, p_on=0.04, p_off=0.3, p_bleach=0.01)
    states = blinking_states(conditions, np.random.default_rng(0))
    before, after = states[:-1], states[1:]

    def chance(start, end):
        return np.mean(after[before == start] == end)

    assert set(np.unique(states)) == {OFF, ON, BLEACHED}
    assert (states[0] == ON).mean() == pytest.approx(0.04 / 0.34, abs=0.02)
    assert chance(OFF, ON) == pytest.approx(0.04, abs=0.002)
    assert chance(ON, OFF) == pytest.approx(0.3, abs=0.006)
    assert chance(ON, BLEACHED) == pytest.approx(0.01, abs=0.001)
    assert chance(OFF, BLEACHED) == 0
    assert chance(BLEACHED, BLEACHED) == 1


@pytest.mark.parametrize("pixel_size_um", [0.06, 0.16, 0.3])  # two are coarser than half the resolution
def test_an_emitter_is_where_it_is_said_to_be_and_as_bright(pixel_size_um):
    optics = Optics(pixel_size_um=pixel_size_um)
    conditions = always_on(
        optics=optics, n_frames=3, n_emitters=1, photons_per_emitter=BRIGHT, drift_px_per_frame=(0.25, -1.6)
    )
    series = simulate_blinking(one_point(24, 4, (41, 55)), conditions, np.random.default_rng(1))
    assert (series.positions_px[0] // 0.25).tolist() == [41, 55]
    for number, frame in enumerate(series.raw.astype(float)):
        assert frame.sum() == pytest.approx(BRIGHT, rel=0.02)
        expected = series.positions_px[0] + number * np.array([0.25, -1.6])
        tolerance = 0.03 if pixel_size_um < 0.1 else 0.1  # folded detail moves the centre a little
        np.testing.assert_allclose(centre(frame), expected, atol=tolerance)
    np.testing.assert_allclose(series.drift_px[-1], (0.5, -3.2))


def test_the_optics_pass_no_more_than_they_can():
    conditions = always_on(n_frames=1, n_emitters=1, photons_per_emitter=BRIGHT)
    raw = simulate_blinking(
        one_point(64, 2, (60, 61)), conditions, np.random.default_rng(0), points_per_pixel=2
    ).raw[0]
    spectrum = np.abs(np.fft.fft2(raw.astype(float)))
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    beyond = radius > conditions.optics.cutoff_px
    assert beyond.any()
    assert spectrum[beyond].max() < 0.02 * spectrum[0, 0]
    assert spectrum[(radius > 0.1) & (radius < 0.15)].min() > 0.2 * spectrum[0, 0]


def test_truth_and_frames_hold_the_same_light():
    density = draw_structure("microtubules", (160, 160), 0.02, np.random.default_rng(2))
    conditions = BlinkingConditions(
        n_frames=60, n_emitters=500, photons_per_emitter=400.0, background_electrons=3.0, camera=NO_NOISE
    )
    series = simulate_blinking(density, conditions, np.random.default_rng(2), points_per_pixel=5)
    assert series.object.shape == (160, 160)
    light = series.raw.mean(axis=0).sum() - 3.0 * 32 * 32
    assert series.object.sum() == pytest.approx((series.states == ON).sum() / 60 * 400, rel=1e-5)
    assert light == pytest.approx(series.object.sum(), rel=0.02)
    assert not series.object[density == 0].any()
    brightest = (series.states == ON).sum(axis=1).argmax(), (series.states == ON).sum(axis=1).argmin()
    assert series.raw[brightest[0]].sum() > series.raw[brightest[1]].sum()


def test_conditions_go_to_json_and_pictures_stay_out():
    conditions = BlinkingConditions(n_frames=2, n_emitters=3)
    series = simulate_blinking(np.ones((32, 32)), conditions, np.random.default_rng(0))
    kept = json.loads(json.dumps(series.to_dict()))
    assert set(kept) == {"conditions"}
    assert kept["conditions"]["p_bleach"] == 0.002
    assert kept["conditions"]["camera"]["gain_adu_per_electron"] == 6.85


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"p_off": 0.9, "p_bleach": 0.2}, "are impossible"),
        ({"p_on": -0.1}, "are impossible"),
        ({"p_on": 0, "p_off": 0}, "how many start on"),
        ({"n_frames": 0}, "at least one frame"),
        ({"photons_per_emitter": -1}, "light cannot be negative"),
    ],
)
def test_impossible_conditions_are_refused(options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        BlinkingConditions(**options)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("density", "said"),
    [
        (np.ones((33, 32)), "no whole number of pixels"),
        (np.ones(32), "no whole number of pixels"),
        (np.zeros((32, 32)), "no emitter can be placed"),
        (np.full((32, 32), np.nan), "no emitter can be placed"),
        (-np.ones((32, 32)), "no emitter can be placed"),
    ],
)
def test_an_object_that_holds_no_emitters_is_refused(density, said):
    with pytest.raises(ConfigError, match=said):
        simulate_blinking(density, BlinkingConditions(n_frames=2), np.random.default_rng(0))
