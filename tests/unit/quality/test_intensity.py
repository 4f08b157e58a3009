"""The gain and offset between two images."""

from __future__ import annotations

import numpy as np
import pytest

from dlsim_ij.errors import ImageError
from dlsim_ij.quality import fit_intensity

PHANTOM = np.random.default_rng(0).gamma(2, size=(12, 9))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_agrees_with_polyfit(dtype, noise):
    image = (1000 * PHANTOM).astype(dtype)
    reference = 3 * image + noise * PHANTOM[::-1]
    expected = np.polyfit(image.ravel(), reference.ravel(), deg=1)
    np.testing.assert_allclose(fit_intensity(image, reference), expected, rtol=1e-5, atol=1e-2)


def test_a_negative_gain_is_none():
    gain, offset = fit_intensity(-PHANTOM, PHANTOM)
    assert (gain, offset) == (0, pytest.approx(PHANTOM.mean()))


def test_a_constant_image_has_no_gain():
    with pytest.raises(ImageError, match="the image is constant"):
        fit_intensity(np.ones((3, 3)), PHANTOM[:3, :3])
