"""Planes one at a time are the planes of `read_image`, with the places that ImageJ counts."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from dlsim_ij.errors import ImageError
from dlsim_ij.images import planes, read_image
from dlsim_ij.images.plane_source import PlaneSource, _Contiguous, _Loaded, _Pages

HYPER = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 3, 4, 5, 6)  # T Z C Y X
STACK = HYPER.reshape(24, 5, 6)


def imagej(path, data, axes, **metadata):
    tifffile.imwrite(path, data, imagej=True, metadata={"axes": axes, **metadata})


def ome(path, data, axes, **more):
    tifffile.imwrite(path, data, ome=True, metadata={"axes": axes}, **more)


def separate_pages(path):
    with tifffile.TiffWriter(path) as tiff:
        for n, plane in enumerate(STACK[:4]):
            # a description of another length each, so that the pixels of the pages lie apart
            tiff.write(plane, contiguous=False, metadata=None, description="x" * (10 * n + 1))


COLOUR = HYPER[0, :, :3].astype(np.uint8)  # Z S Y X
LARGE = np.kron(STACK, np.ones((1, 8, 8), np.uint16))

# how a file is written, and how its planes are read
WRITERS = {
    "hyperstack": (lambda p: imagej(p, HYPER, "TZCYX"), _Contiguous),
    "plain stack": (lambda p: imagej(p, STACK, "ZYX", hyperstack=False), _Contiguous),
    "big-endian": (lambda p: tifffile.imwrite(p, STACK, byteorder=">"), _Contiguous),
    "BigTIFF": (lambda p: tifffile.imwrite(p, STACK.astype(np.float32), bigtiff=True), _Contiguous),
    "compressed": (lambda p: tifffile.imwrite(p, STACK, compression="zlib"), _Pages),
    "compressed hyperstack": (lambda p: ome(p, HYPER, "TZCYX", compression="zlib"), _Pages),
    "OME in another order": (lambda p: ome(p, HYPER, "CTZYX"), _Contiguous),
    "tiled": (lambda p: tifffile.imwrite(p, LARGE, tile=(16, 16)), _Pages),
    "separate pages": (lambda p: separate_pages(p), _Pages),
    "RGB": (lambda p: tifffile.imwrite(p, COLOUR[0].transpose(1, 2, 0), photometric="rgb"), _Contiguous),
    "RGB stack, sample by sample": (
        lambda p: tifffile.imwrite(p, COLOUR, photometric="rgb", planarconfig="separate"), _Contiguous,
    ),
    "a single plane": (lambda p: tifffile.imwrite(p, STACK[0]), _Contiguous),
    "frames innermost": (
        lambda p: tifffile.imwrite(p, LARGE[:2].transpose(1, 2, 0).copy(), metadata={"axes": "YXZ"}), _Loaded,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITERS)
def test_the_planes_are_those_of_the_whole_image(kind, tmp_path):
    path = tmp_path / "image.tif"
    WRITERS[kind][0](path)
    whole = read_image(path)
    expected = list(planes(whole))
    with PlaneSource(path) as source:
        assert type(source._reader) is WRITERS[kind][1]
        assert len(source) == len(expected)
        assert (source.height, source.width) == (whole.sizes["Y"], whole.sizes["X"])
        names = {"T": "frame", "Z": "slice", "C": "channel", "I": "slice"}
        for number, (index, plane) in reversed(list(enumerate(expected))):
            read = source.read(number)
            assert read.dtype == plane.dtype
            np.testing.assert_array_equal(read, plane)
            position = source.position(number)
            assert position.plane == number + 1
            found = {"frame": position.frame, "slice": position.slice, "channel": position.channel}
            assert found == {"frame": 1, "slice": 1, "channel": 1} | {
                names[k]: i + 1 for k, i in index.items()
            }


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">f4", "<f8"])
def test_numpy_files(order, dtype, tmp_path):
    path = tmp_path / "image.npy"
    np.save(path, np.asarray(STACK, dtype, order=order))
    with PlaneSource(path) as source:
        np.testing.assert_array_equal(list(source), STACK)
        assert source.read(3).dtype == np.dtype(dtype).newbyteorder("=")
        assert source.position(23).slice == 24
        assert source.pixel_size_um is None


def test_pixel_size_and_labels(tmp_path):
    path = tmp_path / "image.tif"
    metadata = {"axes": "ZYX", "unit": "nm", "Labels": [f"z{i}" for i in range(24)]}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(1 / 65, 1 / 65), metadata=metadata)
    with PlaneSource(path) as source:
        assert source.pixel_size_um == pytest.approx(0.065, rel=1e-5)
        assert source.position(5).label == "z5"
        assert source.name == "image"


@pytest.mark.parametrize("contiguous", [True, False])
def test_signed_numbers_that_imagej_stores_as_unsigned_ones(contiguous, tmp_path):
    path = tmp_path / "image.tif"
    description = "ImageJ=1.53t\nimages=2\nslices=2\ncf=0\nc0=-32768\nc1=1\n"
    data = np.array([[[32768, 32767]], [[32769, 0]]], np.uint16)
    with tifffile.TiffWriter(path, byteorder=">") as tiff:
        if contiguous:
            tiff.write(data, description=description, metadata=None)
        else:
            for plane in data:
                tiff.write(plane, description=description, metadata=None, contiguous=False)
    with PlaneSource(path) as source:
        assert type(source._reader) is (_Contiguous if contiguous else _Pages)
        np.testing.assert_array_equal(list(source), [[[0, -1]], [[1, -32768]]])


def test_only_the_plane_is_read(tmp_path, monkeypatch):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, STACK, imagej=True)
    sizes = []
    original = np.fromfile

    def fromfile(*args, **kwargs):
        result = original(*args, **kwargs)
        sizes.append(result.size)
        return result

    monkeypatch.setattr(np, "fromfile", fromfile)
    with PlaneSource(path) as source:
        source.read(7)
    assert sizes == [30]


@pytest.mark.parametrize("number", [-1, 24])
def test_numbers_outside_are_refused(number, tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, STACK)
    with PlaneSource(path) as source, pytest.raises(IndexError, match="24 planes"):
        source.read(number)


def test_a_file_cut_while_it_is_read(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, STACK)
    with PlaneSource(path) as source:
        path.write_bytes(path.read_bytes()[:400])
        with pytest.raises(ImageError, match="truncated"):
            source.read(23)
        path.unlink()
        with pytest.raises(ImageError, match="does not exist"):
            source.read(0)


def test_folders_and_what_is_no_image_are_refused(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        PlaneSource(tmp_path)
    with pytest.raises(ImageError, match="does not exist"):
        PlaneSource(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("hello")
    with pytest.raises(ImageError, match="text file"):
        PlaneSource(tmp_path / "text.tif")
