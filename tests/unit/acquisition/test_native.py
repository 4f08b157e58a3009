import numpy as np
import pytest
import xarray as xr

from dlsim_ij.acquisition.native import native_stacks
from dlsim_ij.errors import ImageError
from dlsim_ij.images import bicubic_enlarge


@pytest.fixture(scope="module")
def native():
    return np.random.default_rng(0).poisson(200, (2, 9, 32, 40)).astype(np.uint16)


def enlarged(stack):
    return np.stack([bicubic_enlarge(frame, 2) for frame in stack])


def image(stacks, pixel_size_um=0.03):
    attributes = {"pixel_size_um": pixel_size_um, "name": "cell"}
    return xr.DataArray(stacks, dims=("T", "I", "Y", "X"), attrs=attributes)


def test_frames_as_the_camera_wrote_them_are_given_as_they_are(native):
    source = native_stacks(image(native), layout="3x3")
    assert (len(source), source.pixel_size_um, source.notices()) == (2, 0.03, [])
    for found, true in zip(source, native, strict=True):
        np.testing.assert_array_equal(found, true)
    assert source.stacks.positions() == [{"T": 0}, {"T": 1}]
    fine = np.zeros((64, 80), np.float32)
    assert source.to_input_grid(fine) is fine
    assert source.join([fine, fine]).attrs["pixel_size_um"] == 0.015


def test_enlarged_frames_come_back_and_images_go_to_their_grid(native):
    source = native_stacks(image(np.stack([enlarged(stack) for stack in native])), layout="3x3")
    assert source.pixel_size_um == 0.06
    np.testing.assert_allclose(source.native(1), native[1], atol=2)  # the enlarged ones were rounded
    assert source.to_input_grid(np.zeros((64, 80), np.float32)).shape == (64, 80)
    (notice,) = source.notices()
    assert "enlarged 2 times" in notice[0]


def test_a_series_that_was_enlarged_in_part_is_refused(native):
    first = enlarged(native[0])
    other = np.random.default_rng(1).poisson(200, first.shape).astype(first.dtype)
    source = native_stacks(image(np.stack([first, other])), layout="3x3")
    with pytest.raises(ImageError, match="enlarged before, others not"):
        list(source)


def test_an_unknown_pixel_is_said_and_gives_no_scale(native):
    source = native_stacks(image(native, None), layout="3x3")
    assert not source.pixel_size_known
    assert "60 nm was assumed" in source.notices()[0][0]
    assert source.join([np.zeros((64, 80), np.float32)] * 2).attrs["pixel_size_um"] is None
