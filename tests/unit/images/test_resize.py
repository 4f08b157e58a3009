"""ImageJ's bicubic in numpy, against the rule written out pixel by pixel (tests/fiji asks ImageJ itself)."""

from __future__ import annotations

from math import floor

import numpy as np
import pytest

from dlsim_ij.images import bicubic_enlarge

RNG = np.random.default_rng(1)


def by_hand(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize as the specification says, one pixel at a time (pyimagej.md, 3.5)."""

    def kernel(x):
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    def source(i, n_in, n_out):
        s = n_out / n_in
        return (i - (n_out / 2 + (s / 4 if n_in != n_out else 0))) / s + n_in / 2

    h, w = image.shape
    out = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            y, x = source(i, h, height), source(j, w, width)
            v, u = floor(y), floor(x)
            if 0 < u < w - 2 and 0 < v < h - 2:
                out[i, j] = sum(
                    image[v + a, u + b] * kernel(y - v - a) * kernel(x - u - b)
                    for a in range(-1, 3)
                    for b in range(-1, 3)
                )
                continue
            y, x = (n - 1.001 if c >= n - 1 else max(c, 0.0) for c, n in ((y, h), (x, w)))
            v, u = int(y), int(x)
            square = image[v : v + 2, u : u + 2].astype(float)
            out[i, j] = np.array([v + 1 - y, y - v]) @ square @ np.array([u + 1 - x, x - u])
    return out


@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (5, 5), (7, 6), (12, 17)])
@pytest.mark.parametrize("size", [(24, 34), (25, 85), (13, 17), (12, 30), (9, 7), (3, 3)])
def test_equals_the_rule(shape, size):
    image = (RNG.normal(size=shape) * 1000).astype(np.float32)
    mine = bicubic_enlarge(image, height=size[0], width=size[1])
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, by_hand(image, *size), rtol=0, atol=1e-6 * np.abs(image).max())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_rounded_half_up_and_clipped(dtype):
    top = np.iinfo(dtype).max
    image = (RNG.integers(0, 2, (9, 9)) * top).astype(dtype)
    exact = by_hand(image.astype(float), 18, 18)
    assert exact.min() < -1, "the test must see undershoot"
    assert exact.max() > top + 1
    mine = bicubic_enlarge(image, 2)
    assert mine.dtype == dtype
    np.testing.assert_array_equal(mine, np.clip(np.floor(exact + 0.5), 0, top))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int16, np.int32, np.uint32, np.float16, np.float64])
def test_other_types_become_float32(dtype):
    image = RNG.integers(0, 2, (9, 9)).astype(dtype)
    mine = bicubic_enlarge(image, 2)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, by_hand(image.astype(float), 18, 18), atol=1e-6)


def test_big_endian_input():
    image = RNG.integers(0, 60000, (9, 9)).astype(">u2")
    np.testing.assert_array_equal(bicubic_enlarge(image, 3), bicubic_enlarge(image.astype("<u2"), 3))


@pytest.mark.parametrize(("shape", "size"), [((1, 4), (2, 7)), ((4, 1), (7, 2)), ((1, 4), (1, 7))])
def test_a_line_is_interpolated_from_end_to_end(shape, size):
    image = np.array([0, 10, 20, 40], np.float32).reshape(shape)
    mine = bicubic_enlarge(image, height=size[0], width=size[1])
    expected = np.array([0, 5, 10, 15, 20, 30, 40], np.float32)
    for line in mine if shape[0] == 1 else mine.T:
        np.testing.assert_array_equal(line, expected)


def test_a_single_pixel_is_repeated():
    assert (bicubic_enlarge(np.full((1, 1), 7, np.uint8), 3) == np.full((3, 3), 7)).all()


def test_the_same_size_changes_nothing():
    image = RNG.integers(0, 60000, (9, 8)).astype(np.uint16)
    same = bicubic_enlarge(image, 1)
    np.testing.assert_array_equal(same, image)
    assert not np.shares_memory(same, image)


def test_leading_axes_are_frames_of_their_own():
    stack = RNG.integers(0, 60000, (2, 3, 9, 8)).astype(np.uint16)
    large = bicubic_enlarge(stack, 2.5)
    assert large.shape == (2, 3, 23, 20)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(large[index], bicubic_enlarge(stack[index], 2.5))


def test_features_move_by_a_quarter_of_the_scale_less_a_half():
    image = np.zeros((40, 40), np.float32)
    y, x = np.mgrid[:40, :40]
    image += np.exp(-((y - 20) ** 2 + (x - 17) ** 2) / 18)
    for scale in (2, 5):
        large = bicubic_enlarge(image, scale).astype(float)
        columns = np.arange(large.shape[1])
        centre = (large.sum(0) * columns).sum() / large.sum()
        assert centre == pytest.approx(scale * 17 + scale / 4, abs=2e-3)
