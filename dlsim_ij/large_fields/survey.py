"""One look at every pixel of a field before it is computed: levels, saturation, and where there is detail.

What is measured over all pixels in a field that fits (means of the frames, saturation, NaN) is measured over
all pixels here too. Percentiles are taken from pixels on a regular grid, at most 4 million: all of them up to
2048 x 2048.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.acquisition.brightness import brightness_gains
from dlsim_ij.datasets.inputs import FieldLevels
from dlsim_ij.datasets.normalise import (
    HIGH_PERCENT,
    LOW_PERCENT,
    SMOOTHING_PX,
    scaling_between,
    smoothed_mean,
)
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.large_fields.stacks import StackSource

CELL_PX = 256
_PART_PX = 512  # looked at in one go; a whole number of cells
_MARGIN_PX = ceil(4 * SMOOTHING_PX) + 2  # of the smoothing and the ring around hot pixels
_MOST_SAMPLES = 2**22
_DARKEST_PERCENT = 0.1  # as `estimate_offset`
_FIRST_LOOKS, _LOOK_PX = 8, 128  # patches along each side, and their side


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found out about a field.

    Attributes
    ----------
    levels : FieldLevels
        Of the frames that the network uses.
    means : (n_frames,) ndarray
        Of all frames, in counts.
    offset : float
        The darkest 0.1 % of all frames.
    saturated : float
        Share of pixels at the largest value, if that is the end of a camera's range.
    detail : (cells down, cells across) ndarray
        Fine structure of the mean frame, in counts, in cells of `CELL_PX`.
    """

    levels: FieldLevels
    means: NDArray[np.float64]
    offset: float
    saturated: float
    detail: NDArray[np.float64] = field(repr=False)


def survey_field(stacks: StackSource, number: int, used: list[int]) -> Survey:
    """Look at every pixel of one stack.

    Parameters
    ----------
    stacks : StackSource
    number : int
        Of the stack.
    used : list of int
        Frames that the network uses; of them the levels are taken.

    Raises
    ------
    ImageError
        NaN or infinite pixels, or no contrast.
    LayoutError
        A frame is constant, or two are identical.
    """
    look = _Look(stacks.n_frames, stacks.height, stacks.width, used)
    background = _first_background(stacks, number, used)
    for top in range(0, stacks.height, _PART_PX):
        for left in range(0, stacks.width, _PART_PX):
            rows = _with_margin(top, stacks.height)
            columns = _with_margin(left, stacks.width)
            part = stacks.read(number, rows, columns)
            look.add(part, rows, columns, top, left, background)
    return look.result(str(stacks.attributes.get("name")), stacks.dtype)


def _with_margin(start: int, side: int) -> slice:
    return slice(max(0, start - _MARGIN_PX), min(side, start + _PART_PX + _MARGIN_PX))


def _first_background(stacks: StackSource, number: int, used: list[int]) -> float:
    """Return the low level of the mean frame from some patches: hot pixels are told by it."""
    sides = stacks.height, stacks.width
    seen = []
    for y in _looks(sides[0]):
        for x in _looks(sides[1]):
            rows, columns = slice(y, min(sides[0], y + _LOOK_PX)), slice(x, min(sides[1], x + _LOOK_PX))
            seen.append(stacks.read(number, rows, columns, used).mean(axis=0, dtype=np.float64).ravel())
    return float(np.percentile(np.concatenate(seen), LOW_PERCENT))


def _looks(side: int) -> list[int]:
    """Return where patches begin: side by side in a small field, which they cover, apart in a large one."""
    count = min(_FIRST_LOOKS, -(-side // _LOOK_PX))
    step = max(_LOOK_PX, (side - _LOOK_PX) // max(1, count - 1))
    return [number * step for number in range(count)]


class _Look:
    """Sums over the parts of a field."""

    def __init__(self, n_frames: int, height: int, width: int, used: list[int]) -> None:
        self._used, self._n_pixels = used, height * width
        self._sums, self._squares = np.zeros(n_frames), np.zeros(n_frames)
        self._lowest, self._highest = np.full(n_frames, np.inf), np.full(n_frames, -np.inf)
        self._at_top, self._top = 0, -np.inf
        self._bad = 0
        self._checks: list[list[int]] = [[] for _ in range(n_frames)]
        self._step = max(1, ceil(sqrt(self._n_pixels / _MOST_SAMPLES)))
        self._frame_step = max(1, ceil(sqrt(self._n_pixels * n_frames / (4 * _MOST_SAMPLES))))
        self._smooth: list[NDArray[Any]] = []
        self._dark: list[NDArray[Any]] = []
        self.detail = np.zeros((ceil(height / CELL_PX), ceil(width / CELL_PX)))

    def add(
        self, part: NDArray[Any], rows: slice, columns: slice, top: int, left: int, background: float
    ) -> None:
        inner_y = slice(top - rows.start, min(top - rows.start + _PART_PX, part.shape[1]))
        inner_x = slice(left - columns.start, min(left - columns.start + _PART_PX, part.shape[2]))
        own = part[:, inner_y, inner_x]
        if part.dtype.kind == "f":
            self._bad += int((~np.isfinite(own)).sum())
        self._sums += own.sum(axis=(1, 2), dtype=np.float64)
        for number, frame in enumerate(own):
            flat = np.ascontiguousarray(frame)
            self._squares[number] += float(np.einsum("yx,yx->", flat, flat, dtype=np.float64))
            self._lowest[number] = min(self._lowest[number], float(flat.min()))
            self._highest[number] = max(self._highest[number], float(flat.max()))
            self._checks[number].append(zlib.crc32(flat.view(np.uint8).data))
        highest = float(own.max())
        if highest > self._top:
            self._top, self._at_top = highest, 0
        if highest == self._top:
            self._at_top += int((own == own.max()).sum())
        self._dark.append(own[:, (-top) % self._frame_step :: self._frame_step,
                              (-left) % self._frame_step :: self._frame_step].copy())  # fmt: skip
        mean = part[self._used].mean(axis=0, dtype=np.float64)
        smooth = smoothed_mean(mean, background)
        fine = np.abs(smooth - ndimage.uniform_filter(smooth, 9))[inner_y, inner_x]
        smooth = smooth[inner_y, inner_x]
        self._smooth.append(
            smooth[(-top) % self._step :: self._step, (-left) % self._step :: self._step].ravel()
        )
        for y in range(0, fine.shape[0], CELL_PX):
            for x in range(0, fine.shape[1], CELL_PX):
                cell = fine[y : y + CELL_PX, x : x + CELL_PX]
                self.detail[(top + y) // CELL_PX, (left + x) // CELL_PX] = float(cell.sum()) / CELL_PX**2

    def result(self, name: str, dtype: np.dtype[Any]) -> Survey:
        if self._bad:
            raise ImageError(
                f"{name} has {self._bad} NaN or infinite pixels",
                "replace them in ImageJ: Process > Noise > Remove NaNs",
            )
        self._refuse_unusable()
        means = self._sums / self._n_pixels
        dark = np.concatenate([part.reshape(len(part), -1) for part in self._dark], axis=1)
        used_dark = dark[self._used]
        offset = float(np.percentile(used_dark, _DARKEST_PERCENT))
        variance = np.maximum(self._squares / self._n_pixels - means**2, 0)[self._used]
        gains = brightness_gains(
            means[self._used] - np.float64(np.float32(offset)),
            float(np.sqrt(variance).mean()),
            self._n_pixels,
        )
        levels = np.percentile(np.concatenate(self._smooth), [LOW_PERCENT, HIGH_PERCENT])
        return Survey(
            levels=FieldLevels(
                offset=offset, gains=tuple(map(float, gains)), scaling=scaling_between(*map(float, levels))
            ),
            means=means,
            offset=float(np.percentile(dark, _DARKEST_PERCENT)),
            saturated=self._saturated(len(means)),
            detail=self.detail,
        )

    def _refuse_unusable(self) -> None:
        count = len(self._checks)
        for number in range(count):
            if self._lowest[number] == self._highest[number]:
                raise LayoutError(
                    f"frame {number + 1} of {count} is constant", "was the stack saved completely?"
                )
        seen: dict[tuple[int, ...], int] = {}
        for number, checks in enumerate(self._checks, start=1):
            first = seen.setdefault(tuple(checks), number)
            if first != number:
                raise LayoutError(
                    f"frames {first} and {number} are identical: no camera gives the same noise twice",
                    "was a frame copied? A raw stack has as many exposures as frames",
                )

    def _saturated(self, n_frames: int) -> float:
        from dlsim_ij.acquisition.checks import is_full_well

        size = self._n_pixels * n_frames
        return self._at_top / size if is_full_well(self._top, self._at_top, size) else 0.0
