"""Taking back ImageJ's enlargement: from enlarged frames to the pixels that the camera saw.

Public SIM data are often enlarged twice before they are shared, and cut afterwards, so that the native
pixels may lie at any of ``scale x scale`` places relative to the first pixel of a frame. Geometry, per
axis, in pixels of the enlarged frames (the input grid)::

    native pixel i         lies at  offset_px + scale * i
    pixel j of an image that is k times finer than the native pixels, with half-pixel centres,
                           lies at  offset_px + scale * ((j + 0.5) / k - 0.5)

With ``scale = k = 2`` the second line is ``offset_px - 0.5 + j``; ``offset_px`` then is a half-integer
(-0.5 for the public microtubule frames, cut at an odd pixel; 0.5 for frames enlarged as a whole), so a
super-resolved image of twice the native size overlays the enlarged frames after a shift by whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dlsim_ij.errors import ImageError
from dlsim_ij.images.enlarged_axis import EnlargedAxis
from dlsim_ij.images.grid import resample_to_grid
from dlsim_ij.results import Result

Float64 = NDArray[np.float64]

# The search needs a part of the field only: some frames, some hundred pixels.
_SEARCH_FRAMES = 4
_SEARCH_PX = 256
# Rounding alone leaves 0.29 counts, 0.25 after the fit; truncation and dithering stay below this too.
_ROUNDING_COUNTS = 0.5
# Single precision leaves 1e-7 of the brightest pixel; sums and products on the way some more.
_ROUNDING_FLOAT = 1e-5
# The right place fits far better than any other (0.25 against 30 counts on the public frames), while on
# frames that were never enlarged, noise leaves the same misfit everywhere (ratios of 0.9 to 1).
_CLEARLY_BETTER = 1 / 3
_FEWEST_NATIVE_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlargement(Result):
    """Native pixels of enlarged frames, and where they lie.

    Attributes
    ----------
    was_enlarged : bool
        The frames are ImageJ's bicubic enlargement by the scale asked for. If not, the fields below
        describe the frames as they are: scale 1, offset 0.
    scale : int
        Input pixels per native pixel, along an axis.
    offset_px : (float, float)
        Input coordinate (y, x) of the centre of native pixel (0, 0).
    misfit_rms, misfit_max : float
        Difference between the frames and the native pixels enlarged again, in counts. 0 if not enlarged.
    search_misfit, next_misfit : float
        Root mean square misfit of the best and the second-best place; their ratio is the evidence.
    input_shape : (int, int)
        Height and width of the input frames.
    frames : (n, h, w) float32 ndarray
        The native pixels whose centres lie inside the input field (or on its very edge).
    candidates : (scale, scale) ndarray
        Misfit by place, (y, x).
    """

    was_enlarged: bool
    scale: int
    offset_px: tuple[float, float]
    misfit_rms: float
    misfit_max: float
    search_misfit: float
    next_misfit: float
    input_shape: tuple[int, int]
    frames: NDArray[np.float32] = field(repr=False, compare=False)
    candidates: Float64 = field(repr=False, compare=False)

    def to_input_grid(self, image: NDArray[Any]) -> NDArray[Any]:
        """Bring an image that covers the native pixels onto the grid of the input frames.

        Parameters
        ----------
        image : (k * h, k * w) ndarray
            Made from `frames` (h, w), k times finer, half-pixel centres: pixel j samples the native
            coordinate ``(j + 0.5) / k - 0.5``.

        Returns
        -------
        (Y, X) ndarray
            As large as the input frames, feature on feature.

        Raises
        ------
        ImageError
            The size is no multiple of the native frames'.
        """
        native = self.frames.shape[-2:]
        finer = image.shape[-1] // native[1]
        if image.ndim != 2 or finer < 1 or image.shape != (finer * native[0], finer * native[1]):
            raise ImageError(
                f"an image of {' x '.join(map(str, image.shape))} pixels does not cover "
                f"{native[0]} x {native[1]} native pixels a whole number of times",
                "give the image as it was made from these frames",
            )
        step = self.scale / finer
        first = self.offset_px[0] - self.scale / 2 + step / 2, self.offset_px[1] - self.scale / 2 + step / 2
        return resample_to_grid(image, image_origin_px=first, image_step_px=step, shape=self.input_shape)


def undo_enlargement(frames: NDArray[Any], scale: int = 2) -> Enlargement:
    """Find whether frames were enlarged by ImageJ's bicubic, and give the native pixels back.

    Parameters
    ----------
    frames : (n, Y, X) ndarray
        Enlarged as a whole or cut from something larger, all frames alike; integer or float.
    scale : int
        Enlargement to look for, 2 to 8.

    Returns
    -------
    Enlargement
        `was_enlarged` False, and the frames as they are, if they show no sign of it.

    Raises
    ------
    ImageError
        Not three axes, not finite, or a scale that cannot be sought.

    Notes
    -----
    The kernel and its places are known, so the enlargement is a linear map and native pixels follow by
    least squares. The decision looks at the frames alone: the misfit at one place must be what rounding
    leaves (0.5 counts RMS for whole numbers, 1e-5 of the largest value else), and a third or less of the
    misfit at any other place. Frames too smooth or too dark to show a difference are left as they are,
    and so are those that were changed after the enlargement (filtered, turned, clipped at zero).

    A native pixel centred on the very edge of the field (offset -0.5) keeps 8 % of the step to its unseen
    neighbour as an error; its inner neighbour 0.6 %.
    """
    frames = np.asarray(frames)
    _check(frames, scale)
    shape = frames.shape[1], frames.shape[2]
    candidates = _search(frames, scale)
    place = np.unravel_index(int(candidates.argmin()), candidates.shape)
    best, runner_up = np.sort(candidates, axis=None)[:2]
    if not (best <= _rounding(frames) and best < _CLEARLY_BETTER * runner_up):
        return Enlargement(
            was_enlarged=False, scale=1, offset_px=(0.0, 0.0), misfit_rms=0.0, misfit_max=0.0,
            search_misfit=float(best), next_misfit=float(runner_up), input_shape=shape,
            frames=frames.astype(np.float32), candidates=candidates,
        )  # fmt: skip
    rows, columns = _with_borders(frames, scale, int(place[0]), int(place[1]))
    native = np.empty((len(frames), rows.n_kept, columns.n_kept), np.float32)
    squares, largest = 0.0, 0.0
    for frame, kept in zip(frames, native, strict=True):
        fitted, misfit = _fit(frame, rows, columns)
        kept[...] = fitted[rows.kept, columns.kept]
        squares += float((misfit**2).mean())
        largest = max(largest, float(np.abs(misfit).max()))
    return Enlargement(
        was_enlarged=True, scale=scale, offset_px=(rows.offset_px, columns.offset_px),
        misfit_rms=(squares / len(frames)) ** 0.5, misfit_max=largest,
        search_misfit=float(best), next_misfit=float(runner_up), input_shape=shape,
        frames=native, candidates=candidates,
    )  # fmt: skip


def _check(frames: NDArray[Any], scale: int) -> None:
    if frames.ndim != 3 or frames.size == 0 or frames.dtype.kind not in "uif":
        raise ImageError(
            f"an array of shape {frames.shape} and type {frames.dtype} is no stack of frames",
            "give real numbers with the axes (frame, Y, X)",
        )
    if not 2 <= scale <= 8 or scale != int(scale):
        raise ImageError(f"an enlargement by {scale} cannot be taken back", "2 to 8 can be sought")
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise ImageError("the frames hold NaN or infinity", "replace those pixels before")


def _some_of(frames: NDArray[Any]) -> NDArray[Any]:
    """Return frames from all over the stack, few enough to search."""
    return frames[:: max(1, len(frames) // _SEARCH_FRAMES)][:_SEARCH_FRAMES]


def _rounding(frames: NDArray[Any]) -> float:
    """Return the root mean square error that storing the enlarged frames may have caused, in counts."""
    sample = _some_of(frames)
    if frames.dtype.kind in "ui" or (sample == np.rint(sample)).all():
        return _ROUNDING_COUNTS
    return _ROUNDING_FLOAT * float(np.abs(sample).max())


def _search(frames: NDArray[Any], scale: int) -> Float64:
    """Return the misfit of every place, from the middle of some frames."""
    spans = []
    for size in frames.shape[1:]:
        margin = 2 * scale  # ImageJ's bilinear border is ceil(1.25 * scale) wide
        usable = min(size - 2 * margin, _SEARCH_PX)
        if usable < _FEWEST_NATIVE_PX * scale:
            return np.full((scale, scale), np.inf)
        start = (size - usable) // 2 // scale * scale  # a multiple, so that places keep their numbers
        spans.append(slice(start, start + usable))
    sample = _some_of(frames)[:, spans[0], spans[1]].astype(np.float64)
    sample -= sample.mean(axis=(1, 2), keepdims=True)
    bases_y = [_basis(sample.shape[1], scale, place) for place in range(scale)]
    bases_x = [_basis(sample.shape[2], scale, place) for place in range(scale)]
    misfit = np.empty((scale, scale))
    for y, basis_y in enumerate(bases_y):
        along_y = basis_y @ (basis_y.T @ sample)
        for x, basis_x in enumerate(bases_x):
            misfit[y, x] = np.sqrt(np.mean((sample - (along_y @ basis_x) @ basis_x.T) ** 2))
    return misfit


@lru_cache(maxsize=32)
def _basis(size: int, scale: int, place: int) -> Float64:
    """Return an orthonormal basis of all lines of `size` pixels that were enlarged at this place."""
    u, strength, _ = np.linalg.svd(EnlargedAxis(size, scale, place).cubic.toarray(), full_matrices=False)
    basis: Float64 = u[:, strength > 1e-9 * strength[0]]
    return basis


def _fit(frame: NDArray[Any], rows: EnlargedAxis, columns: EnlargedAxis) -> tuple[Float64, Float64]:
    """Return native pixels (n_native of both axes) and the misfit (Y, X)."""
    level = float(frame.mean(dtype=np.float64))
    image = frame.astype(np.float64) - level
    native = np.zeros((rows.n_native, columns.n_native))
    _fit_borders(image, native, rows, columns)
    _fit_borders(image.T, native.T, columns, rows)
    inner = image[rows.inside, columns.inside] - _separable(rows.cubic, native, columns.cubic)
    along_y = rows.solve_cubic(inner)
    fitted = columns.solve_cubic(np.ascontiguousarray(along_y.T)).T
    native[np.ix_(~rows.known, ~columns.known)] = fitted
    again = np.empty_like(image)
    again[rows.inside, columns.inside] = _separable(rows.cubic, native, columns.cubic)
    for strip, _ in rows.strips:
        again[strip] = _separable(rows.linear[strip], native, columns.linear)
    for strip, _ in columns.strips:
        again[:, strip] = _separable(rows.linear, native, columns.linear[strip])
    return native + level, again - image


def _fit_borders(image: Float64, native: Float64, rows: EnlargedAxis, columns: EnlargedAxis) -> None:
    """Fit the two outermost native rows at each real end, where ImageJ interpolates linearly."""
    for strip, outer in rows.strips:
        if strip.stop > strip.start:
            along_x = columns.solve_linear(np.ascontiguousarray(image[strip].T)).T
            native[outer] = np.linalg.pinv(rows.linear[strip, outer].toarray()) @ along_x


def _separable(rows: sparse.csr_array, native: Float64, columns: sparse.csr_array) -> Float64:
    along_x = (columns @ np.ascontiguousarray(native.T)).T
    image: Float64 = rows @ np.ascontiguousarray(along_x)
    return image


def _with_borders(
    frames: NDArray[Any], scale: int, place_y: int, place_x: int
) -> tuple[EnlargedAxis, EnlargedAxis]:
    """Find at which of the four sides the frames were not cut, and return the axes."""
    height, width = frames.shape[1:]
    sample = _some_of(frames)

    def misfits(ends: Sequence[bool]) -> list[float]:
        """Return the misfit of the strip at each side: top, bottom, left, right."""
        rows = EnlargedAxis(height, scale, place_y, *ends[:2])
        columns = EnlargedAxis(width, scale, place_x, *ends[2:])
        border = ceil(1.25 * scale)
        total = np.mean([_fit(frame, rows, columns)[1] ** 2 for frame in sample], axis=0)
        middle_y, middle_x = slice(border, height - border), slice(border, width - border)
        strips = (
            total[:border, middle_x], total[-border:, middle_x],
            total[middle_y, :border], total[middle_y, -border:],
        )  # fmt: skip
        return [float(strip.mean()) for strip in strips]

    possible = (
        place_y == 0, (height - place_y) % scale == 0, place_x == 0, (width - place_x) % scale == 0
    )  # fmt: skip
    ends = [False] * 4
    if any(possible):
        pairs = zip(possible, misfits(possible), misfits(ends), strict=True)
        ends = [may and whole < cut for may, whole, cut in pairs]
    return EnlargedAxis(height, scale, place_y, *ends[:2]), EnlargedAxis(width, scale, place_x, *ends[2:])
