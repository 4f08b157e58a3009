"""Drift of a time series, found by registration of short averages of its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.errors import ConfigError, ImageError
from dlsim_ij.quality.registration import best_shift, shift_image
from dlsim_ij.reconstruction.srrf_settings import check_count, check_number

Float64 = NDArray[np.float64]

_LONGEST_PX = 10.0
_LONGEST_OF_SIDE = 0.2


def estimate_drift(
    frames: Iterable[ArrayLike], *, group_frames: int = 20, max_drift_px: float | None = None
) -> Float64:
    """Find where the content of each frame lies, relative to the first.

    Groups of successive frames are averaged, so that blinking does not pass for motion. Every average is
    registered to the first one, then to the sum of all; the frames' positions are read from the lines between
    those of the groups.

    Parameters
    ----------
    frames : (n, Y, X) ndarray or iterable of (Y, X) array_like
        Read once, in order.
    group_frames : int
        Frames per average. More for dim or sparse blinking, fewer for fast drift.
    max_drift_px : float, optional
        Longest drift looked for, in raw pixels: 10, or a fifth of the shorter side, when not given.

    Returns
    -------
    (n, 2) float64 ndarray
        y and x in raw pixels; the first row is 0. For the option `drift` of `srrf` and `esrrf`.

    Raises
    ------
    ImageError
        There are fewer than two groups, or the frames cannot be registered.
    ConfigError
        The drift reaches `max_drift_px`.
    """
    check_count("frames per group", group_frames, 1, 100_000, usual=20)
    groups = list(_groups(frames, group_frames))
    if len(groups) < 2:
        raise ImageError(
            f"fewer than two groups of {group_frames} frames: no drift can be found",
            "give more frames, smaller groups, or no drift",
        )
    averages, counts = [group[0] for group in groups], np.array([group[1] for group in groups])
    if max_drift_px is None:
        max_drift_px = min(_LONGEST_PX, _LONGEST_OF_SIDE * min(averages[0].shape))
    check_number("longest drift", max_drift_px, 0.5, 1000, usual=10, unit="px")
    drift = _positions(averages[0], averages, max_drift_px)
    # all emitters have blinked in the sum of all groups: it resembles each more than the first group does
    aligned = [shift_image(average, *-moved) for average, moved in zip(averages, drift, strict=True)]
    drift = _positions(np.mean(aligned, axis=0), averages, max_drift_px)
    longest = float(np.hypot(*drift.T).max())
    if longest >= 0.99 * max_drift_px:
        raise ConfigError(
            f"the drift reaches {longest:.1f} px, the most that was looked for",
            "give a drift table, or allow more (max_drift_px)",
        )
    ends = np.cumsum(counts)
    path = _along_lines(np.arange(ends[-1]), ends - (counts + 1) / 2, drift)
    return path - path[0]


def drift_table(drift: ArrayLike | str | None, frames: Iterable[Any]) -> Float64 | None:
    """Return the option `drift` as a table, estimated when it is "auto".

    Raises
    ------
    ConfigError
        It is no table of finite (y, x), or "auto" for a stream that can be read only once.
    """
    if drift is None:
        return None
    if isinstance(drift, str):
        if drift != "auto":
            raise ConfigError(f"the drift '{drift}' is unknown", 'give "auto", None or a table')
        if isinstance(frames, Iterator):
            raise ConfigError(
                'drift="auto" passes through the frames twice, a generator gives them once',
                "give an array or list, or the table of estimate_drift",
            )
        return estimate_drift(frames)
    table = np.asarray(drift, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or not np.isfinite(table).all():
        raise ConfigError(
            f"a drift table of shape {table.shape} is not one finite (y, x) per frame", "give (n, 2) numbers"
        )
    return table


def _positions(reference: Float64, averages: list[Float64], max_drift_px: float) -> Float64:
    moves_back = [best_shift(reference, average, max_shift_px=max_drift_px) for average in averages]
    return -np.array(moves_back)


def _groups(frames: Iterable[ArrayLike], size: int) -> Iterator[tuple[Float64, int]]:
    """Yield average and number of frames; a rest of less than half a group joins the last one."""
    before: tuple[Float64, int] | None = None
    total, count = np.zeros(()), 0
    for one in frames:
        frame = np.asarray(one, dtype=np.float64)
        if frame.ndim != 2 or (count and frame.shape != total.shape):
            raise ImageError(
                f"a frame of shape {frame.shape} cannot be registered", "give frames of one size"
            )
        total, count = (total + frame, count + 1) if count else (frame, 1)
        if count == size:
            if before is not None:
                yield before
            before, count = (total / count, count), 0
    if count and before is not None and count < size / 2:
        n = before[1] + count
        before, count = ((before[0] * before[1] + total) / n, n), 0
    if before is not None:
        yield before
    if count:
        yield total / count, count


def _along_lines(numbers: NDArray[np.int_], centres: Float64, values: Float64) -> Float64:
    """Interpolate each column linearly; the first and last lines go on to the ends."""
    piece = np.clip(np.searchsorted(centres, numbers) - 1, 0, len(centres) - 2)
    slope = np.diff(values, axis=0) / np.diff(centres)[:, None]
    return values[piece] + slope[piece] * (numbers - centres[piece])[:, None]
