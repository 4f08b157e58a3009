"""Borders that a Fourier transform does not see as steps."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

_MARGIN_PX = 16


def fading(shape: tuple[int, int]) -> tuple[list[tuple[int, int]], list[FloatArray]]:
    """Return how much border to mirror along each axis, and the window that fades it."""
    padding, window = [], []
    for side in shape:
        padded_side = scipy.fft.next_fast_len(side + 2 * _MARGIN_PX, real=True)
        padded_side += padded_side % 2
        before = (padded_side - side) // 2
        after = padded_side - side - before
        rise, fall = (np.sin(np.pi / 2 * (np.arange(n) + 0.5) / n) ** 2 for n in (before, after))
        window.append(np.concatenate([rise, np.ones(side), fall[::-1]]).astype(np.float32))
        padding.append((before, after))
    return padding, window
