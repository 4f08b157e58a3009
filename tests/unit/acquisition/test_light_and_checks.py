"""Camera and light from the noise; what lamp, stage and camera do to frames."""

import numpy as np
import pytest
import scipy.ndimage

from dlsim_ij.acquisition import detect_acquisition, measure_light
from dlsim_ij.acquisition.checks import check_frames, hot_pixels, notices, saturated_pixels
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Camera, Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns

CUTOFF = Optics().cutoff_px


def make(camera=None, photons=300.0, intensity=None, seed=0, structure="microtubules"):
    rng = np.random.default_rng(seed)
    density = draw_structure(structure, (256, 256), 0.03, rng)
    conditions = Conditions(
        patterns=paper_patterns(phases_rad=tuple(rng.uniform(0, 6, 3))),
        photons=photons,
        intensity=tuple(intensity) if intensity is not None else (1.0,) * 15,
        camera=camera or Camera(),
    )
    return simulate_sim(density, conditions, rng)


def checked(frames, offset=100.0):
    return check_frames(
        frames, permutation=tuple(range(15)), n_angles=3, offset=offset, cutoff_px=CUTOFF,
        saturated=saturated_pixels(frames), hot=hot_pixels(frames.mean(axis=0)),
    )  # fmt: skip


@pytest.mark.parametrize("gain", [0.5, 2.0, 6.85])
@pytest.mark.parametrize("photons", [3, 30, 300])
def test_gain_and_light_level_from_the_noise(gain, photons):
    camera = Camera(gain_adu_per_electron=gain, offset_adu=200, row_column_electrons=0)
    light = measure_light(make(camera, photons).raw, CUTOFF)
    assert light.gain_adu_per_electron == pytest.approx(gain, rel=0.05)
    assert light.photons == pytest.approx(photons, rel=0.12)
    assert abs(light.offset_adu - 200) < 4 * light.offset_error + 0.5 * gain


def test_read_noise_and_offset_are_told_apart_in_the_dark():
    for read in (0.5, 1.5):
        light = measure_light(make(Camera(read_noise_electrons=read), 3, structure="actin").raw, CUTOFF)
        assert light.offset_adu == pytest.approx(100, abs=3.5)
        assert light.read_noise_electrons == pytest.approx(read, abs=0.35)


def test_pixels_larger_than_the_optics_ask_for_leave_no_band_of_noise():
    light = measure_light(make().raw, 0.75)
    assert light.gain_adu_per_electron is light.photons is light.offset_adu is None


def test_a_field_of_even_brightness_has_no_gain():
    flat = np.random.default_rng(0).normal(1000, 5, (15, 64, 64))
    assert measure_light(flat, CUTOFF).gain_adu_per_electron is None


def test_a_steady_stack_has_nothing_to_tell():
    stack = make()
    checks = checked(stack.raw)
    assert abs(checks.bleaching) < 0.03
    assert checks.flicker < 0.02
    assert max(np.hypot(*shift) for shift in checks.drift_px) < 0.05
    assert checks.unevenness < 0.05
    assert checks.saturated == checks.hot_pixels == 0
    assert notices(checks, stack.raw[0].size) == []


def test_bleaching_is_measured():
    checks = checked(make(intensity=np.linspace(1, 0.7, 15)).raw)
    assert checks.bleaching == pytest.approx(0.3, abs=0.03)
    assert "30 % of the light is lost" in notices(checks, 128**2)[0][0]


def test_flicker_is_not_bleaching():
    checks = checked(make(intensity=1 + 0.1 * (-1.0) ** np.arange(15)).raw)
    assert abs(checks.bleaching) < 0.04
    assert checks.flicker == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize("shift", [(0.3, -0.2), (1.4, 0.7), (-3.2, 1.1)])
def test_drift_between_angles_is_measured(shift):
    raw = make().raw.astype(np.float64)
    for frame in range(5, 10):
        raw[frame] = scipy.ndimage.shift(raw[frame], shift, order=3, mode="wrap")
    checks = checked(raw)
    assert checks.drift_px[0] == (0.0, 0.0)
    np.testing.assert_allclose(checks.drift_px[1], shift, atol=0.06)
    np.testing.assert_allclose(checks.drift_px[2], (0, 0), atol=0.06)
    told = [message for message, _ in notices(checks, 128**2) if "moves by" in message]
    assert len(told) == (np.hypot(*shift) > 0.5)


def test_uneven_illumination_of_an_angle_is_measured():
    raw = make(structure="actin").raw.astype(np.float64)
    ramp = np.linspace(0.6, 1.4, 128)
    raw[5:10] = 100 + (raw[5:10] - 100) * ramp
    assert 0.25 < checked(raw).unevenness < 0.7


def test_saturation_of_a_camera_of_any_depth():
    raw = np.minimum(make().raw, 1023)
    checks = checked(raw)
    assert checks.saturated == pytest.approx((raw == 1023).mean())
    assert checks.saturated > 0.001
    assert any("saturated" in message for message, _ in notices(checks, 128**2))
    assert not saturated_pixels(np.minimum(make().raw, 1000)).any()


def test_hot_pixels_are_counted():
    raw = make().raw
    rng = np.random.default_rng(1)
    places = rng.choice(raw[0].size, 30, replace=False)
    flat = raw.reshape(15, -1)
    flat[:, places] += 3000
    checks = checked(raw)
    assert 25 <= checks.hot_pixels <= 31
    assert "hot pixels" in " ".join(message for message, _ in notices(checks, 128**2))


def test_points_are_not_hot_pixels():
    assert checked(make(structure="points", photons=1000).raw).hot_pixels <= 2


def test_all_of_it_is_part_of_an_acquisition():
    found = detect_acquisition(make().raw, 0.06)
    row = found.to_dict()
    assert row["light"]["photons"] == pytest.approx(300, rel=0.1)
    assert row["checks"]["saturated"] == 0
    assert row["beams"] == 3
    assert found.verdict == "fit"
