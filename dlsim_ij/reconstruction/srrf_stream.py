"""Frames in, one fluctuation image out, in the memory of a block of raw frames: blocks, tiles, threads.

| stage | axes | held |
|---|---|---|
| block | (frame, Y, X) raw | one, in the type of the file |
| windows of a tile | (frame, y, x) raw, with a margin | one per thread |
| radiality and intensity of a tile | (frame, m y, m x) | one per thread |
| sum over blocks | (m Y, m X) | one |

The enlarged frames never exist as a whole: 200 frames of 512 x 512 at magnification 5 would be 5.2 GB.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.reconstruction.srrf_interpolation import output_centres_px
from dlsim_ij.reconstruction.srrf_settings import check_count
from dlsim_ij.reconstruction.srrf_temporal import Projection
from dlsim_ij.torch_device import limited_threads

Tensor = torch.Tensor
Weights = tuple[Tensor, ...]
Progress = Callable[[int, int], None]

OFF_GRID_PX = 0.5  # what may remain of a drift after whole pixels

# Tensors of a tile should stay in a core's cache of 1 to 2 MB; a GPU wants all the work it can get.
_CPU_VALUES, _GPU_VALUES = 300_000, 50_000_000


class Kernel(Protocol):
    """What is computed of every frame by itself.

    Attributes
    ----------
    magnification : int
        Output pixels per raw pixel, along each axis.
    tile_px : int
        Side of a tile in raw pixels.
    reach_px : int
        Raw pixels needed around a tile.
    edge_px : float
        Output pixels whose centre lies closer to the edge of a frame would need pixels beyond it.
    values_per_frame : int
        Numbers held at a time per frame of a tile.
    """

    magnification: int
    tile_px: int
    reach_px: int
    edge_px: float
    values_per_frame: int

    def weights(self, offsets_px: NDArray[np.float64]) -> Weights:
        """Return the interpolation weights of frames that are (y, x) off the grid; first axis: frame."""

    def evaluate(self, windows: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
        """Return radiality and intensity, (frame, m y, m x), of (frame, y, x) windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How frames are passed through a kernel; see `srrf` for the meaning of each."""

    block: int
    shortest_block: int
    intensity_weighting: bool
    extend_edges: bool
    drift_px: NDArray[np.float64] | None
    device: torch.device
    threads: int
    progress: Progress | None


def fluctuation_image(
    frames: Iterable[Any], kernel: Kernel, projection: Projection, settings: StreamSettings
) -> NDArray[np.float32]:
    """Project the kernel's images of all frames, block by block; return the mean of the blocks.

    A block counts with its number of frames.

    Parameters
    ----------
    frames : iterable of (Y, X) array_like
        Read once, in order.
    kernel : Kernel
    projection : callable
        From `srrf_temporal`.
    settings : StreamSettings

    Returns
    -------
    (m Y, m X) float32 ndarray

    Raises
    ------
    ImageError
        There are too few frames, or one of them cannot be used.
    ConfigError
        The drift table does not fit the number of frames.
    """
    n_frames = len(frames) if isinstance(frames, Sized) else None  # of a stream, known at its end
    size = settings.block if n_frames is None else max(min(settings.block, n_frames), settings.shortest_block)
    total: NDArray[np.float32] | None = None
    done = 0
    for block in _blocks(frames, size, settings.shortest_block):
        height, width = block.shape[1:]
        if total is None:
            _check_size(height, width, kernel, settings)
            total = np.zeros((height * kernel.magnification, width * kernel.magnification), np.float32)
        drift = _drift_of_block(settings.drift_px, done, len(block))
        expected = n_frames if n_frames is not None else done + len(block)
        _add_block(total, block, drift, kernel, projection, settings, done, expected)
        done += len(block)
    if settings.drift_px is not None and len(settings.drift_px) != done:
        raise ConfigError(
            f"the drift table has {len(settings.drift_px)} rows for {done} frames",
            "give one (y, x) per frame",
        )
    assert total is not None
    total /= done
    if not settings.extend_edges:
        _blank_edges(total, kernel, settings.drift_px)
    return total


def _add_block(
    total: NDArray[np.float32],
    block: NDArray[Any],
    drift_px: NDArray[np.float64],
    kernel: Kernel,
    projection: Projection,
    settings: StreamSettings,
    done: int,
    expected: int,
) -> None:
    n, m, side, reach = len(block), kernel.magnification, kernel.tile_px, kernel.reach_px
    whole = np.rint(drift_px).astype(np.intp)
    fractions = drift_px - whole
    weights = kernel.weights(fractions if fractions.any() else fractions[:1])
    values = _GPU_VALUES if settings.device.type == "cuda" else _CPU_VALUES
    at_a_time = max(1, values // kernel.values_per_frame)
    scale = _power_of_two_above(block)

    def tile(corner: tuple[int, int]) -> None:
        y, x = corner
        windows = torch.from_numpy(_windows(block, y - reach, x - reach, side + 2 * reach, whole) / scale)
        windows = windows.to(settings.device)
        radiality = torch.empty((n, side * m, side * m), device=settings.device)
        intensity = torch.empty_like(radiality)
        with torch.inference_mode():
            for first in range(0, n, at_a_time):
                some = slice(first, first + at_a_time)
                own = tuple(w if len(w) == 1 else w[some] for w in weights)
                radiality[some], intensity[some] = kernel.evaluate(windows[some], own)
            intensity *= scale
            image = projection(radiality, intensity if settings.intensity_weighting else None)
        here = total[y * m : (y + side) * m, x * m : (x + side) * m]
        here += n * image[: here.shape[0], : here.shape[1]].cpu().numpy()

    corners = list(itertools.product(*(range(0, length, side) for length in block.shape[1:])))
    pool = ThreadPoolExecutor(1 if settings.device.type == "cuda" else settings.threads)
    with limited_threads(1):  # the tiles are what runs side by side
        try:
            for number, _ in enumerate(pool.map(tile, corners), start=1):
                if settings.progress is not None:
                    settings.progress(done + n * number // len(corners), expected)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, the other tiles are not begun


def _windows(
    block: NDArray[Any], first_row: int, first_column: int, side: int, moved: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Cut a square out of each frame where the drift has taken it; edges go on beyond the frame."""
    height, width = block.shape[1:]
    rows = np.clip(first_row + np.arange(side) + moved[:, :1], 0, height - 1)
    columns = np.clip(first_column + np.arange(side) + moved[:, 1:], 0, width - 1)
    frames = np.arange(len(block))
    return block[frames[:, None, None], rows[:, :, None], columns[:, None, :]].astype(np.float32)


def _power_of_two_above(block: NDArray[Any]) -> float:
    """Return a power of two, so that the pixels divided by it, without rounding, are at most 1."""
    peak = max(abs(float(block.max())), abs(float(block.min())))
    return float(2.0 ** np.ceil(np.log2(peak))) if peak > 0 else 1.0


def _blocks(frames: Iterable[Any], size: int, shortest: int) -> Iterator[NDArray[Any]]:
    """Cut the frames into blocks of `size`; a rest too short for a block of its own joins the last one."""
    stream = _checked(frames)
    begun = list(itertools.islice(stream, shortest))
    if not begun:
        raise ImageError("there is no frame", "give a stack of frames")
    if len(begun) < shortest:
        raise ImageError(
            f"{len(begun)} frame(s) are too few for this mode, it needs {shortest}",
            "give more, or use TRA or AVG",
        )
    while begun:
        block = np.empty((size, *begun[0].shape), begun[0].dtype)
        n = 0
        for frame in itertools.chain(begun, itertools.islice(stream, size - len(begun))):
            block[n] = frame
            n += 1
        begun = list(itertools.islice(stream, shortest))
        if len(begun) < shortest:
            yield np.concatenate([block[:n], *(frame[None] for frame in begun)]) if begun else block[:n]
            return
        yield block


def _checked(frames: Iterable[Any]) -> Iterator[NDArray[Any]]:
    first: NDArray[Any] | None = None
    for number, one in enumerate(frames, start=1):
        frame = np.asarray(one)
        if frame.ndim != 2:
            raise ImageError(
                f"frame {number} has {frame.ndim} axes, a frame has 2",
                "give frames as (frame, Y, X), one channel",
            )
        if frame.dtype.kind not in "buif":
            raise ImageError(f"frame {number} holds {frame.dtype} values", "give real numbers")
        if first is None:
            first = frame
        elif (frame.shape, frame.dtype) != (first.shape, first.dtype):
            raise ImageError(
                f"frame {number} is {_size(frame.shape)} {frame.dtype}, the first is "
                f"{_size(first.shape)} {first.dtype}",
                "give frames of one size and type",
            )
        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
            raise ImageError(
                f"frame {number} holds values that are no numbers",
                "replace NaN and infinity, or leave it out",
            )
        yield frame


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _drift_of_block(drift_px: NDArray[np.float64] | None, first: int, n: int) -> NDArray[np.float64]:
    if drift_px is None:
        return np.zeros((n, 2))
    if len(drift_px) < first + n:
        raise ConfigError(
            f"the drift table has {len(drift_px)} rows, frame {first + n} has none",
            "give one (y, x) per frame",
        )
    return drift_px[first : first + n]


def _usable(n_px: int, kernel: Kernel, drift_px: NDArray[np.float64] | None, axis: int) -> NDArray[np.bool_]:
    """Tell the output rows (or columns) that need no pixel beyond the edge of any frame."""
    lowest, highest = (0.0, 0.0) if drift_px is None else (drift_px[:, axis].min(), drift_px[:, axis].max())
    centres = output_centres_px(n_px, kernel.magnification)
    near = kernel.edge_px - 1e-9
    return (centres + lowest >= near) & (centres + highest <= n_px - near)


def _check_size(height: int, width: int, kernel: Kernel, settings: StreamSettings) -> None:
    usable = [_usable(side, kernel, settings.drift_px, axis) for axis, side in enumerate((height, width))]
    if not (usable[0].any() and usable[1].any()):
        raise ImageError(
            f"frames of {height} x {width} px are too small: nothing is left within {kernel.edge_px:.1f} px "
            "of the edges" + (", and of the drift" if settings.drift_px is not None else ""),
            "give larger frames or a smaller radius",
        )


def _blank_edges(image: NDArray[np.float32], kernel: Kernel, drift_px: NDArray[np.float64] | None) -> None:
    height, width = (side // kernel.magnification for side in image.shape)
    image[~_usable(height, kernel, drift_px, 0)] = 0
    image[:, ~_usable(width, kernel, drift_px, 1)] = 0


def choose_threads(count: int | None) -> int:
    """Return `count`, or as many threads as torch may use here."""
    if count is None:
        return torch.get_num_threads()
    check_count("threads", count, 1, 1024, usual=os.cpu_count() or 1)
    return count
