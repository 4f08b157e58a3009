"""Arrays, axes and options that make no sense, in reading, computing and writing."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import xarray as xr

from dlsim_ij.errors import ImageError, LayoutError, OutputError
from dlsim_ij.images import (
    bicubic_enlarge,
    read_image,
    require_finite,
    require_frames,
    require_grey,
    resample_to_grid,
    undo_enlargement,
    write_image,
)

GREY = (np.arange(6 * 8).reshape(6, 8) * 40).astype(np.uint16)
STACK = np.stack([GREY + n * GREY.T.sum() % 97 for n in range(5)]).astype(np.uint16)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("YX", "3 axes"),
        ("IQX", "does not name"),
        ("YXX", "does not name"),
        ("TZC", "does not name"),
        ("", "does not"),
    ],
)
def test_axes_that_do_not_fit(axes, words, tmp_path, check_refusal):
    tifffile.imwrite(tmp_path / "cell.tif", STACK, photometric="minisblack")
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "cell.tif", axes=axes)
    check_refusal(caught.value, words)


def named(values: np.ndarray, dims: str) -> xr.DataArray:
    return xr.DataArray(values, dims=tuple(dims), attrs={"source": "a/cell.tif"})


@pytest.mark.parametrize(
    ("require", "image", "words"),
    [
        (require_grey, named(np.zeros((4, 4, 3)), "YXS"), "a/cell.tif is a colour picture"),
        (require_frames, named(np.zeros((4, 4, 3)), "YXS"), "a/cell.tif is a colour picture"),
        (require_frames, named(GREY, "YX"), "a single plane of 8 x 6 pixels"),
        (require_frames, named(np.zeros((1, 1, 4, 4)), "TZYX"), "a single plane"),
        (require_frames, named(np.zeros((2, 3, 4, 4)), "TCYX"), "2 along T (time), 3 along C (channel)"),
        (lambda a: require_frames(a, 15), named(STACK, "IYX"), "5 frames, 15 are needed"),
        (
            require_finite,
            named(np.array([[[1.0, np.nan]], [[np.inf, 1.0]]]), "TYX"),
            "first at T 0, y 0, x 1",
        ),
    ],
)
def test_arrays_of_the_wrong_kind(require, image, words, check_refusal):
    with pytest.raises((ImageError, LayoutError)) as caught:
        require(image)
    check_refusal(caught.value, words)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bicubic_enlarge(np.zeros(5), 2), "cannot be resized"),
        (lambda: bicubic_enlarge(np.zeros((5, 0)), 2), "cannot be resized"),
        (lambda: bicubic_enlarge(np.zeros((5, 5), complex), 2), "cannot be resized"),
        (lambda: bicubic_enlarge(GREY), "no output size"),
        (lambda: bicubic_enlarge(GREY, width=5), "no output size"),
        (lambda: bicubic_enlarge(GREY, -1), "not a positive number"),
        (lambda: bicubic_enlarge(GREY, float("nan")), "not a positive number"),
        (lambda: bicubic_enlarge(GREY, 0.01), "is empty"),
        (lambda: bicubic_enlarge(GREY[:1], width=1, height=4), "ImageJ answers NaN"),
        (lambda: undo_enlargement(GREY), "no stack of frames"),
        (lambda: undo_enlargement(STACK, 1), "an enlargement by 1"),
        (lambda: undo_enlargement(STACK, 2.5), "an enlargement by 2.5"),
        (lambda: undo_enlargement(np.full((3, 40, 40), np.nan)), "NaN"),
        (
            lambda: resample_to_grid(GREY, image_origin_px=(9.0, 0.0), image_step_px=1.0, shape=(6, 8)),
            "the image ends 9.0 of its pixels before",
        ),
    ],
)
def test_calls_that_make_no_sense(call, words, check_refusal):
    with pytest.raises(ImageError) as caught:
        call()
    check_refusal(caught.value, words)


@pytest.mark.parametrize(
    ("name", "array", "options", "words"),
    [
        ("a.png", GREY, {}, "names no format"),
        ("a", GREY, {}, "names no format"),
        ("no/where/a.tif", GREY, {}, "does not exist"),
        ("there.tif", GREY, {}, "exists already"),
        (".", GREY, {}, ""),
        ("a.tif", GREY.astype(np.int32), {}, "int32 pixels do not exist in ImageJ"),
        ("a.tif", GREY.astype(np.int64), {}, "int64 pixels do not exist in ImageJ"),
        ("a.ome.tif", GREY.astype(np.int64), {}, "int64 pixels do not exist in OME-TIFF"),
        ("a.tif", GREY.astype(complex), {}, "complex128 values"),
        ("a.npy", np.array([[None]]), {}, "object values"),
        ("a.tif", np.zeros((2, 2, 2, 2)), {}, "4 axes"),
        ("a.tif", np.zeros((0, 2)), {}, "an empty image"),
        ("a.tif", xr.DataArray(GREY, dims=("row", "X")), {}, "not those of an image"),
        ("a.tif", np.full((2, 2), 1e300), {}, "beyond 3.4e38"),
        ("a.tif", xr.DataArray(np.zeros((4, 4, 2), np.uint8), dims=tuple("YXS")), {}, "3 or 4 samples"),
        ("a.tif", xr.DataArray(np.zeros((1, 1, 1, 1, 2, 2)), dims=tuple("TZCIYX")), {}, "no axis left"),
        ("a.tif", GREY, {"labels": ["one", "two"]}, "2 labels for 1 planes"),
        ("a.tif", GREY, {"pixel_size_um": 0}, "a pixel size of 0 um"),
        ("a.tif", GREY, {"pixel_size_um": 65000}, "more than a millimetre"),
    ],
)
def test_what_cannot_be_written(name, array, options, words, tmp_path, check_refusal):
    (tmp_path / "there.tif").write_text("mine")
    with pytest.raises((ImageError, OutputError)) as caught:
        write_image(tmp_path / name, array, **options)
    check_refusal(caught.value, words)
    assert [path.name for path in tmp_path.rglob("*")] == ["there.tif"], "nothing half written"
    assert (tmp_path / "there.tif").read_text() == "mine"
