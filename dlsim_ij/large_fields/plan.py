"""What is streamed, and what it needs: decided from the header of a file, before a pixel is read."""

from __future__ import annotations

from math import prod
from pathlib import Path

from dlsim_ij.errors import ConfigError, DlsimError, ImageError
from dlsim_ij.images.frames import image_files
from dlsim_ij.images.regions import RegionSource
from dlsim_ij.images.zarr_image import is_zarr
from dlsim_ij.memory import free_main_bytes, size

# A field of more pixels is computed in blocks. The limit is a number and not what happens to be free, so that
# the same file has the same result on every machine.
WHOLE_FIELD_PIXELS = 2048 * 2048
SMALLEST_BLOCK_PX = 64
# Measured peaks of a field computed whole (benchmarks/large_field.py --whole), bytes: python and its
# libraries; the network, whose tiles are at most 1024 x 1024; per pixel of a frame, frames and filters.
LIBRARIES_BYTES = 400 * 2**20
NETWORK_BYTES_PER_PIXEL, LARGEST_TILE_PIXELS = 1200, 1024 * 1024
PREDICT_BYTES_PER_PIXEL = 250
RUN_BYTES_PER_PIXEL = 400
BLINKING_BYTES_PER_PIXEL = 500  # images of 25 pixels for one
# What needs less is tried: an estimate must not stand in the way of a stack of usual size.
ALWAYS_TRIED_BYTES = 2 * 2**30
PREDICT_STREAMS = "dlsim predict works through large fields and long series part by part"


def in_blocks(height: int, width: int, block_px: int | None) -> bool:
    """Tell whether a field is computed in blocks.

    Parameters
    ----------
    height, width : int
    block_px : int or None
        As the user gave it: 0 for never, None for fields of more than `WHOLE_FIELD_PIXELS`.

    Raises
    ------
    ConfigError
        Blocks are too small.
    """
    if block_px is not None and 0 < block_px < SMALLEST_BLOCK_PX:
        raise ConfigError(
            f"blocks of {block_px} px are hardly more than the margin around them",
            f"give at least --block-px {SMALLEST_BLOCK_PX}",
        )
    if block_px is None:
        return height * width > WHOLE_FIELD_PIXELS
    return block_px > 0 and max(height, width) > block_px


def is_large(path: Path, block_px: int | None) -> bool:
    """Tell from a file's header whether its field is computed in blocks; False where it cannot be told."""
    if block_px == 0 or (path.is_dir() and not is_zarr(path)):
        return False
    try:
        with RegionSource(path) as source:
            return in_blocks(source.height, source.width, block_px)
    except ImageError:
        return False  # what is wrong is told when the file's turn comes


def refuse_too_large(
    path: Path, *, bytes_per_pixel: int, frames_per_stack: int, outputs: int, hint: str = PREDICT_STREAMS
) -> None:
    """Refuse what would be computed whole and does not fit into memory.

    Parameters
    ----------
    path : Path
        A file, or a folder of frames.
    bytes_per_pixel : int
        What one stack needs beside the network, per pixel of a frame.
    frames_per_stack : int
    outputs : int
        Images that are kept of every stack.
    hint : str
        What to do instead.

    Raises
    ------
    DlsimError
    """
    free = free_main_bytes()
    shape = _shape(path)
    if free is None or shape is None:
        return
    n_frames, height, width = shape
    pixels = height * width
    kept = (max(1, n_frames // frames_per_stack) - 1) * outputs * 4 * 4 * pixels
    network = NETWORK_BYTES_PER_PIXEL * min(pixels, LARGEST_TILE_PIXELS)
    needed = LIBRARIES_BYTES + network + bytes_per_pixel * pixels + kept
    if needed > max(free, ALWAYS_TRIED_BYTES):
        raise DlsimError(
            f"{path}: {n_frames} frames of {height} x {width} pixels would need some {size(needed)} of "
            f"memory, {size(free)} are free",
            hint,
        )


def _shape(path: Path) -> tuple[int, int, int] | None:
    """Return planes, rows and columns; None where the header does not tell."""
    try:
        if path.is_dir() and not is_zarr(path):
            files = image_files(path)
            with RegionSource(files[0]) as source:
                return len(files), source.height, source.width
        with RegionSource(path) as source:
            return prod(source.outer.values()), source.height, source.width
    except (DlsimError, IndexError):
        return None  # whoever reads it says what is wrong
