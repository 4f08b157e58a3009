"""Names of axes, walking through planes, units, and the checks that let good images pass."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from dlsim_ij.errors import ImageError
from dlsim_ij.images import planes, require_finite, require_frames, require_grey
from dlsim_ij.images.calibration import check_pixel_size, from_um, to_um, um_per_unit


def named(shape, dims):
    return xr.DataArray(np.arange(np.prod(shape), dtype=float).reshape(shape), dims=tuple(dims))


def test_planes_of_a_hyperstack():
    array = named((2, 3, 4, 5), "TCYX")
    walked = list(planes(array.transpose("Y", "T", "X", "C")))
    assert [index for index, _ in walked] == [{"T": t, "C": c} for t in range(2) for c in range(3)]
    for index, plane in walked:
        np.testing.assert_array_equal(plane, array.isel(index).values)
    assert all(np.shares_memory(plane, array.values) for _, plane in planes(array))


@pytest.mark.parametrize(("dims", "shape"), [("YX", (4, 5)), ("YXS", (4, 5, 3))])
def test_a_single_plane(dims, shape):
    array = named(shape, dims)
    ((index, plane),) = planes(array)
    assert index == {}
    np.testing.assert_array_equal(plane, array.values)


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("um", 1), ("µm", 1), ("μm", 1), ("\\u00B5m", 1), ("Micron", 1), ("microns", 1), ("micrometers", 1),
        ("Micrometre", 1), ("micrometres", 1), ("nm", 1e-3), ("nanometers", 1e-3), ("mm", 1e3), ("cm", 1e4),
        ("inch", 25400), ("inches", 25400), (" m ", 1e6), ("pixel", None), ("pixels", None), ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_units(unit, um):
    assert um_per_unit(unit) == um
    assert to_um(2.5, unit) == (None if um is None else pytest.approx(2.5 * um))
    if um is not None:
        assert from_um(to_um(2.5, unit), unit) == pytest.approx(2.5)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_a_length_of_nothing(value):
    assert to_um(value, "um") is None
    with pytest.raises(ImageError, match="not possible"):
        check_pixel_size(value)


def test_no_unit_of_length():
    with pytest.raises(ImageError, match="'pixel' is not a unit of length"):
        from_um(1, "pixel")


def test_good_images_pass():
    grey = named((4, 5, 1), "YXS")
    assert require_grey(grey).dims == ("Y", "X")
    stack = named((1, 3, 1, 4, 5), "TZCYX")
    frames = require_frames(stack, 3)
    assert frames.dims == ("Z", "Y", "X")
    np.testing.assert_array_equal(frames.values, stack.values[0, :, 0])
    assert require_finite(stack) is stack
    assert require_finite(stack.astype(np.uint8)).dtype == np.uint8


def test_resizing_loads_no_tiff_library():
    code = (
        "import sys; from dlsim_ij.images import bicubic_enlarge;"
        "print([m for m in ('tifffile', 'xarray', 'torch', 'jpype') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
