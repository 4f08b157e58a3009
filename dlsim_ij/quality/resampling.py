"""Recognising that an image was enlarged, and the pixels it had before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from dlsim_ij.images.enlargement import undo_enlargement
from dlsim_ij.quality.inputs import check_image
from dlsim_ij.quality.spectral_lines import Line, find_border, find_lines, has_peak, middle
from dlsim_ij.results import Result

Method = Literal["native", "bicubic", "nearest", "fourier", "interpolated"]
FloatArray = NDArray[np.float64]

LEAST_SIDE_PX = 48  # below, chance repetitions are as strong as true ones
_LARGEST_SIDE_PX = 512  # of the part that is looked at; more does not make it any clearer
# Where these stand between what was and what was not enlarged: benchmarks/resampling_guard.py
_LEAST_STRENGTH = 4.0
_LEAST_COHERENCE = 0.3
_LEAST_COHERENCE_UNALTERED = 0.9  # doubled images reach 0.97, those of networks with pixel shuffle 0.67
_LEAST_DROP = 1.0
_LEAST_COHERENCE_AGAIN = 0.8
_LEAST_AT_BORDER = 0.2
_ANCHORED = 0.25
_PATTERN_COHERENCE = 0.7  # a pattern of full depth stays below
_MOST_STEPS = 2
_REPEATED = 0.1  # share of columns and rows that repeat their neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling(Result):
    """Whether an image was enlarged, by how much and how.

    Attributes
    ----------
    enlarged : bool
    checked : bool
        False: the image is too small to tell, and counts as not enlarged.
    factor : float
        Pixels of the image per native pixel, along an axis; 1 when it was not enlarged.
    method : {"native", "bicubic", "nearest", "fourier", "interpolated"}
        ImageJ's bicubic to the last count, repeated pixels, a padded spectrum, or any other interpolation
        (bilinear, splines, or one that was changed afterwards). Bilinear doubling counts as bicubic: it is
        the bicubic of an image that differs by 13 % in the power of its highest frequencies.
    evidence : str
        What was seen, in words.
    strength, coherence : float
        Of the repetition of the spectrum: how far it stands out, and how many of the pairs of frequencies
        at the border of the native spectrum agree (0 to 1).
    border_drop : float
        Fall of power at the clearest square border of the spectrum, in powers of ten.
    native : (y, x) ndarray of float64
        The image at native sampling; the image itself when it was not enlarged.
    """

    enlarged: bool
    checked: bool
    factor: float
    method: Method
    evidence: str
    strength: float
    coherence: float
    border_drop: float
    native: FloatArray = field(repr=False, compare=False)


def detect_resampling(image: ArrayLike, *, unaltered: bool = False) -> Resampling:
    """Find out whether an image was enlarged, by what factor, and what it was before.

    Parameters
    ----------
    image : (Y, X) array_like
        Any unit. It may have been cropped, rounded, scaled or filtered after the enlargement.
    unaltered : bool
        It is as it was made, nothing of that was done. Then an enlargement repeats its spectrum almost to
        perfection, and the faint repetition that a network leaves which makes several pixels of each of its
        own (pixel shuffle) is not taken for one.

    Returns
    -------
    Resampling

    Raises
    ------
    ImageError
        The image cannot be measured (see :func:`~dlsim_ij.quality.inputs.check_image`).

    Notes
    -----
    Interpolation repeats the spectrum every 1 / factor cycles per px with tied phases (A. C. Popescu,
    H. Farid, :doi:`10.1109/TSP.2004.839932`, saw the same as correlated pixels), and a padded spectrum ends
    at a square. Both axes must say the same. Found are factors from 1.08 to 6.5 wherever the image holds
    detail or noise up to the limit of the native pixels. An image without any (noise-free and oversampled)
    that was enlarged shows little; there the enlargement moves the measured resolution little, too.
    """
    pixels = check_image(image)
    least = _LEAST_COHERENCE_UNALTERED if unaltered else _LEAST_COHERENCE
    found = _look(np.asarray(image), pixels, least)
    for _ in range(_MOST_STEPS):
        # of an oversampled image only part of the factor may show, or it was enlarged more than once
        if not found.enlarged or found.native.min() == found.native.max():
            break
        again = _look(found.native, found.native, least)
        # what folds back below a factor of 2 is less coherent, or leaves an edge in the spectrum
        if not again.enlarged or again.coherence < _LEAST_COHERENCE_AGAIN or again.border_drop > 0.5:
            break
        found = replace(
            found,
            factor=_tidy(found.factor * again.factor, 0.25 / min(pixels.shape)),
            evidence=f"{found.evidence}; what is left shows a factor of {again.factor:.3g} more",
            native=again.native,
        )
    return found


def _look(image: NDArray[Any], pixels: FloatArray, least_coherence: float) -> Resampling:
    if min(pixels.shape) < LEAST_SIDE_PX:
        return _native(pixels, "too small to tell", checked=False)
    repeated = _undo_repeated(pixels)
    if repeated is not None:
        return repeated
    part = middle(pixels, _LARGEST_SIDE_PX)
    lines, border = find_lines(part), find_border(part)
    drop = border.drop if border else 0.0
    line = _fundamental(lines, least_coherence)
    if line is not None and (
        _is_jpeg(lines) or (line.coherence < _PATTERN_COHERENCE and has_peak(part, line.distance))
    ):
        line = None
    if line is not None:
        return _undo_interpolated(np.asarray(image), pixels, line, drop)
    strongest = lines[0] if lines else Line(1.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    if border is not None and drop >= _LEAST_DROP:
        factor = _tidy(0.5 / border.frequency, 1.5 / min(part.shape))
        return Resampling(
            enlarged=True,
            checked=True,
            factor=factor,
            method="fourier",
            evidence=f"the spectrum ends at a square of 1/{factor:.3g} of its width, where power falls "
            f"{10**drop:.2g}-fold",
            strength=strongest.strength,
            coherence=strongest.coherence,
            border_drop=drop,
            native=_cut_spectrum(pixels, factor),
        )
    return _native(pixels, "the spectrum neither repeats itself nor ends at a square", strongest, drop)


def _native(
    pixels: FloatArray, evidence: str, line: Line | None = None, drop: float = 0.0, checked: bool = True
) -> Resampling:
    return Resampling(
        enlarged=False,
        checked=checked,
        factor=1.0,
        method="native",
        evidence=evidence,
        strength=line.strength if line else 0.0,
        coherence=line.coherence if line else 0.0,
        border_drop=drop,
        native=pixels,
    )


def _fundamental(lines: list[Line], least: float) -> Line | None:
    """Return the line at 1 / factor among its multiples, if any is strong enough.

    Below a factor of 2 the finest copies fold back and make lines at multiples less whole numbers, of which
    the native border knows nothing.
    """
    if not any(x.strength >= _LEAST_STRENGTH and x.coherence >= least for x in lines):
        return None
    family = [x for x in lines if x.strength >= _LEAST_STRENGTH / 2 and x.coherence >= least]
    highest = max(x.at_border for x in family)
    if highest < _LEAST_AT_BORDER:  # oversampled before it was enlarged
        return max(family, key=lambda x: x.distance)
    anchored = [x for x in family if x.at_border >= max(_LEAST_AT_BORDER, _ANCHORED * highest)]
    return min(anchored, key=lambda x: x.distance)


def _is_jpeg(lines: list[Line]) -> bool:
    """Return whether lines lie at odd multiples of 1/8, as the blocks of a JPEG make them."""
    eighths = {
        round(8 * line.distance)
        for line in lines
        if line.strength >= _LEAST_STRENGTH / 2 and abs(line.distance - round(8 * line.distance) / 8) < 0.003
    }
    return len(eighths & {3, 5, 7}) >= 2


def _undo_interpolated(image: NDArray[Any], pixels: FloatArray, line: Line, drop: float) -> Resampling:
    factor = _tidy(1 / line.distance, 0.25 / min(pixels.shape))
    whole = round(factor)
    method: Method = "interpolated"
    evidence = (
        f"the spectrum repeats itself every 1/{factor:.4g} of its width, {line.strength:.0f} times clearer "
        "than elsewhere"
    )
    native = _sample(_sample(pixels, factor, line.origin_px[1]).T, factor, line.origin_px[0]).T
    if 2 <= whole <= 6 and abs(factor - whole) < 0.02 * whole:
        undone = undo_enlargement(image[None], whole)
        if undone.was_enlarged:
            method, factor, native = "bicubic", float(whole), undone.frames[0].astype(np.float64)
            evidence += f"; the pixels are ImageJ's bicubic enlargement by {whole} of fewer ones"
    return Resampling(
        enlarged=True,
        checked=True,
        factor=factor,
        method=method,
        evidence=evidence,
        strength=line.strength,
        coherence=line.coherence,
        border_drop=drop,
        native=native,
    )


def _undo_repeated(pixels: FloatArray) -> Resampling | None:
    """Return the image without columns and rows that repeat the one before, if enough of them do."""
    kept = [_without_repeats(lines) for lines in (pixels, pixels.T)]
    rows, columns = kept
    if rows is None or columns is None:
        return None
    factor = _tidy((pixels.size / (len(rows) * len(columns))) ** 0.5, 1 / min(pixels.shape))
    return Resampling(
        enlarged=True,
        checked=True,
        factor=factor,
        method="nearest",
        evidence=f"of {pixels.shape[0]} rows only {len(rows)} differ from the one before, of "
        f"{pixels.shape[1]} columns {len(columns)}",
        strength=0.0,
        coherence=1.0,
        border_drop=0.0,
        native=pixels[np.ix_(rows, columns)],
    )


def _without_repeats(lines: FloatArray) -> NDArray[np.intp] | None:
    """Return which rows to keep; None if too few repeat the one before. Constant rows are no evidence."""
    repeats = np.r_[False, (lines[1:] == lines[:-1]).all(axis=1)]
    constant = lines.min(axis=1) == lines.max(axis=1)
    varied = int(np.count_nonzero(~constant))
    repeated = int(np.count_nonzero(repeats & ~constant))
    if varied == 0 or repeated < _REPEATED * varied:
        return None
    factor = varied / (varied - repeated)
    kept = []
    for run in np.split(np.arange(len(lines)), np.flatnonzero(~repeats)[1:]):
        count = max(1, round(len(run) / factor)) if constant[run[0]] else 1
        kept.append(run[:count])
    return np.concatenate(kept)


def _tidy(factor: float, error: float) -> float:
    """Return a simple factor that lies within the error of 1 / factor, else the factor itself."""
    for parts in (1, 2, 3, 4):
        simple = round(factor * parts) / parts
        if simple > 1 and abs(1 / factor - 1 / simple) < error:
            return simple
    return factor


def _whole_cut(side: int, factor: float) -> tuple[int, int]:
    """Return a size of at most `side` that native pixels fill as exactly as may be, and their number."""
    cuts = range(side, max(side - 2 * int(factor + 1) - 8, 1), -1)
    size = min(cuts, key=lambda n: (abs(n / factor - round(n / factor)) > 0.02, -n))
    return size, round(size / factor)


def _sample(pixels: FloatArray, factor: float, origin_px: float) -> FloatArray:
    """Return the values at the places of native pixels along x, `origin_px` from the centre being one.

    A kernel that interpolates passes through the native values, so these are what was enlarged.
    """
    width = pixels.shape[1]
    size, count = _whole_cut(width, factor)
    start = (width - size) // 2
    spectrum = scipy.fft.fft(pixels[:, start : start + size], axis=1)
    step = size / count
    first = (width // 2 + origin_px - start) % step
    frequencies = np.rint(scipy.fft.fftfreq(size, 1 / size)).astype(np.intp)
    spectrum *= np.exp(2j * np.pi * first / size * frequencies)
    folded = np.zeros((len(pixels), count), complex)
    turns = frequencies // count
    for turn in range(int(turns.min()), int(turns.max()) + 1):
        chosen = turns == turn
        folded[:, frequencies[chosen] % count] += spectrum[:, chosen]
    native: FloatArray = scipy.fft.ifft(folded, axis=1).real * (count / size)
    return native


def _cut_spectrum(pixels: FloatArray, factor: float) -> FloatArray:
    """Return the image at native sampling, from the part of its spectrum that the native pixels hold."""
    (height, small_height), (width, small_width) = (_whole_cut(side, factor) for side in pixels.shape)
    cut = pixels[:height, :width]
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(cut))
    top, left = height // 2 - small_height // 2, width // 2 - small_width // 2
    inner = spectrum[top : top + small_height, left : left + small_width]
    small: FloatArray = scipy.fft.ifft2(scipy.fft.ifftshift(inner)).real
    return small * (small.size / cut.size)
