"""Our files in the real ImageJ, ImageJ's files in ours, and its bicubic beside the one in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import dlsim_ij.images.write
from dlsim_ij.errors import ImageError
from dlsim_ij.images import bicubic_enlarge, planes, read_image, write_image

pytestmark = pytest.mark.jvm

RNG = np.random.default_rng(6)
SIZES = {"T": 2, "Z": 3, "C": 4, "I": 5, "Y": 6, "X": 7}
LAYOUTS = ["YX", "IYX", "TYX", "ZYX", "CYX", "TCYX", "TZCYX"]
TYPES = ["bool", "uint8", "uint16", "int8", "int16", "float16", "float32", "float64"]


@pytest.fixture
def java(fiji):
    """Look up a Java class by name; ImageJ runs."""
    fiji.start()
    import jpype

    return jpype.JClass


def image(dims: str, dtype: str, **attributes: Any) -> xr.DataArray:
    values = RNG.random([SIZES[dim] for dim in dims]) * 200 - (50 if np.dtype(dtype).kind in "if" else 0)
    array = xr.DataArray(values > 100 if dtype == "bool" else values.astype(dtype), dims=tuple(dims))
    n_planes = array.size // (SIZES["Y"] * SIZES["X"])
    labels = [f"frame {n} \u03b1" for n in range(n_planes)]
    return array.assign_attrs(pixel_size_um=0.065, labels=labels, display_range=(3.0, 77.0), **attributes)


def opened(java, path) -> Any:
    imp = java("ij.IJ").openImage(str(path))
    assert imp is not None
    return imp


def pixels(imp) -> np.ndarray:
    """Return all planes of an ImagePlus as ImageJ shows their values."""
    stack = imp.getStack()
    result = []
    for number in range(1, stack.getSize() + 1):
        processor = stack.getProcessor(number)
        values = np.array(processor.getPixels())
        values = values.view(f"u{values.itemsize}") if values.dtype.kind == "i" else values
        table = processor.getCalibrationTable()
        values = np.array(table)[values] if table is not None else values
        result.append(values.reshape(processor.getHeight(), processor.getWidth()).astype(float))
    return np.stack(result)


def expected_pixels(array: xr.DataArray) -> np.ndarray:
    values = np.stack([plane for _, plane in planes(array)])
    return values * 255.0 if values.dtype == bool else values.astype(np.float32).astype(float)


@pytest.mark.parametrize("dims", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES)
def test_imagej_opens_what_we_write(java, tmp_path, dims, dtype):
    array = image(dims, dtype, z_step_um=0.25, frame_interval_s=1.5)
    imp = opened(java, write_image(tmp_path / "cell.tif", array))
    size = {dim: SIZES[dim] if dim in dims else 1 for dim in "TZC"}
    if "I" in dims:
        size["Z"] = SIZES["I"]  # ImageJ's plain stack
    assert list(imp.getDimensions()) == [SIZES["X"], SIZES["Y"], size["C"], size["Z"], size["T"]]
    calibration = imp.getCalibration()
    assert calibration.pixelWidth == pytest.approx(0.065, rel=1e-6)
    assert calibration.pixelHeight == pytest.approx(0.065, rel=1e-6)
    assert str(calibration.getUnit()) == "\u00b5m"
    assert calibration.pixelDepth == (0.25 if "Z" in dims else 1)
    assert calibration.frameInterval == 1.5
    assert imp.isHyperStack() == (len(dims) > 3)
    labels = [imp.getStack().getSliceLabel(n) for n in range(1, imp.getStackSize() + 1)]
    assert [str(label) for label in labels] == array.attrs["labels"]
    if "C" in dims:
        assert imp.getMode() == java("ij.CompositeImage").COMPOSITE
        ranges = [(lut.min, lut.max) for lut in imp.getLuts()]
    else:
        ranges = [(imp.getDisplayRangeMin(), imp.getDisplayRangeMax())]
    assert ranges == [(3.0, 77.0)] * len(ranges)
    assert imp.getBitDepth() == {"bool": 8, "uint8": 8, "uint16": 16, "int8": 16, "int16": 16}.get(dtype, 32)
    np.testing.assert_array_equal(pixels(imp), expected_pixels(array))


@pytest.mark.parametrize("dims", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES)
def test_we_read_what_imagej_writes(java, tmp_path, dims, dtype):
    # ImageJ opens our file and saves its own, whose header, byte order and calibration are ImageJ's
    array = image(dims, dtype, z_step_um=0.25, frame_interval_s=1.5)
    imp = opened(java, write_image(tmp_path / "ours.tif", array))
    saver = java("ij.io.FileSaver")(imp)
    path = tmp_path / "imagej.tif"
    assert saver.saveAsTiffStack(str(path)) if imp.getStackSize() > 1 else saver.saveAsTiff(str(path))
    assert path.read_bytes()[:2] == b"MM"
    back, ours = read_image(path), read_image(tmp_path / "ours.tif")
    assert back.dims == array.dims
    assert back.dtype == ours.dtype
    np.testing.assert_array_equal(back.values, ours.values)
    for name in ("pixel_size_um", "z_step_um", "frame_interval_s", "labels", "display_range"):
        assert back.attrs[name] == ours.attrs[name], name


def test_look_up_tables_of_imagej_do_not_change_intensities(java, tmp_path):
    array = image("YX", "uint8")
    imp = opened(java, write_image(tmp_path / "ours.tif", array))
    colours = java("ij.process.LUT").createLutFromColor(java("java.awt.Color").RED)
    imp.getProcessor().setLut(colours)
    java("ij.io.FileSaver")(imp).saveAsTiff(str(tmp_path / "red.tif"))
    np.testing.assert_array_equal(read_image(tmp_path / "red.tif").values, array.values)
    imp.getProcessor().invertLut()
    java("ij.io.FileSaver")(imp).saveAsTiff(str(tmp_path / "inverted.tif"))
    np.testing.assert_array_equal(read_image(tmp_path / "inverted.tif").values, array.values)


def test_colour_pictures(java, tmp_path):
    picture = xr.DataArray(RNG.integers(0, 256, (6, 7, 3)).astype(np.uint8), dims=("Y", "X", "S"))
    imp = opened(java, write_image(tmp_path / "ours.tif", picture))
    assert imp.getBitDepth() == 24
    java("ij.io.FileSaver")(imp).saveAsTiff(str(tmp_path / "imagej.tif"))
    back = read_image(tmp_path / "imagej.tif")
    assert back.dims == ("Y", "X", "S")
    np.testing.assert_array_equal(back.values, picture.values)


@pytest.mark.parametrize("dims", ["IYX", "TZCYX"])
def test_the_form_beyond_4_gb(java, tmp_path, dims, monkeypatch):
    monkeypatch.setattr(dlsim_ij.images.write, "CLASSIC_TIFF_BYTES", 100)
    array = image(dims, "float32")
    imp = opened(java, write_image(tmp_path / "large.tif", array))
    np.testing.assert_array_equal(pixels(imp), expected_pixels(array))


# ---- bicubic -----------------------------------------------------------------------------------------------


def by_imagej(java, plane: np.ndarray, height: int, width: int) -> np.ndarray:
    import jpype

    h, w = plane.shape
    if plane.dtype == np.uint8:
        processor = java("ij.process.ByteProcessor")(w, h, jpype.JByte[:](plane.ravel().view(np.int8)), None)
    elif plane.dtype == np.uint16:
        processor = java("ij.process.ShortProcessor")(
            w, h, jpype.JShort[:](plane.ravel().view(np.int16)), None
        )
    else:
        processor = java("ij.process.FloatProcessor")(w, h, jpype.JFloat[:](plane.ravel()))
    processor.setInterpolationMethod(java("ij.process.ImageProcessor").BICUBIC)
    return np.array(processor.resize(width, height).getPixels()).view(plane.dtype).reshape(height, width)


SHAPES = [(1, 4), (1, 7), (7, 1), (2, 2), (3, 3), (2, 9), (9, 3), (4, 5), (5, 5), (16, 13), (33, 40)]
FACTORS = [(2, 2), (5, 5), (3, 3), (2, 1), (1, 5), (1.7, 2.37), (2.5, 0.6), (0.5, 0.5), (0.34, 3.1), (1, 1)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factors", FACTORS)
def test_bicubic_is_imagejs(java, shape, factors, dtype):
    height, width = (max(1, round(n * factor)) for n, factor in zip(shape, factors, strict=True))
    if dtype is np.float32:
        plane = (RNG.normal(size=shape) * 1000).astype(dtype)
    else:  # the ends of the range, so that rounding and clipping count
        plane = (RNG.integers(0, 2, shape) * np.iinfo(dtype).max).astype(dtype)
    theirs = by_imagej(java, plane, height, width)
    mine = bicubic_enlarge(plane, height=height, width=width)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6 * np.abs(plane).max() * (dtype is np.float32))


def test_what_imagej_answers_with_nan_is_refused(java):
    line = np.array([[0, 10, 20, 40]], np.float32)
    assert np.isnan(by_imagej(java, line, 2, 1)).all()
    with pytest.raises(ImageError, match="ImageJ answers NaN"):
        bicubic_enlarge(line, height=2, width=1)


@pytest.mark.parametrize("scale", [2, 5, 2.5, 0.7])
def test_the_engine_gives_the_same(fiji, scale):
    stack = RNG.integers(0, 65536, (3, 31, 26)).astype(np.uint16)
    np.testing.assert_array_equal(bicubic_enlarge(stack, scale), fiji.resize(stack, scale))
