"""What the Fourier ring correlation is made of: rings, independent samples, smoothing, thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from dlsim_ij.quality.frc_curve import smooth, smoothing
from dlsim_ij.quality.frc_rings import Rings, ring_sums
from dlsim_ij.quality.frc_thresholds import threshold_curve


@pytest.mark.parametrize("window", ["tukey", "hann", "none"])
@pytest.mark.parametrize("shape", [(64, 64), (48, 101)])
def test_independent_samples_explain_the_scatter_of_noise(window, shape):
    """The variance of the correlation of noise is 1 / (2 n), n counted under the window."""
    rings = Rings.of(shape, window)
    rng = np.random.default_rng(0)
    sums, _ = ring_sums(rng.normal(size=(700, *shape)), rng.normal(size=(700, *shape)), rings)
    ratio = sums.correlation().var(axis=0) * 2 * rings.n_independent
    assert ratio[6:-1].mean() == pytest.approx(1, abs=0.04)


def test_rings_agree_with_a_plain_count():
    """Whole spectrum, one loop over its samples; odd and even sides."""
    for shape in ((32, 32), (33, 40), (35, 33)):
        rings = Rings.of(shape, "none")
        rng = np.random.default_rng(1)
        first, second = rng.normal(size=(2, *shape))
        sums, _ = ring_sums(first, second, rings)
        one, other = (np.fft.fft2(image - image.mean()) for image in (first, second))
        cross, count = np.zeros(rings.count), np.zeros(rings.count)
        for y, fy in enumerate(np.fft.fftfreq(shape[0])):
            for x, fx in enumerate(np.fft.fftfreq(shape[1])):
                ring = round(np.hypot(fy, fx) * min(shape)) - 1
                if 0 <= ring < rings.count and np.hypot(fy, fx) <= 0.5:
                    cross[ring] += (one[y, x] * np.conj(other[y, x])).real / 2
                    count[ring] += 0.5
        np.testing.assert_allclose(sums.cross[0], cross, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(rings.n_independent, count, rtol=0.02)


def test_smoothing_keeps_parabolas():
    start, rows = smoothing(40, np.arange(1.0, 41.0), 9)
    x = np.arange(40.0)
    curve = 3 - 0.2 * x + 0.01 * x**2
    np.testing.assert_allclose(smooth(curve, start, rows), curve, rtol=1e-10)


def test_thresholds_have_the_published_values():
    samples = np.array([25.0, 100.0, 10_000.0])
    root = np.sqrt(samples)
    assert threshold_curve("1/7", samples).tolist() == [1 / 7] * 3
    np.testing.assert_allclose(threshold_curve("3-sigma", samples), 3 / root)
    published = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    np.testing.assert_allclose(threshold_curve("half-bit", samples), published, atol=1e-4)
