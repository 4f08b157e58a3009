"""Files and arrays that cannot be used: each is refused in one clear line, with advice, and nothing else."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import xarray as xr

from dlsim_ij.errors import DlsimError, ImageError, LayoutError, OutputError
from dlsim_ij.images import (
    bicubic_enlarge,
    expand_inputs,
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
Builder = Callable[[Path], Path]
BUILDERS: dict[str, tuple[Builder, str]] = {}


def unusable(words: str) -> Callable[[Builder], Builder]:
    """Register the builder of a file; `words` must stand in the message."""

    def register(builder: Builder) -> Builder:
        BUILDERS[builder.__name__] = (builder, words)
        return builder

    return register


def raw_tiff(path: Path, tags: dict[int, tuple[int, int]], data: bytes = b"") -> Path:
    """Write a TIFF of one page by hand: tag number to (type, value), values of 4 bytes."""
    entries = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<I" if kind == 4 else "<Hxx", value)
        for tag, (kind, value) in sorted(tags.items())
    )
    ifd = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + ifd + data)
    return path


def page_tags(width: int, height: int, *, compression: int = 1, count: int = 0, offset: int = 0):
    return {
        256: (4, width), 257: (4, height), 258: (3, 16), 259: (3, compression), 262: (3, 1),
        273: (4, offset), 277: (3, 1), 278: (4, height), 279: (4, count),
    }  # fmt: skip


def frames_folder(folder: Path, names: list[str], images: list[np.ndarray] | None = None) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(3)
    for i, name in enumerate(names):
        image = rng.integers(0, 4000, (6, 8)).astype(np.uint16) if images is None else images[i]
        tifffile.imwrite(folder / name, image)
    return folder


# ---- files -------------------------------------------------------------------------------------------------


@unusable("does not exist")
def missing(folder: Path) -> Path:
    return folder / "nowhere.tif"


@unusable("empty (0 bytes)")
def empty(folder: Path) -> Path:
    (folder / "empty.tif").touch()
    return folder / "empty.tif"


@unusable("a text file")
def text_called_tif(folder: Path) -> Path:
    (folder / "notes.tif").write_text("angle 1: 13.9 degrees\n")
    return folder / "notes.tif"


@unusable("a web page")
def web_page_called_tif(folder: Path) -> Path:
    (folder / "download.tif").write_text("<!DOCTYPE html><title>403 Forbidden</title>")
    return folder / "download.tif"


@unusable("a JPEG picture")
def jpeg_called_tif(folder: Path) -> Path:
    (folder / "photo.tif").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100))
    return folder / "photo.tif"


@unusable("a PNG picture")
def png_called_tif(folder: Path) -> Path:
    (folder / "figure.tif").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return folder / "figure.tif"


@unusable("an image that can be read here (it starts with 00 00 00 00)")
def zeros_called_tif(folder: Path) -> Path:
    (folder / "zeros.tif").write_bytes(bytes(4096))
    return folder / "zeros.tif"


@unusable("it ends before its last page")
def truncated(folder: Path) -> Path:
    path = folder / "cell.tif"
    tifffile.imwrite(path, np.zeros((10, 64, 64), np.uint16), photometric="minisblack", imagej=True)
    os.truncate(path, path.stat().st_size - 4000)
    return path


@unusable("truncated")
def truncated_in_the_middle_page_of_many(folder: Path) -> Path:
    path = folder / "cell.tif"
    with tifffile.TiffWriter(path) as tiff:
        for plane in STACK:
            tiff.write(plane, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[4].dataoffsets[0]
    os.truncate(path, end + 10)
    return path


@unusable("it ends before its last page")
def header_only(folder: Path) -> Path:
    (folder / "cell.tif").write_bytes(b"II*\0")
    return folder / "cell.tif"


@unusable("it ends before its last page")
def directory_beyond_the_end(folder: Path) -> Path:
    (folder / "cell.tif").write_bytes(b"II*\0" + struct.pack("<I", 10**6))
    return folder / "cell.tif"


@unusable("damaged TIFF")
def bytes_flipped_in_the_directory(folder: Path) -> Path:
    path = folder / "cell.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack")
    data = bytearray(path.read_bytes())
    data[8:40] = b"\xe5" * 32
    path.write_bytes(data)
    return path


@unusable("no height, pixel position in it")
def tags_missing(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", {256: (4, 8), 258: (3, 16)}, GREY.tobytes())


@unusable("no pixel position in it")
def no_pixel_offset(folder: Path) -> Path:
    tags = page_tags(8, 6)
    del tags[273], tags[279]
    return raw_tiff(folder / "cell.tif", tags, GREY.tobytes())


@unusable("an empty image of 0 x 0 pixels")
def zero_size(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(0, 0))


@unusable("truncated")
def a_million_by_a_million(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(10**6, 10**6, count=100, offset=8), bytes(200))


@unusable("truncated")
def a_million_by_a_million_compressed(folder: Path) -> Path:
    data = zlib.compress(bytes(1000))
    tags = page_tags(10**6, 10**6, compression=8, count=len(data), offset=122)
    return raw_tiff(folder / "bomb.tif", tags, data)


@unusable("invalid circular reference")
def directory_that_leads_to_itself(folder: Path) -> Path:
    path = raw_tiff(folder / "loop.tif", page_tags(8, 6, count=96, offset=122), GREY.tobytes())
    data = bytearray(path.read_bytes())
    data[8 + 2 + 9 * 12 : 8 + 2 + 9 * 12 + 4] = struct.pack("<I", 8)
    path.write_bytes(data)
    return path


@unusable("invalid circular reference")
def directories_that_lead_to_each_other(folder: Path) -> Path:
    path = folder / "loop.tif"
    with tifffile.TiffWriter(path) as tiff:
        for plane in STACK:
            tiff.write(plane, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.offset for page in tiff.pages]
        n_tags = len(tiff.pages[-1].tags)
    data = bytearray(path.read_bytes())
    end = offsets[-1] + 2 + n_tags * 12
    data[end : end + 4] = struct.pack("<I", offsets[1])
    path.write_bytes(data)
    return path


@unusable("compression that is not supported")
def unsupported_compression(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(8, 6, compression=34712, count=96, offset=122), bytes(96))


@unusable("damaged TIFF")
def compressed_rubbish(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(8, 6, compression=8, count=96, offset=122), b"\x55" * 96)


@unusable("damaged TIFF")
def imagej_that_claims_more_planes(folder: Path) -> Path:
    text = "ImageJ=1.53t\nimages=1000000\nslices=1000000\n"
    tifffile.imwrite(folder / "cell.tif", GREY, description=text, metadata=None)
    return folder / "cell.tif"


@unusable("1-bit")
def one_bit(folder: Path) -> Path:
    tifffile.imwrite(folder / "mask.tif", GREY > 100, photometric="minisblack")
    return folder / "mask.tif"


@unusable("palette colours")
def palette(folder: Path) -> Path:
    colours = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256)
    tifffile.imwrite(folder / "figure.tif", GREY.astype(np.uint8), photometric="palette", colormap=colours)
    return folder / "figure.tif"


@unusable("white as zero")
def white_is_zero(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", GREY, photometric="miniswhite")
    return folder / "scan.tif"


@unusable("complex")
def complex_pixels(folder: Path) -> Path:
    tifffile.imwrite(folder / "spectrum.tif", GREY.astype(np.complex64), photometric="minisblack")
    return folder / "spectrum.tif"


@unusable("2 images of different kinds")
def two_images_in_one_file(folder: Path) -> Path:
    with tifffile.TiffWriter(folder / "cells.tif") as tiff:
        tiff.write(GREY, metadata=None)
        tiff.write(GREY[:4], metadata=None)
    return folder / "cells.tif"


@unusable("meaning of the axes of 2 x 3 x 6 x 8")
def four_axes_without_names(folder: Path) -> Path:
    tifffile.imwrite(folder / "cell.tif", np.zeros((2, 3, 6, 8), np.uint16), photometric="minisblack")
    return folder / "cell.tif"


@unusable("not square")
def pixels_not_square(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", GREY, imagej=True, resolution=(10, 20), metadata={"unit": "um"})
    return folder / "scan.tif"


@unusable("other files of this OME-TIFF set are missing")
def ome_set_without_its_other_file(folder: Path) -> Path:
    xml = tifffile.OmeXml()
    xml.addimage("uint16", (2, 6, 8), (2, 1, 1, 6, 8, 1), axes="ZYX")
    parts = "".join(
        f'<TiffData FirstZ="{z}" IFD="0"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate(("cell.ome.tif", "other.ome.tif"))
    )
    text = xml.tostring().replace('<TiffData IFD="0" PlaneCount="2"/>', parts)
    assert "other.ome.tif" in text
    tifffile.imwrite(folder / "cell.ome.tif", GREY, description=text.encode(), metadata=None)
    return folder / "cell.ome.tif"


@unusable("a numpy file with another name")
def npy_called_tif(folder: Path) -> Path:
    with open(folder / "cell.tif", "wb") as file:
        np.save(file, GREY)
    return folder / "cell.tif"


@unusable("a TIFF with the name of a numpy file")
def tif_called_npy(folder: Path) -> Path:
    tifffile.imwrite(folder / "cell.tif", GREY)
    return (folder / "cell.tif").rename(folder / "cell.npy")


@unusable("Python objects")
def npy_of_objects(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.array([GREY, None], dtype=object), allow_pickle=True)
    return folder / "cell.npy"


@unusable("damaged numpy file")
def npy_truncated(folder: Path) -> Path:
    np.save(folder / "cell.npy", GREY)
    os.truncate(folder / "cell.npy", 150)
    return folder / "cell.npy"


@unusable("damaged numpy file")
def npy_header_damaged(folder: Path) -> Path:
    np.save(folder / "cell.npy", GREY)
    data = bytearray((folder / "cell.npy").read_bytes())
    data[10:40] = b"(" * 30
    (folder / "cell.npy").write_bytes(data)
    return folder / "cell.npy"


@unusable("damaged numpy file")
def npy_that_claims_a_petabyte(folder: Path) -> Path:
    with open(folder / "cell.npy", "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**8, 10**6)}
        np.lib.format.write_array_header_1_0(file, header)
    return folder / "cell.npy"


@unusable("ZIP archive")
def npz(folder: Path) -> Path:
    np.savez(folder / "cell.npz", image=GREY)
    return folder / "cell.npz"


@unusable("<U3 values")
def npy_of_words(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.array([["one", "two"]]))
    return folder / "cell.npy"


@unusable("empty array")
def npy_empty(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((0, 5, 5)))
    return folder / "cell.npy"


@unusable("4 axes")
def npy_of_four_axes(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((2, 3, 6, 8)))
    return folder / "cell.npy"


@unusable("frames along the last axis")
def npy_with_frames_last(folder: Path) -> Path:
    np.save(folder / "cell.npy", np.zeros((64, 64, 15)))
    return folder / "cell.npy"


@unusable("leads to itself")
def link_to_itself(folder: Path) -> Path:
    (folder / "cell.tif").symlink_to(folder / "cell.tif")
    return folder / "cell.tif"


@unusable("neither a file nor a folder")
def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "cell.tif")
    return folder / "cell.tif"


# ---- folders -----------------------------------------------------------------------------------------------


@unusable("holds no images")
def folder_empty(folder: Path) -> Path:
    (folder / "cell").mkdir()
    return folder / "cell"


@unusable("holds no images")
def folder_of_other_files(folder: Path) -> Path:
    (folder / "cell").mkdir()
    (folder / "cell" / "notes.txt").write_text("nothing")
    return folder / "cell"


@unusable("mixes frames called 'HE_', 'LE_'")
def folder_of_two_series(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "LE_00.tif", "LE_01.tif"])


@unusable("'overview.tif' has no frame number")
def folder_with_an_odd_name(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "overview.tif"])


@unusable("of the frames 0 to 6, 2 missing (3, 5)")
def folder_with_gaps(folder: Path) -> Path:
    return frames_folder(folder / "cell", [f"HE_0{n}.tif" for n in (0, 1, 2, 4, 6)])


@unusable("frame 1 2 times: HE_01.tif, HE_1.tif")
def folder_with_a_number_twice(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "HE_1.tif"])


@unusable("HE_01.tif has 5 x 8 pixels, HE_00.tif has 6 x 8")
def folder_of_mixed_sizes(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, GREY[:5]])


@unusable("HE_01.tif holds uint8, HE_00.tif holds uint16")
def folder_of_mixed_types(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, GREY.astype(np.uint8)])


@unusable("is a stack (5 x 6 x 8) among single frames")
def folder_with_a_stack(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [GREY, STACK])


@unusable("is a colour picture among")
def folder_with_colour_frames(folder: Path) -> Path:
    return frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif"], [np.zeros((6, 8, 3), np.uint8)] * 2)


@unusable("HE_15.tif is not the mean of the 15 before it")
def folder_whose_sixteenth_is_a_frame(folder: Path) -> Path:
    return frames_folder(folder / "cell", [f"HE_{n:02}.tif" for n in range(16)])


@unusable("HE_15.tif is close to the mean of the other frames, but not equal")
def folder_whose_first_frame_is_missing(folder: Path) -> Path:
    rng = np.random.default_rng(5)
    frames = list(rng.integers(0, 4000, (15, 6, 8)).astype(np.uint16))
    frames.append(np.mean(frames, axis=0).astype(np.uint16))
    return frames_folder(folder / "cell", [f"HE_{n:02}.tif" for n in range(1, 16)], frames[1:])


@unusable("HE_02.tif is empty (0 bytes)")
def folder_with_a_damaged_frame(folder: Path) -> Path:
    cell = frames_folder(folder / "cell", ["HE_00.tif", "HE_01.tif", "HE_02.tif"])
    (cell / "HE_02.tif").write_bytes(b"")
    return cell


def check_refusal(error: DlsimError, words: str, folder: Path | str = "/nowhere") -> None:
    assert words in error.message.replace(str(folder), "")  # the folder's name tells what is tested
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert error.hint
    assert "\n" not in error.hint
    for leak in ("Traceback", "<tifffile", "TiffPage", "0x7f", "Errno"):
        assert leak not in str(error)


@pytest.mark.parametrize("name", BUILDERS)
def test_one_clear_line(name, tmp_path, capfd, caplog):
    builder, words = BUILDERS[name]
    path = builder(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ImageError) as caught:
        read_image(path)
    check_refusal(caught.value, words, tmp_path)
    assert str(tmp_path) in caught.value.message, "the message names the file"
    assert capfd.readouterr() == ("", ""), "nothing but the error"
    assert not [record for record in caplog.records if record.name.startswith("tifffile")]
    assert sorted(tmp_path.rglob("*")) == before


def test_there_are_more_than_25_kinds():
    assert len(BUILDERS) >= 25


@pytest.mark.parametrize("what", ["file", "folder"])
def test_without_permission(what, tmp_path, monkeypatch):
    # root may read everything, so the refusal of the system is played
    cell = frames_folder(tmp_path / "cell", ["HE_00.tif", "HE_01.tif"])

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    if what == "folder":
        monkeypatch.setattr(Path, "iterdir", refuse)
        path = cell
    else:
        monkeypatch.setattr("builtins.open", refuse)
        path = cell / "HE_00.tif"
    with pytest.raises(ImageError, match=r"may not be (read|listed)") as caught:
        read_image(path)
    monkeypatch.undo()
    check_refusal(caught.value, str(path))


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
def test_axes_that_do_not_fit(axes, words, tmp_path):
    tifffile.imwrite(tmp_path / "cell.tif", STACK, photometric="minisblack")
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "cell.tif", axes=axes)
    check_refusal(caught.value, words)


# ---- arrays ------------------------------------------------------------------------------------------------


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
def test_arrays_of_the_wrong_kind(require, image, words):
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
def test_calls_that_make_no_sense(call, words):
    with pytest.raises(ImageError) as caught:
        call()
    check_refusal(caught.value, words)


# ---- writing -----------------------------------------------------------------------------------------------


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
def test_what_cannot_be_written(name, array, options, words, tmp_path):
    (tmp_path / "there.tif").write_text("mine")
    with pytest.raises((ImageError, OutputError)) as caught:
        write_image(tmp_path / name, array, **options)
    check_refusal(caught.value, words)
    assert [path.name for path in tmp_path.rglob("*")] == ["there.tif"], "nothing half written"
    assert (tmp_path / "there.tif").read_text() == "mine"


# ---- lists of inputs ---------------------------------------------------------------------------------------


def test_two_inputs_with_the_same_outputs(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "cell.tif", GREY)
    with pytest.raises(ImageError) as caught:
        expand_inputs([tmp_path / "a" / "cell.tif", tmp_path / "b" / "cell.tif"])
    check_refusal(caught.value, "same outputs, 'cell'")


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_inputs_that_are_none(kind, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError) as caught:
        expand_inputs([tmp_path / kind])
    check_refusal(caught.value, str(tmp_path / kind))


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_folders_that_link_back_are_walked_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "a" / "cell.tif", GREY)
    tifffile.imwrite(tmp_path / "a" / "b" / "other.tif", GREY)
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a")
    found = expand_inputs([tmp_path / "a"])
    assert [(str(one.subfolder), one.name) for one in found] == [(".", "cell"), ("b", "other")]
