"""The sub-pixel shift between two images of one field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.quality.inputs import FloatImage, check_image, check_pair

MAX_SHIFT_PX = 2.0
MIN_SIDE_PX = 16  # below it the search would leave too few pixels to compare
_MOST_STEPS = 12  # of a quarter of a pixel: across the whole range and back
_PAD_PX = 16  # mirrored border: the image has no jump where the Fourier transform wraps round


def best_shift(
    truth: ArrayLike, image: ArrayLike, *, max_shift_px: float = MAX_SHIFT_PX
) -> tuple[float, float]:
    """Find the shift that brings `image` closest to `truth` after a gain and offset.

    Maximises the correlation coefficient, which is to maximise PSNR after the least-squares fit. The peak of
    the cross-correlation on a grid of 1/4 px gives the start, so that a periodic structure cannot mislead a
    descent; two quadratic fits to the exact coefficient refine it to about 0.001 px.
    The search looks only at pixels that stay inside both images at every shift that it tries.

    Parameters
    ----------
    truth, image : (Y, X) array_like
        Same shape, at least 16 x 16, finite, not constant.
    max_shift_px : float
        Longest shift that is returned; where the best one lies beyond, its direction is kept.

    Returns
    -------
    shift_y_px, shift_x_px : float
        The way `image` has to move, for :func:`shift_image`.

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.
    """
    margin = int(np.ceil(max_shift_px)) + 1  # the quadratic fits look a little beyond the longest shift
    checked_truth, checked_image = check_pair(truth, image, max(MIN_SIDE_PX, 4 * margin))
    inside = (slice(margin, -margin), slice(margin, -margin))
    target = checked_truth[inside] - checked_truth[inside].mean()
    target_norm = np.linalg.norm(target)
    if target_norm == 0:  # all the structure of the truth lies on its border
        return 0.0, 0.0
    target /= target_norm
    moving = _Shiftable.of(checked_image - checked_image.mean())

    def correlation(shift: NDArray[np.float64]) -> float:
        moved = moving.shifted(shift[0], shift[1])[inside]
        moved = moved - moved.mean()
        norm = np.linalg.norm(moved)
        return float(np.vdot(target, moved) / norm) if norm else -1.0

    shift = _peak_of_cross_correlation(moving, target, margin, max_shift_px)
    for step in (0.25, 0.05):
        offsets = step * np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), axis=-1).reshape(-1, 2)
        # the cross-correlation knows no norms, so where the border is bright its peak is only near the best
        for _ in range(_MOST_STEPS):
            values = [correlation(shift + offset) for offset in offsets]
            peak = _quadratic_peak(offsets, np.array(values), step)
            values.append(correlation(shift + peak))
            move = np.vstack([offsets, peak])[int(np.argmax(values))]
            shift = shift + move
            if np.abs(move).max() < step or np.abs(shift).max() > max_shift_px:
                break
    shift = _limit(shift, max_shift_px)
    return float(shift[0]), float(shift[1])


def shift_image(image: ArrayLike, shift_y_px: float, shift_x_px: float) -> FloatImage:
    """Move an image by a fraction of a pixel, by the phase of its Fourier transform.

    The border is mirrored first, so that no edge wraps round. What moves in from outside is that mirror
    image and no data; :func:`covered` names the pixels that are data.

    Parameters
    ----------
    image : (Y, X) array_like
    shift_y_px, shift_x_px : float
        Positive values move the content down and to the right.

    Returns
    -------
    (Y, X) ndarray of float64

    Raises
    ------
    ImageError
        The image cannot be measured.
    """
    return _Shiftable.of(check_image(image)).shifted(shift_y_px, shift_x_px)


def covered(shape: tuple[int, ...], shift_y_px: float, shift_x_px: float) -> tuple[slice, slice]:
    """Return the part of a shifted image that holds data and not the mirrored border.

    A border pixel of which at most 5 % came in from outside still counts as data: a shift of 0.001 px must
    not cost a whole row.

    Examples
    --------
    >>> covered((10, 10), 0.0, -0.7)
    (slice(0, 10, None), slice(0, 9, None))
    """

    def span(length: int, shift: float) -> slice:
        return slice(int(np.ceil(max(shift - 0.05, 0))), length - int(np.ceil(max(-shift - 0.05, 0))))

    return span(shape[0], shift_y_px), span(shape[1], shift_x_px)


@dataclass(frozen=True)
class _Shiftable:
    """An image whose transform is computed once."""

    spectrum: NDArray[np.complex128]  # (padded Y, padded X // 2 + 1)
    padded: tuple[int, int]
    start: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def of(cls, image: FloatImage) -> _Shiftable:
        height, width = image.shape
        padded = (_padded_length(height), _padded_length(width))
        start = ((padded[0] - height) // 2, (padded[1] - width) // 2)
        widths = [(s, p - n - s) for s, p, n in zip(start, padded, image.shape, strict=True)]
        spectrum = scipy.fft.rfft2(np.pad(image, widths, mode="symmetric"))
        return cls(spectrum, padded, start, (height, width))

    def shifted(self, shift_y_px: float, shift_x_px: float) -> FloatImage:
        phase_y = _phases(scipy.fft.fftfreq(self.padded[0]), np.array([shift_y_px]))[0]
        phase_x = _phases(scipy.fft.rfftfreq(self.padded[1]), np.array([shift_x_px]))[0]
        moved = scipy.fft.irfft2(self.spectrum * phase_y[:, None] * phase_x, s=self.padded, overwrite_x=True)
        (top, left), (height, width) = self.start, self.shape
        return np.asarray(moved[top : top + height, left : left + width])


def _padded_length(length: int) -> int:
    """Return a length that is fast to transform and leaves the same border on both sides."""
    padded = length + 2 * _PAD_PX
    while (padded - length) % 2 or scipy.fft.next_fast_len(padded) != padded:
        padded += 1
    return padded


def _phases(frequencies: NDArray[np.float64], shifts_px: NDArray[np.float64]) -> NDArray[np.complex128]:
    phases: NDArray[np.complex128] = np.exp(-2j * np.pi * np.outer(shifts_px, frequencies))
    nyquist = np.abs(frequencies) == 0.5  # has no sign, so its phase has to be real
    phases[:, nyquist] = phases[:, nyquist].real
    return phases


def _peak_of_cross_correlation(
    moving: _Shiftable, target: FloatImage, margin: int, max_shift_px: float
) -> NDArray[np.float64]:
    """Return the best shift of a 1/4 px grid; of equal ones, as a grating has them, the shortest."""
    count = int(np.floor(4 * max_shift_px))
    shifts = np.arange(-count, count + 1) / 4
    surface = cross_correlation(moving, target, margin, shifts)
    length = np.hypot(shifts[:, None], shifts)
    highest = surface[length <= max_shift_px].max()
    as_good = surface >= highest - 1e-6 * abs(
        highest
    )  # higher ones are out of reach, and so not the shortest
    at = np.unravel_index(int(np.argmin(np.where(as_good, length, np.inf))), surface.shape)
    return np.array([shifts[at[0]], shifts[at[1]]])


def cross_correlation(
    moving: _Shiftable, target: FloatImage, margin: int, shifts_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlate `target`, which lies `margin` inside the image, with the image at every pair of shifts.

    Two matrix products instead of an inverse transform, since only a few shifts are wanted.
    """
    window = np.zeros(moving.padded)
    top, left = moving.start[0] + margin, moving.start[1] + margin
    window[top : top + target.shape[0], left : left + target.shape[1]] = target
    product = moving.spectrum * np.conj(scipy.fft.rfft2(window)) / window.size
    product[:, 1:] *= 2  # for the half of the spectrum that rfft leaves out
    if moving.padded[1] % 2 == 0:
        product[:, -1] /= 2
    rows = _phases(scipy.fft.fftfreq(moving.padded[0]), shifts_px)
    columns = _phases(scipy.fft.rfftfreq(moving.padded[1]), shifts_px)
    return np.asarray(np.real(rows @ product @ columns.T))


def _quadratic_peak(
    offsets: NDArray[np.float64], values: NDArray[np.float64], step: float
) -> NDArray[np.float64]:
    """Return where the paraboloid through a 3 x 3 neighbourhood has its peak, at most 1.5 steps away."""
    y, x = offsets.T / step
    design = np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)
    _, b, c, d, e, f = np.linalg.lstsq(design, values, rcond=None)[0]
    determinant = 4 * d * f - e * e
    if d >= 0 or determinant <= 0:  # no peak here: stay, the best of the neighbours is taken
        return np.zeros(2)
    peak = np.array([e * c - 2 * f * b, e * b - 2 * d * c]) / determinant
    return np.asarray(step * np.clip(peak, -1.5, 1.5))


def _limit(shift: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    length = float(np.hypot(*shift))
    return shift * (longest / length) if length > longest else shift
