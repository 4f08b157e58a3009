"""One image from single frames under known patterns."""

import dataclasses

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.optics.pattern import equal_steps
from dlsim_ij.reconstruction.joint import JointProblem
from dlsim_ij.simulation.sim_frames import paper_patterns

SIDE = 48
METHODS = ("least_squares", "richardson_lucy")


def _patterns(n_phases=1, phases_rad=(0.3, 1.0, 2.0)):
    return [
        dataclasses.replace(p, steps_rad=equal_steps(n_phases)) for p in paper_patterns(phases_rad=phases_rad)
    ]


def _points(places, side=SIDE):
    """Return points on the doubled grid."""
    density = np.zeros((2 * side, 2 * side), dtype=np.float32)
    for y, x in places:
        density[y, x] = 100
    return density


def _frames(density, patterns, optics=None):
    """Return frames without noise, by an independent forward model at full precision."""
    optics = optics or Optics()
    side = density.shape[0]
    native = (np.arange(side) + 0.5) / 2 - 0.5
    frequency = np.hypot(2 * scipy.fft.fftfreq(side)[:, None], 2 * scipy.fft.fftfreq(side))
    relative = np.minimum(frequency / optics.cutoff_px, 1)
    ideal = 2 / np.pi * (np.arccos(relative) - relative * np.sqrt(1 - relative**2))
    frames = []
    for p in patterns:
        for step in p.steps_rad:
            wave = 2 * np.pi * (p.frequency_px[0] * native[:, None] + p.frequency_px[1] * native)
            light = 1 + sum(
                c * np.cos(m * (wave + step) + p.phases_rad[m - 1])
                for m, c in enumerate(p.modulation, start=1)
            )
            blurred = scipy.fft.ifft2(scipy.fft.fft2(density * light) * ideal**1.4).real
            frames.append(blurred.reshape(side // 2, 2, side // 2, 2).mean(axis=(1, 3)))
    return np.asarray(frames, dtype=np.float32)


def _contrast(image, places):
    """Return how deep the image dips between two points, of their mean height."""
    (y, left), (_, right) = places
    line = image[y - 1 : y + 2, left : right + 1].mean(axis=0)
    return 1 - line[1:-1].min() / line[[0, -1]].mean()


@pytest.mark.parametrize("method", METHODS)
def test_points_stay_where_they_are(method):
    places = [(30, 40), (61, 25), (70, 70)]
    patterns = _patterns()
    image = getattr(JointProblem(_frames(_points(places), patterns), patterns, Optics()), method)()
    assert image.shape == (2 * SIDE, 2 * SIDE)
    assert image.dtype == np.float32
    for y, x in places:
        around = image[y - 4 : y + 5, x - 4 : x + 5]
        peak = np.array(np.unravel_index(around.argmax(), around.shape))
        assert np.abs(peak - 4).max() <= 1  # half a camera pixel: the phases are not even in three frames


@pytest.mark.parametrize(("method", "iterations"), [("least_squares", 10), ("richardson_lucy", 60)])
def test_two_points_are_told_apart_that_even_light_does_not(method, iterations):
    """Closer than the diffraction limit: the pattern must be what separates them."""
    places = [(48, 46), (48, 51)]  # 5 fine pixels = 150 nm; Abbe's limit is 1 / 0.32 = 6.2 fine pixels
    patterns = _patterns(phases_rad=(1.0, 1.0, 2.0))
    frames = _frames(_points(places), patterns)
    found = getattr(JointProblem(frames, patterns, Optics()), method)(iterations=iterations)
    flat = [
        Pattern(frequency_px=p.frequency_px, phases_rad=(), steps_rad=(0.0,), modulation=()) for p in patterns
    ]
    even = getattr(JointProblem(_frames(_points(places), flat), flat, Optics()), method)(
        iterations=iterations
    )
    assert _contrast(found, places) > _contrast(even, places) + 0.05


def test_more_frames_per_angle_fit_too():
    patterns = _patterns(n_phases=5)
    frames = _frames(_points([(40, 52)]), patterns)
    image = JointProblem(frames, patterns, Optics()).least_squares()
    assert np.unravel_index(image.argmax(), image.shape) == (40, 52)


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1))
def test_least_squares_is_linear(seed):
    rng = np.random.default_rng(seed)
    patterns = _patterns()
    a, b = rng.random((2, 3, 24, 32)).astype(np.float32)
    solve = lambda frames: JointProblem(frames, patterns, Optics()).least_squares(iterations=60)  # noqa: E731
    np.testing.assert_allclose(solve(a + 2 * b), solve(a) + 2 * solve(b), atol=0.02)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_richardson_lucy_is_never_negative(seed):
    rng = np.random.default_rng(seed)
    frames = rng.normal(0.1, 0.3, (3, 24, 32)).astype(np.float32)
    image = JointProblem(frames, _patterns(), Optics()).richardson_lucy(iterations=3)
    assert image.min() >= 0
    assert np.isfinite(image).all()


@pytest.mark.parametrize("method", METHODS)
def test_dark_frames_give_a_dark_image(method):
    image = getattr(JointProblem(np.zeros((3, 32, 32), np.float32), _patterns(), Optics()), method)()
    assert np.abs(image).max() < 2e-3


def test_frames_that_do_not_fit_the_patterns_are_refused():
    with pytest.raises(LayoutError, match="4 frames do not fit 3 angles with 3 phases in all"):
        JointProblem(np.ones((4, 32, 32), np.float32), _patterns(), Optics())
