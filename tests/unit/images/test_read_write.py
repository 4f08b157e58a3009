"""Files written and read back, and files of other writers."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
import tifffile
import xarray as xr

import dlsim_ij.images.read
import dlsim_ij.images.tiff
import dlsim_ij.images.write
from dlsim_ij.errors import OutputError
from dlsim_ij.images import read_image, write_image

RNG = np.random.default_rng(2)
SIZES = {"T": 2, "Z": 3, "C": 4, "I": 5, "Y": 6, "X": 7, "S": 3}


def image(dims: str, dtype: str = "uint16", **attributes) -> xr.DataArray:
    values = RNG.random([SIZES[dim] for dim in dims]) * 200 - (50 if np.dtype(dtype).kind in "if" else 0)
    array = xr.DataArray(values > 100 if dtype == "bool" else values.astype(dtype), dims=tuple(dims))
    return array.assign_attrs(attributes)


def known(array: xr.DataArray) -> dict:
    return {name: array.attrs[name] for name in ("pixel_size_um", "z_step_um", "frame_interval_s", "labels")}


FORMATS = {"imagej": "a.tif", "ome": "a.ome.tif", "npy": "a.npy"}
COMMON = ["uint8", "uint16", "int16", "float32"]
STORED = {
    "imagej": dict.fromkeys(COMMON)
    | {"bool": "uint8", "int8": "int16", "float16": "float32", "float64": "float32"},
    "ome": dict.fromkeys([*COMMON, "uint32", "int8", "int32", "float64"])
    | {"bool": "uint8", "float16": "float32"},
    "npy": dict.fromkeys([*COMMON, "uint32", "uint64", "int8", "int32", "int64", "float16", "float64"]),
}  # fmt: skip
"""By format: type in memory, and the type in the file where it is another."""


@pytest.mark.parametrize(("format_", "dtype"), [(f, t) for f, types in STORED.items() for t in types])
def test_types(format_, dtype, tmp_path):
    array = image("IYX", dtype)
    path = write_image(tmp_path / FORMATS[format_], array)
    back = read_image(path)
    assert back.dtype == (STORED[format_][dtype] or dtype)
    assert back.dims == ("I", "Y", "X")
    expected = array.values.astype(back.dtype) * (np.uint8(255) if dtype == "bool" else 1)
    np.testing.assert_array_equal(back.values, expected)


@pytest.mark.parametrize(
    "dims", ["YX", "IYX", "TYX", "ZYX", "CYX", "TZYX", "TCYX", "ZCYX", "TZCYX", "YXS", "TYXS"]
)
@pytest.mark.parametrize("format_", ["imagej", "ome"])
def test_axes(dims, format_, tmp_path):
    array = image(dims, "uint8")
    back = read_image(write_image(tmp_path / FORMATS[format_], array))
    assert back.dims == array.dims
    np.testing.assert_array_equal(back.values, array.values)


@pytest.mark.parametrize(("dims", "imagej"), [("TIYX", "TZYX"), ("ZIYX", "TZYX"), ("TZIYX", "TZCYX")])
def test_a_sequence_beside_other_axes(dims, imagej, tmp_path):
    array = image(dims)
    back = read_image(write_image(tmp_path / "a.tif", array))
    assert "".join(back.dims) == imagej
    assert sorted(back.shape) == sorted(array.shape)
    # OME-XML has room for a note
    back = read_image(write_image(tmp_path / "a.ome.tif", array))
    assert back.dims == tuple(sorted(dims, key="TZCIYXS".index))
    np.testing.assert_array_equal(back.transpose(*array.dims).values, array.values)


def test_axes_in_any_order_are_put_in_order(tmp_path):
    array = image("TZCYX")
    back = read_image(write_image(tmp_path / "a.tif", array.transpose("X", "C", "Y", "T", "Z")))
    xr.testing.assert_equal(back, array)


@pytest.mark.parametrize("format_", ["imagej", "ome"])
@pytest.mark.parametrize("pixel_size_um", [0.03, 0.065, 0.1625, 6.5, 11.0, 0.0617284])
def test_calibration(format_, pixel_size_um, tmp_path):
    labels = [f"t{t} z{z} \u00b5" for t in range(2) for z in range(3)]
    array = image(
        "TZYX", pixel_size_um=pixel_size_um, z_step_um=0.25, frame_interval_s=1.5, labels=labels,
        display_range=(3.0, 77.5),
    )  # fmt: skip
    back = read_image(write_image(tmp_path / FORMATS[format_], array))
    assert known(back) == known(array)
    assert back.attrs["display_range"] == (3.0, 77.5)
    assert back.attrs["source"] == str(tmp_path / FORMATS[format_])
    assert back.attrs["name"] == "a"


def test_options_go_before_attributes(tmp_path):
    array = image("TYX", pixel_size_um=1.0, labels=["a", "b"], display_range=(0.0, 1.0))
    path = write_image(
        tmp_path / "a.tif", array, pixel_size_um=0.5, labels=["c", "d"], display_range=(2, 3)
    )  # fmt: skip
    back = read_image(path)
    assert back.attrs["pixel_size_um"] == 0.5
    assert back.attrs["labels"] == ["c", "d"]
    assert back.attrs["display_range"] == (2.0, 3.0)


def test_what_the_file_does_not_tell_is_none(tmp_path):
    back = read_image(write_image(tmp_path / "a.tif", image("YX").values))
    assert set(known(back).values()) == {None}
    assert back.attrs["display_range"] is None


def test_labels_of_other_planes_are_dropped(tmp_path):
    array = image("TYX", labels=["a", "b"]).isel(T=0)
    assert read_image(write_image(tmp_path / "a.tif", array)).attrs["labels"] is None


def test_ome_by_option(tmp_path):
    write_image(tmp_path / "a.tif", image("TCYX"), ome=True)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_ome


def test_a_file_is_not_replaced_unasked(tmp_path):
    first, second = image("YX"), image("YX")
    write_image(tmp_path / "a.tif", first)
    with pytest.raises(OutputError, match="exists already"):
        write_image(tmp_path / "a.tif", second)
    xr.testing.assert_equal(read_image(tmp_path / "a.tif"), first)
    write_image(tmp_path / "a.tif", second, overwrite=True)
    xr.testing.assert_equal(read_image(tmp_path / "a.tif"), second)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    write_image(tmp_path / "a.tif", image("IYX"))
    before = (tmp_path / "a.tif").read_bytes()

    def full(array):
        yield from [plane for _, plane in zip(range(2), array.values, strict=False)]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dlsim_ij.images.write, "_converted", lambda array, stored: full(array))
    with pytest.raises(OutputError, match="No space left"):
        write_image(tmp_path / "a.tif", image("IYX"), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
    assert (tmp_path / "a.tif").read_bytes() == before


# ---- files of other writers --------------------------------------------------------------------------------


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
def test_plain_tiff_of_every_type_and_order(byteorder, bigtiff, dtype, tmp_path):
    values = image("IYX", dtype).values
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        byteorder=byteorder,
        bigtiff=bigtiff,
        metadata=None,
        photometric="minisblack",
    )
    back = read_image(tmp_path / "a.tif")
    assert back.dims == ("I", "Y", "X")
    assert back.dtype == values.dtype
    assert back.dtype.isnative
    np.testing.assert_array_equal(back.values, values)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("map_from_bytes", [10, 10**6])
def test_npy_of_either_order(byteorder, map_from_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(dlsim_ij.images.read, "MAP_FROM_BYTES", map_from_bytes)
    values = image("IYX").values
    np.save(tmp_path / "a.npy", values.astype(f"{byteorder}u2"))
    back = read_image(tmp_path / "a.npy")
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back.values, values)
    back.values[0] = 0  # the array is ours


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"tile": (16, 16)},
        {"rowsperstrip": 2},
    ],
)
def test_compressed_tiled_and_in_strips(options, tmp_path):
    values = image("IYX").values
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, values)


def test_the_seed_results_of_four_axes(tmp_path):
    values = image("YX", "uint32").values
    tifffile.imwrite(tmp_path / "a_pred.tif", values[None, None], photometric="minisblack")
    back = read_image(tmp_path / "a_pred.tif")
    assert back.dims == ("Y", "X")
    np.testing.assert_array_equal(back.values, values)


@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_three_frames_that_tifffile_took_for_colours(tmp_path):
    values = image("IYX").values[:3]
    tifffile.imwrite(tmp_path / "a.tif", values)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        if tiff.pages[0].photometric != tifffile.PHOTOMETRIC.RGB:
            pytest.skip("this tifffile stores them as frames")
    back = read_image(tmp_path / "a.tif")
    assert back.dims == ("I", "Y", "X")
    np.testing.assert_array_equal(back.values, values)


def test_an_imagej_stack_without_a_meaning_is_a_sequence(tmp_path):
    values = image("IYX").values
    for extra, expected in (({}, "I"), ({"spacing": 0.2, "unit": "um"}, "Z")):
        path = tmp_path / f"{expected}.tif"
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "ZYX", "hyperstack": False, **extra})
        assert read_image(path).dims[0] == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("um", 0.5), ("micron", 0.5), ("\\u00B5m", 0.5), ("nm", 0.0005), ("mm", 500), ("cm", 5000),
        ("inch", 12700), ("pixel", None), ("", None), ("furlong", None),
    ],
)  # fmt: skip
def test_units_of_imagej(unit, expected, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", image("YX").values, imagej=True, resolution=(2, 2), metadata={"unit": unit}
    )
    assert read_image(tmp_path / "a.tif").attrs["pixel_size_um"] == expected


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        (1e5, "CENTIMETER", 0.1),
        (254000, "INCH", 0.1),
        (72, "INCH", None),
        (300, "INCH", None),
        (1, "NONE", None),
    ],
)
def test_a_printers_resolution_is_no_pixel_size(resolution, unit, expected, tmp_path):
    options = {"resolution": (resolution, resolution), "resolutionunit": unit, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", image("YX").values, **options)
    assert read_image(tmp_path / "a.tif").attrs["pixel_size_um"] == expected


@pytest.mark.parametrize("unit", ["µm", "nm"])
def test_ome_units(unit, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif", image("TYX").values,
        metadata={"axes": "TYX", "PhysicalSizeX": 65.0, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 65.0,
                  "PhysicalSizeYUnit": unit, "TimeIncrement": 20.0, "TimeIncrementUnit": "ms"},
    )  # fmt: skip
    back = read_image(tmp_path / "a.ome.tif")
    assert back.attrs["pixel_size_um"] == (65 if unit == "µm" else 0.065)
    assert back.attrs["frame_interval_s"] == 0.02


def test_axes_can_be_named(tmp_path):
    values = image("TZYX").values
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    np.save(tmp_path / "a.npy", values)
    for name in ("a.tif", "a.npy"):
        assert read_image(tmp_path / name, axes="tcyx").dims == ("T", "C", "Y", "X")
    np.save(tmp_path / "b.npy", np.moveaxis(values[0], 0, 2))
    back = read_image(tmp_path / "b.npy", axes="YXI")
    assert back.dims == ("I", "Y", "X")
    np.testing.assert_array_equal(back.values, values[0])


def test_a_thumbnail_is_passed_over(tmp_path):
    values = image("IYX").values
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(values, metadata=None, photometric="minisblack")
        tiff.write(values[0, ::2, ::2], subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").values, values)


# ---- large files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.npy"])
def test_large_files_are_mapped_and_stay_unchanged(name, tmp_path, monkeypatch):
    array = image("IYX")
    write_image(tmp_path / name, array)
    before = (tmp_path / name).read_bytes()
    for module in (dlsim_ij.images.tiff, dlsim_ij.images.read):
        monkeypatch.setattr(module, "MAP_FROM_BYTES", 100)
    back = read_image(tmp_path / name)
    base = back.values
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert base is not None, "the pixels stay on disk"
    np.testing.assert_array_equal(back.values, array.values)
    back.values[0] = 0
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("dims", ["IYX", "TZCYX"])
def test_imagejs_way_beyond_4_gb(dims, tmp_path, monkeypatch):
    array = image(dims, pixel_size_um=0.1)
    monkeypatch.setattr(dlsim_ij.images.write, "CLASSIC_TIFF_BYTES", 100)
    write_image(tmp_path / "a.tif", array)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert not tiff.is_bigtiff
        assert len(tiff.pages) == 1, "one header, then all planes"
    back = read_image(tmp_path / "a.tif")
    xr.testing.assert_equal(back, array)
    with open(tmp_path / "a.tif", "r+b") as file:
        file.truncate((tmp_path / "a.tif").stat().st_size - 50)
    with pytest.raises(ValueError, match=r"damaged|truncated"):
        read_image(tmp_path / "a.tif")


def test_ome_beyond_4_gb_is_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(dlsim_ij.images.write, "CLASSIC_TIFF_BYTES", 100)
    array = image("TZCYX")
    write_image(tmp_path / "a.ome.tif", array)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert tiff.is_bigtiff
    xr.testing.assert_equal(read_image(tmp_path / "a.ome.tif"), array)


def test_a_sparse_stack_of_5_gb_is_read_without_memory(tmp_path):
    # ImageJ's form, written by hand: header of one plane, 20 planes of 256 MiB, all holes on disk
    planes, side = 20, 8192
    text = f"ImageJ=1.53t\nimages={planes}\nslices={planes}\n"
    tifffile.imwrite(
        tmp_path / "a.tif", shape=(1, side, side), dtype="<f4", data=None, description=text, metadata=None
    )  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[0].dataoffsets[0]
    end = offset + planes * side * side * 4
    assert end > 2**32
    with open(tmp_path / "a.tif", "r+b") as file:
        file.truncate(end)
        file.seek(end - 4)
        file.write(np.float32(42).tobytes())
    code = (
        "import sys; from dlsim_ij.images import read_image; a = read_image(sys.argv[1]);"
        "[peak] = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM:')];"
        "print(a.shape, float(a[-1, -1, -1]), peak)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.tif"], capture_output=True, text=True)
    *told, memory_kb = done.stdout.rsplit(maxsplit=1)
    assert told == ["(20, 8192, 8192) 42.0"], done.stderr
    assert int(memory_kb) < 400_000


def test_tifffiles_warnings_become_information(tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", image("YX").values, description="<OME broken", metadata=None)
    with caplog.at_level(logging.INFO):
        read_image(tmp_path / "a.tif")
    assert {record.name for record in caplog.records} <= {"dlsim_ij.images.tiff"}
    assert all(record.levelno <= logging.INFO for record in caplog.records)
