"""numpy to ImageJ and back: the same numbers, axes, calibration; refused where they would change."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlsim_ij.errors import ImageError

pytestmark = pytest.mark.jvm

EXACT = ("uint8", "uint16", "float32")
shared_java = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)


def ramp(shape, dtype):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@shared_java
@given(data=st.data(), dtype=st.sampled_from(EXACT))
def test_a_round_trip_changes_nothing(fiji, data, dtype):
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=7))
    array = data.draw(hnp.arrays(dtype, shape))
    back = fiji.from_imageplus(fiji.to_imageplus(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.values.reshape(shape), array)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize(
    "layout",
    [
        lambda a: a[::2, ::3],
        lambda a: a[::-1],
        lambda a: np.asfortranarray(a),
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: np.broadcast_to(a[:1], a.shape),  # read-only
    ],
    ids=["strided", "reversed", "fortran", "big-endian", "read-only"],
)
def test_any_memory_layout_gives_the_same_pixels(fiji, dtype, layout):
    array = layout(ramp((12, 9), dtype))
    image = fiji.to_imageplus(array)
    assert [image.getProcessor().getf(x, y) for y, x in [(0, 0), (1, 2), (3, 1)]] == [
        float(array[0, 0]), float(array[1, 2]), float(array[3, 1]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dims", "cztf"),
    [("YX", (1, 1, 1)), ("IYX", (1, 2, 1)), ("TYX", (1, 1, 2)), ("ZYX", (1, 2, 1)), ("CYX", (2, 1, 1)),
     ("TCYX", (3, 1, 2)), ("TZCYX", (4, 3, 2)), ("CIYX", (2, 3, 1)), ("ZIYX", (1, 2, 3))],
)  # fmt: skip
def test_axes_become_channels_slices_and_frames(fiji, dims, cztf):
    array = xr.DataArray(ramp([*(2, 3, 4)[: len(dims) - 2], 5, 6], "uint16"), dims=tuple(dims))
    image = fiji.to_imageplus(array)
    assert (image.getNChannels(), image.getNSlices(), image.getNFrames()) == cztf
    for index in np.ndindex(array.shape[:-2]):
        at = dict(zip(dims[:-2], index, strict=True))
        if "I" in at:
            at[next(letter for letter in "ZTC" if letter not in at)] = at.pop("I")
        n = image.getStackIndex(*(at.get(letter, 0) + 1 for letter in "CZT"))
        assert image.getStack().getVoxel(3, 2, n - 1) == array.values[(*index, 2, 3)]
    back = fiji.from_imageplus(image)
    assert back.dims == {"CIYX": ("Z", "C", "Y", "X"), "ZIYX": ("T", "Z", "Y", "X")}.get(dims, array.dims)
    if "I" in dims and dims != "IYX":
        array = array.rename({"I": "Z" if dims == "CIYX" else "T"}).transpose(*back.dims)
    np.testing.assert_array_equal(back.values, array.values)


def test_labels_stay_with_their_planes(fiji):
    array = xr.DataArray(
        ramp((2, 3, 4, 5), "uint8"), dims=("C", "I", "Y", "X"),
        attrs={"labels": [f"c{c} i{i}" for c in range(2) for i in range(3)]},
    )  # fmt: skip
    stack = fiji.to_imageplus(array).getStack()
    for n in range(6):
        c, i = n % 2, n // 2
        assert str(stack.getSliceLabel(n + 1)) == f"c{c} i{i}"
        assert stack.getVoxel(0, 0, n) == array.values[c, i, 0, 0]
    with pytest.raises(ImageError, match="2 labels do not fit 6 planes"):
        fiji.to_imageplus(array.assign_attrs(labels=["a", "b"]))


def test_axes_in_another_order_are_sorted_and_not_mixed_up(fiji):
    array = xr.DataArray(ramp((5, 2, 6, 3), "float32"), dims=("Y", "C", "X", "T"))
    back = fiji.from_imageplus(fiji.to_imageplus(array))
    assert back.dims == ("T", "C", "Y", "X")
    np.testing.assert_array_equal(back.values, array.transpose("T", "C", "Y", "X").values)


def test_calibration_labels_range_and_name_survive(fiji):
    attributes = {
        "pixel_size_um": 0.065, "z_step_um": 0.2, "frame_interval_s": 1.5, "display_range": (2.0, 90.0),
        "labels": [f"plane {n}: 60°" for n in range(6)], "name": "cell µ",
    }  # fmt: skip
    array = xr.DataArray(ramp((2, 3, 4, 5), "uint16"), dims=("T", "Z", "Y", "X"), attrs=attributes)
    image = fiji.to_imageplus(array)
    assert str(image.getCalibration().getUnit()) == "micron"
    assert image.getCalibration().pixelDepth == 0.2
    assert str(image.getStack().getSliceLabel(6)) == "plane 5: 60°"
    assert {name: fiji.from_imageplus(image).attrs[name] for name in attributes} == attributes


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("nm", 65.0, 0.065),
        ("µm", 0.065, 0.065),
        ("um", 0.065, 0.065),
        ("mm", 0.01, 10.0),
        ("pixel", 1.0, None),
    ],
)
def test_units_become_micrometre(fiji, unit, value, expected):
    image = fiji.to_imageplus(ramp((4, 4), "uint8"))
    image.getCalibration().setUnit(unit)
    image.getCalibration().pixelWidth = image.getCalibration().pixelHeight = value
    assert fiji.from_imageplus(image).attrs["pixel_size_um"] == expected


def test_pixels_that_are_not_square_give_no_size_but_a_warning(fiji, caplog):
    image = fiji.to_imageplus(
        xr.DataArray(ramp((4, 4), "uint8"), dims=("Y", "X"), attrs={"pixel_size_um": 0.1})
    )
    image.getCalibration().pixelHeight = 0.2
    assert fiji.from_imageplus(image).attrs["pixel_size_um"] is None
    assert "0.1 x 0.2 um" in caplog.text


def test_masks_are_imagejs_masks(fiji):
    back = fiji.from_imageplus(fiji.to_imageplus(np.array([[True, False]])))
    assert back.values.tolist() == [[255, 0]]
    assert back.dtype == np.uint8


def test_colour_goes_as_rgb(fiji):
    array = xr.DataArray(ramp((2, 3, 4, 3), "uint8"), dims=("I", "Y", "X", "S"))
    image = fiji.to_imageplus(array)
    assert image.getBitDepth() == 24
    assert list(image.getStack().getProcessor(2).getPixel(1, 2, None)) == array.values[1, 2, 1].tolist()
    back = fiji.from_imageplus(image)
    assert back.dims == array.dims
    np.testing.assert_array_equal(back.values, array.values)


def test_signed_16_bit_comes_back_signed(fiji):
    image = fiji.to_imageplus(np.array([[0, 32768, 65535]], np.uint16))
    image.getCalibration().setSigned16BitCalibration()
    back = fiji.from_imageplus(image)
    assert back.values.tolist() == [[-32768, 0, 32767]]
    assert back.dtype == np.int16


@pytest.mark.parametrize(
    "array",
    [
        np.array([[-(2**24), 2**24]], np.int64),
        np.array([[-5, 7]], np.int8),
        np.array([[0.5, -3.25, np.nan, np.inf]]),
        np.array([[0.1, 65504]], np.float16),
    ],
)
def test_other_types_go_as_32_bit_where_they_survive(fiji, array):
    back = fiji.from_imageplus(fiji.to_imageplus(array))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.values.astype(array.dtype), array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[2**24 + 1]], np.int32), "up to 16777217 change"),
        (np.array([[2**64 - 1]], np.uint64), "change in ImageJ"),
        (np.array([[0.1]]), "float64 values of this image change"),
        (np.array([[1e300]]), "float64 values of this image change"),
        (np.array([[1j]]), "no complex128 pixels"),
        (np.zeros((2, 2, 2, 2), np.uint8), "4 axes does not tell"),
        (np.zeros((0, 5), np.uint8), "0 x 5 pixels is empty"),
        (xr.DataArray(np.zeros((2, 2)), dims=("Q", "X")), "axes Q, X"),
        (xr.DataArray(np.zeros((2, 2, 4), np.uint8), dims=("Y", "X", "S")), "4 samples is not ImageJ's RGB"),
        (xr.DataArray(np.zeros([1] * 6, np.uint8), dims=tuple("TZCIYX")), "one axis more"),
    ],
)
def test_what_would_change_is_refused(fiji, array, message):
    with pytest.raises(ImageError, match=message):
        fiji.to_imageplus(array)


def test_a_closed_image_is_refused(fiji):
    image = fiji.to_imageplus(ramp((4, 4), "uint8"))
    image.flush()
    with pytest.raises(ImageError, match="holds no pixels"):
        fiji.from_imageplus(image)


def test_the_copies_are_independent(fiji):
    array = ramp((4, 4), "float32")
    image = fiji.to_imageplus(array)
    array[0, 0] = 99
    assert image.getProcessor().getf(0, 0) == 0
    back = fiji.from_imageplus(image)
    image.getProcessor().setf(0, 0, 77)
    assert back.values[0, 0] == 0
