"""TIFF files that cannot be used, and files that only bear its name."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

GREY = (np.arange(6 * 8).reshape(6, 8) * 40).astype(np.uint16)
STACK = np.stack([GREY + n * GREY.T.sum() % 97 for n in range(5)]).astype(np.uint16)


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


def missing(folder: Path) -> Path:
    return folder / "nowhere.tif"


def empty(folder: Path) -> Path:
    (folder / "empty.tif").touch()
    return folder / "empty.tif"


def text_called_tif(folder: Path) -> Path:
    (folder / "notes.tif").write_text("angle 1: 13.9 degrees\n")
    return folder / "notes.tif"


def web_page_called_tif(folder: Path) -> Path:
    (folder / "download.tif").write_text("<!DOCTYPE html><title>403 Forbidden</title>")
    return folder / "download.tif"


def jpeg_called_tif(folder: Path) -> Path:
    (folder / "photo.tif").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100))
    return folder / "photo.tif"


def png_called_tif(folder: Path) -> Path:
    (folder / "figure.tif").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return folder / "figure.tif"


def zeros_called_tif(folder: Path) -> Path:
    (folder / "zeros.tif").write_bytes(bytes(4096))
    return folder / "zeros.tif"


def truncated(folder: Path) -> Path:
    path = folder / "cell.tif"
    tifffile.imwrite(path, np.zeros((10, 64, 64), np.uint16), photometric="minisblack", imagej=True)
    os.truncate(path, path.stat().st_size - 4000)
    return path


def truncated_in_the_middle_page_of_many(folder: Path) -> Path:
    path = folder / "cell.tif"
    with tifffile.TiffWriter(path) as tiff:
        for plane in STACK:
            tiff.write(plane, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        end = tiff.pages[4].dataoffsets[0]
    os.truncate(path, end + 10)
    return path


def header_only(folder: Path) -> Path:
    (folder / "cell.tif").write_bytes(b"II*\0")
    return folder / "cell.tif"


def directory_beyond_the_end(folder: Path) -> Path:
    (folder / "cell.tif").write_bytes(b"II*\0" + struct.pack("<I", 10**6))
    return folder / "cell.tif"


def bytes_flipped_in_the_directory(folder: Path) -> Path:
    path = folder / "cell.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack")
    data = bytearray(path.read_bytes())
    data[8:40] = b"\xe5" * 32
    path.write_bytes(data)
    return path


def tags_missing(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", {256: (4, 8), 258: (3, 16)}, GREY.tobytes())


def no_pixel_offset(folder: Path) -> Path:
    tags = page_tags(8, 6)
    del tags[273], tags[279]
    return raw_tiff(folder / "cell.tif", tags, GREY.tobytes())


def zero_size(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(0, 0))


def a_million_by_a_million(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(10**6, 10**6, count=100, offset=8), bytes(200))


def a_million_by_a_million_compressed(folder: Path) -> Path:
    data = zlib.compress(bytes(1000))
    tags = page_tags(10**6, 10**6, compression=8, count=len(data), offset=122)
    return raw_tiff(folder / "bomb.tif", tags, data)


def directory_that_leads_to_itself(folder: Path) -> Path:
    path = raw_tiff(folder / "loop.tif", page_tags(8, 6, count=96, offset=122), GREY.tobytes())
    data = bytearray(path.read_bytes())
    data[8 + 2 + 9 * 12 : 8 + 2 + 9 * 12 + 4] = struct.pack("<I", 8)
    path.write_bytes(data)
    return path


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


def unsupported_compression(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(8, 6, compression=34712, count=96, offset=122), bytes(96))


def compressed_rubbish(folder: Path) -> Path:
    return raw_tiff(folder / "cell.tif", page_tags(8, 6, compression=8, count=96, offset=122), b"\x55" * 96)


def imagej_that_claims_more_planes(folder: Path) -> Path:
    text = "ImageJ=1.53t\nimages=1000000\nslices=1000000\n"
    tifffile.imwrite(folder / "cell.tif", GREY, description=text, metadata=None)
    return folder / "cell.tif"


def one_bit(folder: Path) -> Path:
    tifffile.imwrite(folder / "mask.tif", GREY > 100, photometric="minisblack")
    return folder / "mask.tif"


def palette(folder: Path) -> Path:
    colours = np.arange(3 * 256, dtype=np.uint16).reshape(3, 256)
    tifffile.imwrite(folder / "figure.tif", GREY.astype(np.uint8), photometric="palette", colormap=colours)
    return folder / "figure.tif"


def white_is_zero(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", GREY, photometric="miniswhite")
    return folder / "scan.tif"


def complex_pixels(folder: Path) -> Path:
    tifffile.imwrite(folder / "spectrum.tif", GREY.astype(np.complex64), photometric="minisblack")
    return folder / "spectrum.tif"


def two_images_in_one_file(folder: Path) -> Path:
    with tifffile.TiffWriter(folder / "cells.tif") as tiff:
        tiff.write(GREY, metadata=None)
        tiff.write(GREY[:4], metadata=None)
    return folder / "cells.tif"


def four_axes_without_names(folder: Path) -> Path:
    tifffile.imwrite(folder / "cell.tif", np.zeros((2, 3, 6, 8), np.uint16), photometric="minisblack")
    return folder / "cell.tif"


def pixels_not_square(folder: Path) -> Path:
    tifffile.imwrite(folder / "scan.tif", GREY, imagej=True, resolution=(10, 20), metadata={"unit": "um"})
    return folder / "scan.tif"


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


def link_to_itself(folder: Path) -> Path:
    (folder / "cell.tif").symlink_to(folder / "cell.tif")
    return folder / "cell.tif"


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "cell.tif")
    return folder / "cell.tif"


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        (missing, "does not exist"),
        (empty, "empty (0 bytes)"),
        (text_called_tif, "a text file"),
        (web_page_called_tif, "a web page"),
        (jpeg_called_tif, "a JPEG picture"),
        (png_called_tif, "a PNG picture"),
        (zeros_called_tif, "an image that can be read here (it starts with 00 00 00 00)"),
        (truncated, "it ends before its last page"),
        (truncated_in_the_middle_page_of_many, "truncated"),
        (header_only, "it ends before its last page"),
        (directory_beyond_the_end, "it ends before its last page"),
        (bytes_flipped_in_the_directory, "damaged TIFF"),
        (tags_missing, "no height, pixel position in it"),
        (no_pixel_offset, "no pixel position in it"),
        (zero_size, "an empty image of 0 x 0 pixels"),
        (a_million_by_a_million, "truncated"),
        (a_million_by_a_million_compressed, "truncated"),
        (directory_that_leads_to_itself, "invalid circular reference"),
        (directories_that_lead_to_each_other, "invalid circular reference"),
        (unsupported_compression, "compression that is not supported"),
        (compressed_rubbish, "damaged TIFF"),
        (imagej_that_claims_more_planes, "damaged TIFF"),
        (one_bit, "1-bit"),
        (palette, "palette colours"),
        (white_is_zero, "white as zero"),
        (complex_pixels, "complex"),
        (two_images_in_one_file, "2 images of different kinds"),
        (four_axes_without_names, "meaning of the axes of 2 x 3 x 6 x 8"),
        (pixels_not_square, "not square"),
        (ome_set_without_its_other_file, "other files of this OME-TIFF set are missing"),
        (link_to_itself, "leads to itself"),
        (a_pipe, "neither a file nor a folder"),
    ],
)
def test_one_clear_line(builder, words, check_unusable):
    check_unusable(builder, words)
