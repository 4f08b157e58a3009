"""Images, frames and settings that Fourier ring correlation refuses, each in one line."""

from __future__ import annotations

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality import frc_frame_split, frc_resolution

IMAGE = np.random.default_rng(0).normal(size=(40, 48))
BAD = {
    "other size": (IMAGE[:36], "40 x 48.*36 x 48"),
    "thin": (np.random.default_rng(0).normal(size=(3, 100_000)), "3 x 100000.*at least 32"),
    "one pixel": (IMAGE[:1, :1], "1 x 1"),
    "constant": (np.full_like(IMAGE, 2), "constant"),
    "zero": (np.zeros_like(IMAGE), "constant"),
    "nan": (np.where(IMAGE.mean() < IMAGE, np.nan, IMAGE), "NaN"),
    "complex": (IMAGE + 1j, "complex"),
    "boolean": (IMAGE > 0, "true/false"),
    "stack": (IMAGE[None], "shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_refused_in_one_line(case):
    image, words = BAD[case]
    for pair in ((IMAGE, image), (image, IMAGE)):
        with pytest.raises(ImageError) as refusal:
            frc_resolution(*pair)
        assert "\n" not in refusal.value.message
        assert refusal.value.hint
    with pytest.raises(ImageError, match=words):
        frc_resolution(IMAGE, image)
    if case != "other size":
        with pytest.raises(ImageError):
            frc_resolution(image)


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": "0.143"},
        {"window": "hamming"},
        {"pixel_size_um": 0.0},
        {"pixel_size_um": float("nan")},
        {"gain": 1.0, "offset": 0.0},
        {"full_photons": True},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ConfigError) as refusal:
        frc_resolution(IMAGE, IMAGE[::-1], **settings)
    assert refusal.value.hint


def test_one_image_is_not_aligned():
    with pytest.raises(ConfigError, match="alignment"):
        frc_resolution(IMAGE, align=True)


@pytest.mark.parametrize(
    ("frames", "settings", "words"),
    [
        (IMAGE, {}, "shape 40 x 48"),
        (IMAGE[None], {}, "one frame"),
        (np.stack([IMAGE] * 4) + 1j, {}, "complex"),
        (np.stack([IMAGE] * 4) > 0, {}, "bool"),
        (np.stack([np.full_like(IMAGE, np.nan)] * 4), {}, "NaN"),
        (np.stack([IMAGE] * 4), {"split": "random"}, "no split"),
        (np.stack([IMAGE] * 4), {"gain": 1.0, "offset": 0.0}, "no part"),
        (np.stack([IMAGE] * 4), {"reconstruct": lambda stack: np.zeros((40, 40))}, "half 1 is constant"),
    ],
)
def test_frames_that_cannot_be_split_are_refused(frames, settings, words):
    with pytest.raises((ImageError, ConfigError), match=words):
        frc_frame_split(frames, **settings)
