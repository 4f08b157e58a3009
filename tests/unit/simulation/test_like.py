"""Conditions fitted to a stack: every parameter comes back, and the public sample has its like.

Tolerances are about three times the root mean square errors that `benchmarks/like.py` prints.
"""

import dataclasses

import numpy as np
import pytest

from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.images import read_image, undo_enlargement
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import (
    Camera,
    compare_stacks,
    draw_structure,
    fit_stack,
    illumination,
    paper_conditions,
    random_conditions,
    scene_of,
    simulate_sim,
)
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.simulation.noise_fit import fit_noise


def simulated(seed, structure, photons, side=128, **changes):
    rng = np.random.default_rng([seed, 3])
    true = random_conditions(rng, photons=(photons, photons), like_paper=1.0)
    camera = dataclasses.replace(true.camera, row_column_electrons=0.1)
    true = dataclasses.replace(
        true, cutoff_factor=1.0, haze=rng.uniform(0.3, 1.5), haze_sigma_px=rng.uniform(8, 15),
        **{"camera": camera, **changes},
    )  # fmt: skip
    density, haze = (draw_structure(structure, (2 * side, 2 * side), 0.03, rng) for _ in range(2))
    return true, simulate_sim(density, true, rng, haze_density=haze).raw


CASES = [
    (seed, structure, photons)
    for photons in (30, 300, 3000)
    for seed, structure in ((0, "microtubules"), (1, "actin"), (2, "mitochondria"))
]


@pytest.mark.parametrize(("seed", "structure", "photons"), CASES)
def test_pattern_blur_and_light_come_back(seed, structure, photons):
    true, raw = simulated(seed, structure, photons)
    found = fit_stack(raw, true.optics).conditions
    loose = 3 if photons < 100 else 1
    middle = np.array([63.5, 63.5])
    for a, b in zip(found.patterns, true.patterns, strict=True):
        assert abs((a.angle_deg - b.angle_deg + 90) % 180 - 90) < 0.06 * loose
        assert a.period_px == pytest.approx(b.period_px, rel=2e-3 * loose)
        direction = np.sign(np.dot(a.frequency_px, b.frequency_px))
        phases = [2 * np.pi * np.dot(p.frequency_px, middle) + p.phases_rad[0] for p in (a, b)]
        turn = direction * phases[0] - phases[1] - np.mean(np.array(b.steps_rad) - np.array(a.steps_rad))
        assert abs(np.angle(np.exp(1j * turn))) < np.radians(2.5 * loose)
        np.testing.assert_allclose(a.modulation, b.modulation, atol=0.04 * loose)
    assert np.log(found.otf_damping / true.otf_damping) == pytest.approx(0, abs=0.12 * loose)
    assert (1 + found.haze + found.flat) / (1 + true.haze + true.flat) == pytest.approx(1, abs=0.3)
    assert found.photons == pytest.approx(true.photons, rel=0.1)
    brightness = np.array(true.intensity) / np.mean(true.intensity)
    # a frame's mean also depends on where the bright lines meet the object
    np.testing.assert_allclose(found.intensity, brightness, atol=0.04)


@pytest.mark.parametrize(("seed", "structure", "photons"), [*CASES, (3, "actin", 8), (4, "mitochondria", 8)])
def test_the_camera_comes_back(seed, structure, photons):
    true, raw = simulated(seed, structure, photons)
    found = fit_noise(raw, true.optics.cutoff_px)
    gain = true.camera.gain_adu_per_electron
    assert found.gain_adu_per_electron == pytest.approx(gain, rel=0.06 if photons < 20 else 0.04)
    assert found.offset_adu == pytest.approx(true.camera.offset_adu, abs=4 + 0.03 * gain * photons)
    assert not found.multiplication
    if photons < 20:
        assert found.read_noise_electrons == pytest.approx(true.camera.read_noise_electrons, abs=0.25)


@pytest.mark.parametrize("read_noise", [0.3, 1.5, 3.0])
def test_read_noise_is_told_from_the_offset_in_the_dark(read_noise):
    camera = Camera(read_noise_electrons=read_noise, offset_adu=230.0, gain_adu_per_electron=2.2)
    true, raw = simulated(5, "mitochondria", 6, camera=camera)
    found = fit_noise(raw, true.optics.cutoff_px)
    assert found.read_noise_electrons**2 == pytest.approx(
        read_noise**2, abs=0.2 + 3 * found.read_variance_error
    )
    assert found.offset_adu == pytest.approx(230, abs=2 + 3 * found.offset_error)
    assert found.read_variance_error < 2


def test_an_emccd_is_known_by_its_skewed_noise():
    for multiplication in (True, False):
        camera = Camera(multiplication=multiplication, read_noise_electrons=0.3)
        true, raw = simulated(6, "mitochondria", 4, camera=camera)
        assert fit_noise(raw, true.optics.cutoff_px).multiplication is multiplication


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_haze_and_its_blur_come_back_from_a_large_field(seed):
    blur = (8.0, 12.0, 20.0)[seed]
    rng = np.random.default_rng(seed)
    density = draw_structure("microtubules", (512, 512), 0.03, rng)
    true = dataclasses.replace(
        paper_conditions(rng, photons=(300, 300)), haze=1.0, haze_sigma_px=blur, flat=0.0
    )
    found = fit_stack(simulate_sim(density, true, rng).raw, true.optics).conditions
    assert found.haze + found.flat == pytest.approx(1.0, abs=0.25)
    assert found.haze_sigma_px == pytest.approx(blur, rel=0.3)


def test_two_beam_stacks_are_fitted_too():
    optics = Optics()
    rng = np.random.default_rng(4)
    true = Conditions(
        optics=optics, patterns=illumination(rng, optics, n_phases=3, modulation=(0.7,)), photons=200.0,
        intensity=tuple(np.linspace(1.1, 0.9, 9)),
    )  # fmt: skip
    density = draw_structure("actin", (256, 256), 0.03, rng)
    found = fit_stack(simulate_sim(density, true, rng).raw, optics, n_phases=3).conditions
    for a, b in zip(found.patterns, true.patterns, strict=True):
        assert a.modulation == pytest.approx(b.modulation, abs=0.08)
        assert a.period_px == pytest.approx(b.period_px, rel=2e-3)
    np.testing.assert_allclose(found.intensity, true.intensity, atol=0.02)


def test_what_is_known_is_not_fitted():
    true, raw = simulated(0, "actin", 300)
    fit = fit_stack(raw, true.optics, patterns=true.patterns, camera=true.camera)
    assert fit.noise is None
    assert fit.conditions.camera == true.camera
    for a, b in zip(fit.conditions.patterns, true.patterns, strict=True):
        assert a.frequency_px == b.frequency_px
        np.testing.assert_allclose(a.modulation, b.modulation, atol=0.03)


def test_what_a_dark_stack_cannot_tell_is_said():
    true, raw = simulated(1, "microtubules", 2)
    fit = fit_stack(raw, true.optics, patterns=true.patterns)
    assert any(sentence.startswith("modulation of order 2") for sentence in fit.assumed)
    assert all(p.modulation[1] <= p.modulation[0] for p in fit.conditions.patterns)
    bright, raw = simulated(1, "microtubules", 1000)
    assert fit_stack(raw, bright.optics, patterns=bright.patterns).assumed == (
        "read noise: the light is too bright to show it, so it has the usual value",
    )


def test_frames_that_are_no_cameras_are_refused():
    true, raw = simulated(0, "actin", 100)
    with pytest.raises(LayoutError, match="15 frames are not 3 angles x 3 phases"):
        fit_stack(raw, true.optics, n_phases=3)
    smooth = np.random.default_rng(0).normal(500, 3, (15, 128, 128))
    with pytest.raises(ImageError, match="does not grow with the light"):
        fit_stack(smooth, true.optics)
    with pytest.raises(ImageError, match="no frequency holds noise alone"):
        fit_stack(raw, Optics(pixel_size_um=0.16))
    with pytest.raises(ImageError, match="are too few"):
        fit_noise(raw[:, :32, :32], true.optics.cutoff_px)
    with pytest.raises(ImageError, match="no stack of finite frames"):
        fit_noise(raw[0], true.optics.cutoff_px)
    with pytest.raises(ImageError, match="darker than the camera's offset"):
        fit_stack(raw, true.optics, camera=Camera(offset_adu=60_000.0))
    even = np.random.default_rng(0).poisson(np.linspace(50, 90, 128)[:, None], (15, 128, 128))
    with pytest.raises(LayoutError, match="no illumination pattern stands out"):
        fit_stack(even, true.optics)


def test_likeness_is_small_for_two_noises_and_grows_with_what_differs():
    rng = np.random.default_rng(0)
    conditions = paper_conditions(rng, photons=(100, 100))
    density = draw_structure("actin", (256, 256), 0.03, rng)
    one, two = (simulate_sim(density, conditions, np.random.default_rng(s)).raw for s in (1, 2))
    same = compare_stacks(one, two)
    assert same.spectrum_db < 0.15
    assert same.histogram_sd < 0.02
    blurred = dataclasses.replace(conditions, otf_damping=0.1)
    other = compare_stacks(one, simulate_sim(density, blurred, np.random.default_rng(1)).raw)
    assert other.spectrum_db > 5 * same.spectrum_db
    doubled = compare_stacks(one, 2 * two.astype(float))
    assert doubled.spectrum_db == pytest.approx(10 * np.log10(4), abs=0.15)
    moved = compare_stacks(one, one + 3.0 * one.std())
    assert moved.histogram_sd == pytest.approx(3, rel=1e-6)
    assert moved.spectrum_db < 1e-9
    with pytest.raises(ImageError, match="cannot be compared"):
        compare_stacks(one, one[:, :32])


def native_sample(sample_dir, kind):
    frames = read_image(sample_dir / "microtuble" / f"{kind}_X2" / "Sample_1").values[:15]
    return undo_enlargement(frames).frames[:, :128, :128]


@pytest.fixture(scope="module")
def sample_fits(sample_dir):
    bright, dark = (native_sample(sample_dir, kind) for kind in ("HE", "LE"))
    first = fit_stack(bright, Optics())
    return bright, first, dark, fit_stack(dark, Optics(), patterns=first.conditions.patterns)


@pytest.mark.sample
def test_the_public_samples_microscope_and_camera_are_found(sample_fits):
    _, bright, _, dark = sample_fits
    angles = [p.angle_deg for p in bright.conditions.patterns]
    np.testing.assert_allclose(angles, (13.9, -45.5, 74.5), atol=1.0)
    periods_nm = [60 * p.period_px for p in bright.conditions.patterns]
    np.testing.assert_allclose(periods_nm, 493, rtol=0.01)
    assert bright.conditions.photons == pytest.approx(310, rel=0.2)
    assert dark.conditions.photons == pytest.approx(2.1, rel=0.2)
    assert dark.conditions.camera.gain_adu_per_electron == pytest.approx(6.85, rel=0.06)
    assert bright.conditions.camera.gain_adu_per_electron == pytest.approx(6.85, rel=0.15)
    assert dark.conditions.camera.offset_adu == pytest.approx(100, abs=3)
    assert bright.conditions.camera.offset_adu == pytest.approx(100, abs=20)
    assert dark.conditions.camera.read_noise_electrons < 0.9
    assert dark.conditions.camera.multiplication


@pytest.mark.sample
def test_stacks_like_the_public_sample_have_its_spectrum_and_histogram(sample_fits):
    """The bounds are a third above what `benchmarks/like.py` prints; a third of all power is 1.2 dB."""
    bright, bright_fit, dark, dark_fit = sample_fits
    for frames, fit, bounds in ((bright, bright_fit, (0.9, 0.1)), (dark, dark_fit, (0.5, 0.08))):
        scene = scene_of(frames, fit.conditions)
        made = simulate_sim(
            scene.density, scene.conditions, np.random.default_rng(0), haze_density=scene.haze_density
        )
        alike = compare_stacks(frames, made.raw)
        assert alike.spectrum_db < bounds[0]
        assert alike.histogram_sd < bounds[1]
        drawn = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            density, haze = (draw_structure("microtubules", (256, 256), 0.03, rng) for _ in range(2))
            stack = simulate_sim(density, fit.conditions, rng, haze_density=haze)
            drawn.append(compare_stacks(frames, stack.raw))
        assert np.mean([one.spectrum_db for one in drawn]) < 2.0
        assert np.mean([one.histogram_sd for one in drawn]) < 0.5
