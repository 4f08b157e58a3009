"""Our error maps in the real ImageJ, and its filters and Java's random numbers beside ours."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from dlsim_ij.cli.main import run
from dlsim_ij.errors import ImageError, OutputError
from dlsim_ij.images import read_image, write_image
from dlsim_ij.quality.imagej_gaussian import GaussianRows
from dlsim_ij.quality.imagej_translate import bicubic_translate
from dlsim_ij.quality.squirrel_swarm import JavaRandom

pytestmark = pytest.mark.jvm

IMAGE = (1000 * np.random.default_rng(0).random((61, 83)) ** 4).astype(np.float32)


@pytest.fixture
def java(fiji):
    """Look up a Java class by name; ImageJ runs."""
    fiji.start()
    import jpype

    return jpype.JClass


def processor(java, pixels):
    import jpype

    return java("ij.process.FloatProcessor")(
        pixels.shape[1], pixels.shape[0], jpype.JArray(jpype.JFloat)(pixels.ravel())
    )


def values(processor, shape):
    return np.array(processor.getPixels()).reshape(shape)


def colours(java, imp):
    """Return what the image's lookup table holds, (3, 256)."""
    table = imp.getProcessor().getLut()
    channels = []
    for read in (table.getReds, table.getGreens, table.getBlues):
        channel = java("[B")(256)
        read(channel)
        channels.append(np.array(channel).view(np.uint8))
    return np.stack(channels)


@pytest.mark.parametrize("sigma_px", [0.6, 2.3, 8.5, 8.6, 13.7, 33.0, 60.0])
def test_the_gaussian_blur(java, sigma_px):
    theirs = processor(java, IMAGE)
    java("ij.plugin.filter.GaussianBlur")().blurGaussian(theirs, sigma_px, sigma_px, 2e-4)
    np.testing.assert_allclose(
        GaussianRows(IMAGE, sigma_px).rows(range(61)), values(theirs, IMAGE.shape), atol=2e-4
    )


@pytest.mark.parametrize("shift", [(0.3, -0.7), (-4.25, 2.5), (12.6, 0.0), (0.2, 90.0), (-0.999, 0.001)])
def test_the_translation(java, shift):
    theirs = processor(java, IMAGE)
    theirs.setInterpolationMethod(2)  # bicubic
    theirs.translate(shift[1], shift[0])
    np.testing.assert_allclose(bicubic_translate(IMAGE, *shift), values(theirs, IMAGE.shape), atol=2e-4)


@pytest.mark.parametrize("seed", [42, 327636000, -5])
def test_javas_random_numbers(java, seed):
    theirs, ours = java("java.util.Random")(seed), JavaRandom(seed)
    for _ in range(50):
        assert ours.next_float() == float(theirs.nextFloat())
        assert ours.next_double() == float(theirs.nextDouble())


@pytest.mark.parametrize("n_planes", [1, 3])
def test_error_maps_open_with_colours_range_and_scale(java, tmp_path, n_planes):
    random = np.random.default_rng(1)
    image = ndimage.gaussian_filter(random.gamma(0.2, 900, (64, 64)), 1.0).astype(np.float32)
    reference = ndimage.gaussian_filter(image, 2).reshape(32, 2, 32, 2).mean(axis=(1, 3)).astype(np.float32)
    write_image(tmp_path / "wf.tif", random.poisson(reference).astype(np.float32))
    write_image(
        tmp_path / "sr.tif", np.stack([image] * n_planes) if n_planes > 1 else image, pixel_size_um=0.03
    )
    words = [
        "squirrel",
        "--reference",
        tmp_path / "wf.tif",
        "--image",
        tmp_path / "sr.tif",
        "--maps",
        tmp_path / "m",
    ]
    assert run(list(map(str, words))) == 0
    for name, symmetric in (("sr_error.tif", False), ("sr_error_signed.tif", True)):
        imp = java("ij.IJ").openImage(str(tmp_path / "m" / name))
        ours = read_image(tmp_path / "m" / name)
        assert imp.getStackSize() == n_planes
        np.testing.assert_array_equal(
            values(imp.getProcessor(), (64, 64)), ours.values.reshape(-1, 64, 64)[0]
        )
        low, high = imp.getDisplayRangeMin(), imp.getDisplayRangeMax()
        assert (low, high) == pytest.approx(ours.attrs["display_range"])
        assert low == pytest.approx(-high if symmetric else 0)
        assert imp.getCalibration().pixelWidth == pytest.approx(0.03)
        assert str(imp.getCalibration().getUnit()) == "µm"
        red, green, blue = colours(java, imp).astype(int)
        assert red[-1] > blue[-1] - 100
        if symmetric:  # blue, white, red
            assert blue[20] > red[20]
            assert red[-20] > blue[-20]
            assert min(red[128], green[128], blue[128]) > 230
        else:  # from black to bright
            assert red[0] + green[0] + blue[0] < 10
            assert red[255] > 240


def test_a_lookup_table_survives(java, tmp_path):
    table = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 9)]).astype(np.uint8)
    for dtype in (np.uint8, np.uint16, np.float32):
        path = write_image(
            tmp_path / f"{np.dtype(dtype)}.tif", IMAGE.astype(dtype), lut=table, display_range=(1, 90)
        )
        imp = java("ij.IJ").openImage(str(path))
        np.testing.assert_array_equal(colours(java, imp), table)
        np.testing.assert_array_equal(tifffile.imread(path), IMAGE.astype(dtype))
        np.testing.assert_array_equal(read_image(path).values, IMAGE.astype(dtype))


def test_a_lookup_table_that_cannot_be_is_refused(tmp_path):
    table = np.zeros((3, 256), np.uint8)
    with pytest.raises(ImageError, match="lookup table of shape"):
        write_image(tmp_path / "a.tif", IMAGE, lut=table[:, :16])
    with pytest.raises(OutputError, match="OME-TIFF has no place"):
        write_image(tmp_path / "a.ome.tif", IMAGE, lut=table)
    assert list(tmp_path.iterdir()) == []
