"""Parts of files against the whole file, and files written in parts against files written whole."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tifffile
import xarray as xr

import dlsim_ij as dlsim
from dlsim_ij.errors import ImageError, OutputError
from dlsim_ij.images import expand_inputs, write_image
from dlsim_ij.images.region_write import write_regions, write_zarr
from dlsim_ij.images.regions import RegionSource

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 4000, (5, 150, 130)).astype(np.uint16)
KINDS = {
    "rows.tif": {},
    "big_endian.tif": {"byteorder": ">"},
    "imagej.tif": {"imagej": True},
    "strips.tif": {"rowsperstrip": 17, "compression": "zlib"},
    "predictor.tif": {"rowsperstrip": 17, "compression": "zlib", "predictor": True, "byteorder": ">"},
    "tiles.tif": {"tile": (64, 32)},
    "compressed_tiles.tif": {"tile": (32, 64), "compression": "zlib"},
    "tiles.ome.tif": {"tile": (64, 64), "bigtiff": True},
}


def write(path, pixels, byteorder="<", imagej=False, bigtiff=False, **options):
    byteorder = ">" if imagej else byteorder
    with tifffile.TiffWriter(path, byteorder=byteorder, imagej=imagej, bigtiff=bigtiff) as tiff:
        tiff.write(pixels, photometric="minisblack", **options)


@pytest.mark.parametrize("name", KINDS)
def test_a_part_of_a_tiff_is_what_the_whole_holds(tmp_path, name):
    write(tmp_path / name, FRAMES, **KINDS[name])
    with RegionSource(tmp_path / name) as source:
        assert (source.height, source.width, source.dtype) == (150, 130, np.uint16)
        assert source.plane_numbers().shape == (5, 1, 1)
        part = source.stack(np.array([4, 0]), slice(20, 149), slice(1, 130))
        np.testing.assert_array_equal(part, FRAMES[[4, 0], 20:149, 1:])
        np.testing.assert_array_equal(source.read(2, slice(0, 150), slice(0, 130)), FRAMES[2])


def test_signed_numbers_of_imagej_are_read_as_such(tmp_path):
    signed = FRAMES.astype(np.int16) - 2000
    write_image(tmp_path / "signed.tif", signed)
    with RegionSource(tmp_path / "signed.tif") as source:
        assert source.dtype == np.int16
        np.testing.assert_array_equal(source.read(1, slice(5, 9), slice(3, 70)), signed[1, 5:9, 3:70])


def test_numpy_files(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES.astype(">u2"))
    with RegionSource(tmp_path / "a.npy") as source:
        assert source.dtype.isnative
        np.testing.assert_array_equal(source.read(3, slice(5, 9), slice(3, 70)), FRAMES[3, 5:9, 3:70])


def test_a_file_that_shrinks_meanwhile_is_told(tmp_path):
    write(tmp_path / "a.tif", FRAMES)
    with RegionSource(tmp_path / "a.tif") as source:
        (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:5000])
        with pytest.raises(ImageError, match="truncated"):
            source.read(4, slice(0, 150), slice(0, 130))


def test_colour_and_other_axes_cannot_be_read_in_parts(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((20, 30, 3), np.uint8), photometric="rgb")
    with pytest.raises(ImageError, match="cannot be read in parts"):
        RegionSource(tmp_path / "rgb.tif")


# -------------------------------------------------------------------------------------------------- writing

IMAGES = [
    ("a.tif", ("T", "Y", "X"), (3, 70, 90), {}),
    ("a.tif", ("Y", "X"), (70, 90), {}),
    ("a.tif", ("T", "C", "Y", "X"), (3, 2, 70, 90), {}),
    ("a.tif", ("T", "I", "C", "Y", "X"), (3, 4, 2, 30, 40), {}),
    ("a.ome.tif", ("T", "C", "Y", "X"), (3, 2, 70, 90), {}),
    ("b.tif", ("Z", "T", "Y", "X"), (3, 2, 70, 90), {"ome": True}),
]


def in_parts(path, dims, pixels, attributes, side=64, **options):
    flat = pixels.reshape(-1, *pixels.shape[-2:])
    with write_regions(path, dims, pixels.shape, attributes, **options) as writer:
        for number in reversed(range(len(flat))):
            for top in range(0, pixels.shape[-2], side):
                for left in range(0, pixels.shape[-1], side):
                    writer.write(number, top, left, flat[number, top : top + side, left : left + side])


@pytest.mark.parametrize(("name", "dims", "shape", "options"), IMAGES)
def test_a_file_written_in_parts_is_the_file_written_whole(tmp_path, name, dims, shape, options):
    pixels = RNG.random(shape, dtype=np.float32)
    attributes = {"pixel_size_um": 0.03, "frame_interval_s": 2.0, "name": "x", "source": "in/x.tif"}
    whole = write_image(tmp_path / name, xr.DataArray(pixels, dims=dims, attrs=attributes), **options)
    parts = tmp_path / "parts" / name
    parts.parent.mkdir()
    in_parts(parts, dims, pixels, attributes, side=32, **options)
    assert parts.read_bytes() == whole.read_bytes()


def test_tiles_of_a_bigtiff(tmp_path):
    pixels = RNG.random((2, 600, 700), dtype=np.float32)
    for name in ("a", "b"):
        in_parts(
            tmp_path / f"{name}.ome.tif", ("T", "Y", "X"), pixels, {"pixel_size_um": 0.03}, side=250,
            ome=True, tiled=True,
        )  # fmt: skip
    read = dlsim.read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(read.values, pixels)
    assert read.attrs["pixel_size_um"] == 0.03
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_bigtiff
        assert tiff.pages[0].tile == (512, 512)
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_what_is_interrupted_leaves_nothing(tmp_path, name):
    def interrupted():
        with write_regions(tmp_path / name, ("Y", "X"), (64, 64), {}) as writer:
            writer.write(0, 0, 0, np.ones((32, 32), np.float32))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------------------------------- zarr


def test_without_zarr_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(ImageError, match="need the zarr library") as caught:
        dlsim.read_image(tmp_path / "a.zarr")
    assert "[zarr]" in caught.value.hint


class TestZarr:
    @pytest.fixture(autouse=True)
    def zarr(self):
        return pytest.importorskip("zarr")

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_there_and_back(self, tmp_path, overwrite):
        pixels = RNG.random((2, 600, 130), dtype=np.float32)
        path = tmp_path / "a.ome.zarr"
        attributes = {"pixel_size_um": 0.03, "frame_interval_s": 2.0}
        if overwrite:
            in_parts(path, ("T", "Y", "X"), pixels[:1], attributes)
            with pytest.raises(OutputError, match="exists"):
                in_parts(path, ("T", "Y", "X"), pixels, attributes)
        in_parts(path, ("T", "Y", "X"), pixels, attributes, side=250, overwrite=overwrite)
        read = dlsim.read_image(path)
        np.testing.assert_array_equal(read.values, pixels)
        assert read.dims == ("T", "Y", "X")
        assert (read.attrs["pixel_size_um"], read.attrs["frame_interval_s"]) == (0.03, 2.0)
        assert read.attrs["name"] == "a"
        with RegionSource(path) as source:
            part = source.read(1, slice(500, 590), slice(3, 70))
        np.testing.assert_array_equal(part, pixels[1, 500:590, 3:70])
        assert [item.path for item in expand_inputs([tmp_path])] == [path]
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.ome.zarr"]

    def test_versions_of_others(self, tmp_path, zarr):
        plain = zarr.create_array(tmp_path / "plain.zarr", shape=FRAMES.shape, dtype="uint16", zarr_format=3)
        plain[...] = FRAMES
        assert dlsim.read_image(tmp_path / "plain.zarr").dims == ("I", "Y", "X")
        group = zarr.open_group(tmp_path / "five.zarr", mode="w", zarr_format=3)
        array = group.create_array("s0", shape=FRAMES.shape, dtype="uint16")
        array[...] = FRAMES
        axes = [{"name": "z", "type": "space"}] + [
            {"name": name, "type": "space", "unit": "nanometer"} for name in "yx"
        ]
        scale = [{"type": "scale", "scale": [1, 60, 60]}]
        level = {"path": "s0", "coordinateTransformations": scale}
        image = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
        group.attrs["ome"] = image
        read = dlsim.read_image(tmp_path / "five.zarr")
        assert read.dims == ("Z", "Y", "X")
        assert read.attrs["pixel_size_um"] == 0.06
        np.testing.assert_array_equal(read.values, FRAMES)

    def test_a_damaged_folder_is_refused_by_name(self, tmp_path):
        in_parts(tmp_path / "a.zarr", ("Y", "X"), np.ones((64, 64), np.float32), {})
        (tmp_path / "a.zarr" / ".zattrs").write_text("{")
        with pytest.raises(ImageError, match="damaged zarr folder"):
            dlsim.read_image(tmp_path / "a.zarr")

    def test_a_damaged_chunk_is_told_when_it_is_met(self, tmp_path):
        in_parts(tmp_path / "a.zarr", ("Y", "X"), RNG.random((600, 64), dtype=np.float32), {})
        (tmp_path / "a.zarr" / "0" / "1" / "0").write_bytes(b"no chunk")
        with RegionSource(tmp_path / "a.zarr") as source:
            source.read(0, slice(0, 500), slice(0, 64))
            with pytest.raises(ImageError, match="damaged chunk"):
                source.read(0, slice(500, 600), slice(0, 64))

    def test_a_header_that_claims_too_much_is_refused(self, tmp_path, zarr):
        zarr.create_array(
            tmp_path / "bomb.zarr", shape=(15, 10**6, 10**6), dtype="uint16", chunks=(1, 512, 512)
        )
        with pytest.raises(ImageError, match="claims 15 x 1000000 x 1000000 pixels"):
            dlsim.read_image(tmp_path / "bomb.zarr")

    def test_a_whole_image(self, tmp_path):
        image = xr.DataArray(RNG.random((40, 50)), dims=("Y", "X"), attrs={"pixel_size_um": 0.1})
        write_zarr(tmp_path / "a.ome.zarr", image)
        np.testing.assert_allclose(dlsim.read_image(tmp_path / "a.ome.zarr").values, image.values, rtol=1e-6)
