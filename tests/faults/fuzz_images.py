"""Readers of images."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from fuzz_mutations import mutate_bytes, mutate_text_bytes
from fuzz_target import (
    Target,
    a_stack,
    require,
    saved,
)


def _tiffs(folder: Path) -> list[bytes]:
    stack = a_stack()
    rgb = np.stack([stack[0] % 256] * 3, -1).astype(np.uint8)
    grey = {"axes": "ZYX", "unit": "um", "spacing": 0.2}
    tiled = {"tile": (16, 16), "compression": "zlib", "bigtiff": True}
    strips = {"compression": "zlib", "predictor": True, "rowsperstrip": 5, "byteorder": ">"}
    writers: list[Callable[[Path], object]] = [
        lambda p: tifffile.imwrite(p, stack),
        lambda p: tifffile.imwrite(p, stack, imagej=True, metadata=grey),
        lambda p: tifffile.imwrite(p, stack, ome=True, metadata={"axes": "TYX", "PhysicalSizeX": 0.06}),
        lambda p: tifffile.imwrite(p, stack.astype(np.float32), **tiled),
        lambda p: tifffile.imwrite(p, stack, **strips),
        lambda p: tifffile.imwrite(p, rgb, photometric="rgb"),
    ]
    return [saved(folder, write) for write in writers]


def _read_image(folder: Path, data: bytes, name: str, ratio: float) -> None:
    from dlsim_ij.images import read_image

    path = folder / name
    path.write_bytes(data)
    image = read_image(path)
    values = image.values  # all of it, as a verb would read it
    require(values.size > 0, "an image without pixels")
    # no pixel comes from nowhere: deflate packs 1032 bytes into one, the others none
    require(values.nbytes <= ratio * len(data) + 64, f"{values.nbytes} bytes out of a file of {len(data)}")
    for key in ("pixel_size_um", "z_step_um", "frame_interval_s"):
        size = image.attrs.get(key)
        require(size is None or (math.isfinite(size) and size > 0), f"{key} {size}")


def _feed_tiff(folder: Path, data: bytes, good: bytes) -> None:
    _read_image(folder, data, "x.tif", 1032)


def _feed_numpy(folder: Path, data: bytes, good: bytes) -> None:
    _read_image(folder, data, "x.npy", 1)


def _numpy_files(folder: Path) -> list[bytes]:
    stack = a_stack()
    arrays = [stack, stack[0].astype(np.float32), np.asfortranarray(stack), stack.astype(">u2")]
    return [saved(folder, lambda p, a=array: np.save(p, a), "x.npy") for array in arrays]


def _ome_texts(folder: Path) -> list[bytes]:
    data = saved(
        folder,
        lambda p: tifffile.imwrite(
            p, a_stack().reshape(3, 5, 24, 32), ome=True,
            metadata={"axes": "TZYX", "PhysicalSizeX": 0.06, "PhysicalSizeY": 0.06, "PhysicalSizeZ": 0.2,
                      "TimeIncrement": 0.5, "Name": "cell"},
        ),
    )  # fmt: skip
    path = folder / "ome.tif"
    path.write_bytes(data)
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata
    path.unlink()
    return [text.encode()]


def _feed_description(folder: Path, data: bytes, good: bytes) -> None:
    path = folder / "x.tif"
    tifffile.imwrite(path, a_stack(), description=data.replace(b"\0", b" "), metadata=None)
    _read_image(folder, path.read_bytes(), "x.tif", 1)


def _imagej_texts(folder: Path) -> list[bytes]:
    return [
        b"ImageJ=1.53t\nimages=15\nchannels=1\nslices=3\nframes=5\nhyperstack=true\nmode=grayscale\n"
        b"unit=micron\nspacing=0.2\nfinterval=0.5\nmin=0.0\nmax=300.0\nloop=false\n",
        b"ImageJ=1.53t\nimages=15\nunit=\\u00B5m\nvunit=pixel\ncf=1\nc0=0.5\nc1=2.0\n",
    ]


TARGETS = [
    Target("TIFF files", _tiffs, mutate_bytes, _feed_tiff),
    Target("OME-XML of a TIFF", _ome_texts, mutate_text_bytes, _feed_description),
    Target("ImageJ's notes of a TIFF", _imagej_texts, mutate_text_bytes, _feed_description),
    Target("npy files", _numpy_files, mutate_bytes, _feed_numpy),
]
