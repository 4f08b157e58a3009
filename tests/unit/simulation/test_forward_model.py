"""The forward model against closed forms: a plane wave, a point, a moved sample, a known pupil."""

import dataclasses

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics, otf_profile
from dlsim_ij.simulation import (
    Aberration,
    Camera,
    Conditions,
    MeasuredPsf,
    draw_structure,
    drifting,
    simulate_sim,
)
from dlsim_ij.simulation.conditions import make_pattern, paper_patterns
from dlsim_ij.simulation.transfer import aberrated_curve, transfer_on_grid

SIDE = 64


def conditions(patterns, **changes):
    n_frames = sum(len(p.steps_rad) for p in patterns)
    return Conditions(
        **{"patterns": patterns, "intensity": (1.0,) * n_frames, "haze": 0.0, "flat": 0.0, **changes}
    )


def pattern(y, x, modulation, phase=0.4, n_phases=5):
    """Return a pattern of y and x whole waves over the field, so that it is periodic as the field is."""
    made = make_pattern(0.0, 8.0, n_phases, phase, modulation, second_phase_error=0.3)
    return dataclasses.replace(made, frequency_px=(y / SIDE, x / SIDE))


def transfer(frequency, c):
    """Return what optics and pixel pass of (y, x) in cycles per native pixel; any frequency."""
    y, x = frequency
    optics = otf_profile(np.hypot(y, x), c.optics.cutoff_px * c.cutoff_factor, c.otf_damping)
    return optics * np.sinc(y) * np.sinc(x)


def expected_frames(q, amplitude, c):
    """Return the frames of the object 1 + amplitude cos(2 pi q.r), from the formula, on native pixels."""
    y, x = np.indices((SIDE, SIDE))

    def wave(frequency, phase):
        return np.cos(2 * np.pi * (frequency[0] * y + frequency[1] * x) + phase)

    frames = []
    for p in c.patterns:
        for step in p.steps_rad:
            frame = 1 + amplitude * transfer(q, c) * wave(q, 0)
            for order, (strength, phase) in enumerate(zip(p.modulation, p.phases_rad, strict=True), start=1):
                k = tuple(order * f for f in p.frequency_px)
                turn = phase + order * step
                frame = frame + strength * transfer(k, c) * wave(k, turn)
                for sign in (1, -1):
                    both = tuple(a + sign * b for a, b in zip(k, q, strict=True))
                    frame = frame + strength * amplitude / 2 * transfer(both, c) * wave(both, turn)
            frames.append(frame)
    return np.array(frames)


def simulated_wave(q, amplitude, c, points_per_pixel):
    place = (np.arange(SIDE * points_per_pixel) + 0.5) / points_per_pixel - 0.5
    density = 1 + amplitude * np.cos(2 * np.pi * np.add.outer(q[0] * place, q[1] * place))
    return simulate_sim(density, c, np.random.default_rng(0), points_per_pixel=points_per_pixel).electrons


@pytest.mark.parametrize(
    ("pixel_size_um", "q", "orders", "points_per_pixel"),
    [
        (0.06, (7, 9), ((2, 7, (0.6, 0.35)), (-6, 3, (0.5, 0.4))), 2),
        (0.06, (-11, 30), ((2, 7, (0.6, 0.35)),), 4),  # beyond the cut-off: seen through the pattern alone
        (0.06, (5, 8), ((4, 14, (0.8,)),), 2),  # two-beam
        # object times pattern passes the end of the grid (one cycle per pixel) and would fold into the image
        (0.11, (10, 62), ((3, 35, (0.9,)),), 2),
        (0.11, (-60, 20), ((-17, 2, (0.9, 0.6)),), 2),
        # pixels too coarse for the optics: the camera itself folds
        (0.17, (20, 40), ((9, 12, (0.8, 0.7)),), 2),
        (0.25, (20, 70), ((9, 20, (0.8, 0.7)),), 4),
    ],
)  # fmt: skip
def test_a_plane_wave_comes_out_as_the_formula_says(pixel_size_um, q, orders, points_per_pixel):
    patterns = tuple(pattern(y, x, c, n_phases=2 * len(c) + 1) for y, x, c in orders)
    c = conditions(patterns, optics=Optics(pixel_size_um=pixel_size_um))
    q = tuple(v / SIDE for v in q)
    found = simulated_wave(q, 0.7, c, points_per_pixel)
    expected = expected_frames(q, 0.7, c)
    expected *= found.mean() / expected.mean()
    assert np.abs(found).min() > 0  # nothing was cut at zero
    np.testing.assert_allclose(found, expected, atol=2e-5 * expected.max())


def test_without_the_finer_grid_that_wave_would_fold():
    """The case above is a hard one: a plain product on the same grid is wrong by far."""
    optics = Optics(pixel_size_um=0.11)
    c = conditions((pattern(3, 35, (0.9,), n_phases=3),), optics=optics, otf_damping=1.0)
    q = (10 / SIDE, 62 / SIDE)
    right = expected_frames(q, 0.7, c)[0]
    place = (np.arange(2 * SIDE) + 0.5) / 2 - 0.5
    y, x = np.meshgrid(place, place, indexing="ij")
    k, phase = c.patterns[0].frequency_px, c.patterns[0].phases_rad[0]
    lit = (1 + 0.7 * np.cos(2 * np.pi * (q[0] * y + q[1] * x))) * (
        1 + 0.9 * np.cos(2 * np.pi * (k[0] * y + k[1] * x) + phase)
    )
    f = 2 * np.fft.fftfreq(2 * SIDE)
    passed = otf_profile(np.hypot(f[:, None], f), optics.cutoff_px) * np.outer(np.sinc(f), np.sinc(f))
    shift = np.exp(2j * np.pi * f * 0.25)
    plain = np.fft.ifft2(np.fft.fft2(lit) * passed * np.outer(shift, shift)).real[::2, ::2]
    assert np.abs(plain - right).max() > 0.01 * right.max()


def test_a_point_is_lit_by_the_pattern_at_its_place():
    density = np.zeros((128, 128), np.float32)
    density[60, 67] = 500.0
    at = np.array([60.5, 67.5]) / 2 - 0.5
    c = conditions(paper_patterns(phases_rad=(0.3, 1.7, -2.0)))
    frames = simulate_sim(density, c, np.random.default_rng(0)).electrons
    even = frames.mean(axis=0)
    near = np.s_[28:32, 31:35]
    number = 0
    for p in c.patterns:
        for step in p.steps_rad:
            light = 1 + sum(
                m * np.cos(order * (2 * np.pi * np.dot(p.frequency_px, at) + step) + p.phases_rad[order - 1])
                for order, m in enumerate(p.modulation, start=1)
            )
            np.testing.assert_allclose(frames[number][near] / even[near], light, rtol=2e-3, atol=2e-3)
            number += 1


def test_a_drifting_sample_is_a_moved_object_under_a_pattern_that_stays():
    density = draw_structure("actin", (128, 128), 0.03, np.random.default_rng(2))
    still = conditions(paper_patterns(phases_rad=(0.3, 1.7, -2.0)), haze=0.5, flat=0.2)
    away = dataclasses.replace(still, drift_px=((1.5, -2.0),) * 15)  # whole points of the object's grid
    moved = simulate_sim(np.roll(density, (3, -4), axis=(0, 1)), still, np.random.default_rng(0)).electrons
    drifted = simulate_sim(density, away, np.random.default_rng(0)).electrons
    inner = np.s_[:, 8:-8, 8:-8]  # the field is periodic, the pattern is not
    moved *= drifted.mean() / moved.mean()  # the light level is set on pixels, between which the object moved
    np.testing.assert_allclose(drifted[inner], moved[inner], atol=3e-3 * moved.max())
    assert np.abs(drifted - simulate_sim(density, still, np.random.default_rng(0)).electrons).max() > 20


def test_drift_grows_to_what_was_asked():
    base = conditions(paper_patterns())
    drift = np.array(drifting(base, 3.0, np.random.default_rng(1)).drift_px)
    assert np.hypot(*drift[-1]) == pytest.approx(3)
    assert np.hypot(*drift[0]) == 0
    np.testing.assert_allclose(np.diff(drift, axis=0), np.broadcast_to(drift[1], (14, 2)), atol=1e-12)


def test_the_pupil_without_a_phase_gives_the_nominal_transfer():
    places, curve = aberrated_curve(Optics(), Aberration())
    np.testing.assert_allclose(curve, otf_profile(places, 1.0), atol=2e-6)


@pytest.mark.parametrize("waves", [0.03, 0.08, -0.15])
def test_spherical_aberration_costs_the_strehl_ratio(waves):
    """The peak of the point spread function, over the ideal one, against the pupil's own mean phasor."""
    places, curve = aberrated_curve(Optics(), Aberration(spherical_waves=waves))
    strehl = np.trapezoid(curve * places, places) / np.trapezoid(otf_profile(places, 1.0) * places, places)
    area = (np.arange(20_000) + 0.5) / 20_000  # rho squared, even in area
    phase = 2 * np.pi * waves * np.sqrt(5) * (6 * area**2 - 6 * area + 1)
    assert strehl == pytest.approx(np.abs(np.exp(1j * phase).mean()) ** 2, abs=2e-3)
    assert strehl == pytest.approx(np.exp(-((2 * np.pi * waves) ** 2)), abs=0.03)  # Marechal's rule


def test_a_mismatched_index_blurs_with_depth_and_not_without():
    oil = Optics(na=1.2)
    curves = [aberrated_curve(oil, Aberration(sample_index=1.38, depth_um=depth))[1] for depth in (0, 5, 20)]
    np.testing.assert_allclose(curves[0], otf_profile(np.linspace(0, 1, 257), 1.0), atol=2e-6)
    assert curves[0][100] > curves[1][100] > curves[2][100]
    assert not Aberration(sample_index=1.515, depth_um=20).any


def test_a_sample_does_not_carry_rays_beyond_its_index():
    """An oil objective of 1.49 looking into water sees no more than a water lens of 1.33."""
    places, curve = aberrated_curve(Optics(na=1.49), Aberration(sample_index=1.33, depth_um=1.0))
    assert places[-1] == pytest.approx(1.33 / 1.49)
    assert curve[-1] == 0


def test_aberrated_frames_are_softer_and_as_bright():
    density = draw_structure("beads", (128, 128), 0.03, np.random.default_rng(0))
    sharp, soft = (
        simulate_sim(
            density, conditions(paper_patterns(), aberration=Aberration(spherical_waves=w), photons=100.0),
            np.random.default_rng(0),
        ).electrons.mean(axis=0)
        for w in (0.0, 0.12)
    )  # fmt: skip
    high = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)) > 0.12
    per_light = [np.abs(np.fft.fft2(image / image.mean()))[high].sum() for image in (sharp, soft)]
    assert per_light[1] < 0.75 * per_light[0]


@pytest.mark.parametrize("off_centre_px", [(0.0, 0.0), (1.3, -0.4)])
def test_a_measured_gaussian_passes_what_a_gaussian_passes(off_centre_px):
    sigma_um, step_um = 0.11, 0.03
    place = (np.arange(71) - 35) * step_um
    line_y, line_x = (np.exp(-0.5 * ((place - off * step_um) / sigma_um) ** 2) for off in off_centre_px)
    psf = MeasuredPsf(image=500 * np.outer(line_y, line_x) + 40, pixel_size_um=step_um)
    optics = Optics()
    f = np.fft.fftfreq(64)
    found = transfer_on_grid(optics, f, f, psf=psf)
    gaussian = np.exp(-2 * (np.pi * sigma_um * f / optics.pixel_size_um) ** 2) / np.sinc(f / 2)
    radius = np.hypot(f[:, None], f)
    expected = np.where(radius <= optics.cutoff_px, np.outer(gaussian, gaussian), 0)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_measured_point_replaces_the_computed_blur():
    place = (np.arange(81) - 40) * 0.02
    psf = MeasuredPsf(image=np.exp(-0.5 * np.add.outer(place**2, place**2) / 0.2**2), pixel_size_um=0.02)
    density = draw_structure("beads", (128, 128), 0.03, np.random.default_rng(0))
    wide, narrow = (
        simulate_sim(density, conditions(paper_patterns(), psf=one), np.random.default_rng(0)).electrons
        for one in (psf, None)
    )
    assert wide.std() / wide.mean() < 0.6 * narrow.std() / narrow.mean()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Aberration(spherical_waves=9), "no image is left"),
        (lambda: Aberration(immersion_index=0.5), "refractive index"),
        (lambda: MeasuredPsf(image=np.ones((3, 3)), pixel_size_um=0.02), "no picture of a point"),
        (lambda: MeasuredPsf(image=np.ones((9, 9)), pixel_size_um=5), "not plausible"),
        (
            lambda: transfer_on_grid(
                Optics(), np.zeros(2), np.zeros(2), psf=MeasuredPsf(image=np.ones((9, 9)), pixel_size_um=0.1)
            ),
            "not brighter than its own border",
        ),
        (
            lambda: conditions(
                paper_patterns(), aberration=Aberration(spherical_waves=0.1, immersion_index=1.33)
            ),
            "an aperture of 1.49 is not possible",
        ),
    ],
)  # fmt: skip
def test_impossible_optics_are_refused(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert caught.value.hint


def test_a_grid_too_coarse_for_the_optics_is_refused_with_the_one_needed():
    c = conditions(paper_patterns(), optics=Optics(pixel_size_um=0.25), camera=Camera())
    with pytest.raises(ConfigError, match="do not hold") as caught:
        simulate_sim(np.ones((64, 64)), c, np.random.default_rng(0))
    assert "4 points to a pixel" in caught.value.hint


def test_the_object_itself_is_kept_in_the_units_of_the_frames():
    density = draw_structure("mitochondria", (128, 128), 0.03, np.random.default_rng(3))
    stack = simulate_sim(density, conditions(paper_patterns(), photons=50.0), np.random.default_rng(0))
    assert stack.sample.shape == (128, 128)
    np.testing.assert_allclose(stack.sample / stack.sample.mean(), density / density.mean(), rtol=1e-5)
    assert stack.sample.mean() == pytest.approx(stack.electrons.mean(), rel=1e-3)
    assert stack.object.mean() == pytest.approx(stack.sample.mean(), rel=1e-3)
