"""The shift between two images, from the cross-spectrum that their correlation has computed anyway."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from dlsim_ij.errors import ImageError
from dlsim_ij.quality.frc_curve import Curve
from dlsim_ij.quality.frc_rings import FloatArray, Rings, RingSums
from dlsim_ij.quality.registration import covered, shift_image

_LONG_SHIFT_PEAK = 8.0  # standard deviations of the cross-correlation; noise of 2048^2 px reaches 5.5
_MOST_STEPS = 4
_CLOSE_PX = 0.3  # a parabola finds the rest


def find_shift(
    cross: NDArray[np.complex128], sums: RingSums, curve: Curve, rings: Rings
) -> tuple[float, float]:
    """Return the shift (y, x) in px that brings the second image onto the first.

    The peak of the cross-correlation. Where the curve crosses its threshold, each ring is weighed by what
    it says about the shift, so that bright haze does not flatten the peak; otherwise only an unmistakable
    peak counts. A shift hides detail from the curve, so it is undone in the spectrum and what is left is
    looked for again.

    Parameters
    ----------
    cross : (Y, X // 2 + 1) ndarray
        ``F1 conj(F2)``; used up.
    sums, curve, rings
        What was made of it.
    """
    total = np.zeros(2)
    for _ in range(_MOST_STEPS):
        step = _peak(cross, sums, curve, rings)
        total += step
        if np.hypot(*step) < _CLOSE_PX:
            break
        # moving the second image by s multiplies F1 conj(F2) by exp(2 pi i f s)
        cross *= np.exp(2j * np.pi * scipy.fft.fftfreq(rings.shape[0]) * step[0])[:, None]
        cross *= np.exp(2j * np.pi * scipy.fft.rfftfreq(rings.shape[1]) * step[1])
        sums = RingSums(cross=rings.sums(cross.real.copy()), first=sums.first, second=sums.second)
        curve = Curve.of(sums, rings, curve.threshold, smoothed=True)
    return float(total[0]), float(total[1])


def align(
    first: FloatArray, second: FloatArray, shift_px: tuple[float, float], min_side_px: int
) -> tuple[FloatArray, FloatArray]:
    """Return the common field of both: whole pixels by cropping, the rest by the Fourier phase.

    Raises
    ------
    ImageError
        Too little is left in common.
    """
    whole = [round(s) for s in shift_px]
    sides = first.shape
    first = first[tuple(slice(max(0, w), n + min(0, w)) for w, n in zip(whole, sides, strict=True))]
    second = second[tuple(slice(max(0, -w), n - max(0, w)) for w, n in zip(whole, sides, strict=True))]
    if min(first.shape) < min_side_px:
        raise ImageError(
            f"the images are shifted by {shift_px[0]:.1f} and {shift_px[1]:.1f} px, too little is in common",
            "were they recorded in the same place?",
        )
    rest = (shift_px[0] - whole[0], shift_px[1] - whole[1])
    inside = covered(first.shape, *rest)
    return first[inside], shift_image(second, *rest)[inside]


def _peak(cross: NDArray[np.complex128], sums: RingSums, curve: Curve, rings: Rings) -> FloatArray:
    status, cutoff, _ = curve.crossing()
    if status in ("ok", "no-crossing"):
        share = np.clip(curve.smoothed, 0, 0.999)
        power = np.sqrt(sums.first[0] * sums.second[0]) / rings.n_independent
        weight = np.divide(share / (1 - share**2), power, out=np.zeros_like(power), where=power > 0)
        weight[rings.frequency > (cutoff or 1.0)] = 0
        weighted = cross * np.append(weight, 0.0)[rings.index].reshape(cross.shape)
    else:
        weighted = cross.copy()
    surface = scipy.fft.irfft2(weighted, s=rings.shape, overwrite_x=True)
    top = int(np.argmax(surface))
    if status in ("no-signal", "identical") and surface.flat[top] < _LONG_SHIFT_PEAK * surface.std():
        return np.zeros(2)
    y, x = np.unravel_index(top, surface.shape)
    return np.array([_vertex(surface[:, x], int(y)), _vertex(surface[y], int(x))])


def _vertex(line: FloatArray, top: int) -> float:
    """Return where the parabola through a maximum and its neighbours peaks, as a signed lag."""
    before, here, after = line[top - 1], line[top], line[(top + 1) % len(line)]
    bend = before - 2 * here + after
    position = top + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return float(position - len(line) if position > len(line) / 2 else position)
