"""What holds for any image."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlsim_ij.images import bicubic_enlarge, planes, read_image, undo_enlargement, write_image

SIZES = st.integers(1, 24)
FLOATS = st.floats(-1e4, 1e4, width=32)


@settings(deadline=None)
@given(value=FLOATS, height=SIZES, width=SIZES, scale=st.floats(1, 6))
def test_a_flat_image_stays_flat(value, height, width, scale):
    image = np.full((height, width), value, np.float32)
    np.testing.assert_allclose(bicubic_enlarge(image, scale), image[0, 0], rtol=1e-6, atol=1e-6)


@settings(deadline=None)
@given(
    image=hnp.arrays(np.float32, st.tuples(st.integers(2, 20), st.integers(2, 20)), elements=FLOATS),
    gain=st.floats(-10, 10),
    scale=st.floats(1, 6),
)
def test_enlarging_is_linear(image, gain, scale):
    twice = bicubic_enlarge(image + np.float32(gain) * image[::-1, ::-1], scale)
    apart = bicubic_enlarge(image, scale) + gain * bicubic_enlarge(image[::-1, ::-1], scale)
    np.testing.assert_allclose(
        twice, apart, rtol=0, atol=1e-5 * max(1, np.abs(image).max() * (1 + abs(gain)))
    )


@settings(deadline=None)
@given(
    image=hnp.arrays(np.float32, st.tuples(st.integers(2, 20), st.integers(2, 20)), elements=FLOATS),
    height=st.integers(2, 50),
    width=st.integers(2, 50),
)
def test_rows_and_columns_are_treated_alike(image, height, width):
    one = bicubic_enlarge(image, height=height, width=width)
    other = bicubic_enlarge(image.T, height=width, width=height).T
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * max(1, np.abs(image).max()))


@settings(deadline=None)
@given(slope=st.floats(-100, 100), n=st.integers(6, 30), scale=st.integers(2, 6))
def test_a_ramp_is_read_at_a_quarter_pixel_less(slope, n, scale):
    ramp = np.tile(slope * np.arange(n, dtype=np.float32), (6, 1))
    middle = slice(2 * scale, -2 * scale)
    expected = slope * (np.arange(n * scale) / scale - 0.25)
    np.testing.assert_allclose(
        bicubic_enlarge(ramp, scale)[:, middle][scale * 3], expected[middle], atol=1e-2
    )


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 4), st.integers(24, 50), st.integers(24, 50)),
    scale=st.integers(2, 4),
    cut=st.tuples(*[st.integers(0, 9)] * 4),
)
def test_native_pixels_come_back_from_any_cut(seed, shape, scale, cut):
    rng = np.random.default_rng(seed)
    native = rng.poisson(300, shape).astype(np.float32)
    top, bottom, left, right = (0 if margin < 2 * scale else margin for margin in cut)
    large = bicubic_enlarge(native, scale)
    frames = large[:, top : large.shape[1] - bottom, left : large.shape[2] - right]
    back = undo_enlargement(frames, scale)
    assert back.was_enlarged
    y, x = (round((o + c - scale / 4) / scale) for o, c in zip(back.offset_px, (top, left), strict=True))
    h, w = back.frames.shape[1:]
    inner = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(back.frames[inner], native[:, y : y + h, x : x + w][inner], rtol=0, atol=0.1)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    dtype=st.sampled_from([np.uint16, np.float32]),
    shape=st.tuples(st.integers(1, 4), st.integers(30, 60), st.integers(30, 60)),
    level=st.sampled_from([3, 100, 20000]),
)
def test_noise_is_never_taken_for_an_enlargement(seed, dtype, shape, level):
    frames = np.random.default_rng(seed).poisson(level, shape).astype(dtype)
    assert not undo_enlargement(frames).was_enlarged


DIMS = st.lists(st.sampled_from("TZC"), unique=True).map(
    lambda letters: "".join(sorted(letters, key="TZC".index))
)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), dims=DIMS, ome=st.booleans())
def test_what_is_written_is_read(data, dims, ome):
    dims += "YX"
    shape = [data.draw(st.integers(1 if d in "YX" else 2, 4)) for d in dims]
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]))
    values = data.draw(hnp.arrays(dtype, shape))
    array = xr.DataArray(values, dims=tuple(dims))
    size = data.draw(st.none() | st.integers(1, 99_999).map(lambda nm: nm / 1000))
    labels = data.draw(st.none() | st.just([f"n {n}" for n, _ in enumerate(planes(array))]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        write_image(path, array, pixel_size_um=size, labels=labels, ome=ome)
        back = read_image(path)
    assert back.dims == array.dims
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.values, values)
    assert back.attrs["pixel_size_um"] == size
    assert back.attrs["labels"] == labels
