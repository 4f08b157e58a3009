"""Where a Fourier ring correlation counts as signal: the fixed and the counting thresholds."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from dlsim_ij.errors import ConfigError
from dlsim_ij.quality.frc_rings import FloatArray

Threshold = Literal["1/7", "half-bit", "3-sigma"]

_HALF_BIT_SNR = (2**0.5 - 1) / 2  # of each half: log2(1 + 2 SNR) is then half a bit


def threshold_curve(threshold: Threshold, n_independent: FloatArray) -> FloatArray:
    """Return the threshold of each ring.

    Parameters
    ----------
    threshold : {"1/7", "half-bit", "3-sigma"}
    n_independent : (rings,) ndarray
        Independent complex samples n of each ring: half of those on the full circle, which is one half the
        conjugate of the other, and fewer under a window.

    Returns
    -------
    (rings,) ndarray
        At most 1.

    Raises
    ------
    ConfigError
        There is no such threshold.

    Notes
    -----
    "1/7": the constant 1/7 (:doi:`10.1016/j.jmb.2003.07.013`, which rounds it to 0.143;
    :doi:`10.1038/nmeth.2448` for light microscopy).
    "half-bit" (:doi:`10.1016/j.jsb.2005.05.009`): with S = 0.2071, the signal to noise ratio of each image
    at which their sum holds half a bit per sample,
    ``(S + 2 sqrt(S / n) + 1 / sqrt(n)) / (1 + S + 2 sqrt(S / n))``.
    "3-sigma" (same paper): ``3 / sqrt(n)``. The correlation of independent noise has the standard deviation
    ``1 / sqrt(2 n)``, since only the real part of each product enters, so this is 4.2 of them.

    Examples
    --------
    >>> threshold_curve("3-sigma", np.array([4.0, 900.0])).tolist()
    [1.0, 0.1]
    """
    check_threshold(threshold)
    if threshold == "1/7":
        return np.full(len(n_independent), 1 / 7)
    root = np.sqrt(n_independent)
    if threshold == "3-sigma":
        return np.minimum(3 / root, 1.0)
    mixed = 2 * _HALF_BIT_SNR**0.5 / root
    return np.asarray((_HALF_BIT_SNR + mixed + 1 / root) / (1 + _HALF_BIT_SNR + mixed))


def for_all_photons(threshold: FloatArray) -> FloatArray:
    """Return the threshold for halves that stands for `threshold` of images with all photons.

    Twice the photons double the signal to noise ratio, so a correlation F of the halves becomes
    ``2 F / (1 + F)`` (:doi:`10.1016/j.jmb.2003.07.013`). That crosses T where F crosses ``T / (2 - T)``.
    Moving the threshold instead of the curve leaves the noise of the curve as it is.

    Examples
    --------
    >>> round(1 / float(for_all_photons(np.array([1 / 7]))[0]), 3)
    13.0
    """
    return threshold / (2 - threshold)


def check_threshold(threshold: str) -> None:
    """Raise `ConfigError` where there is no such threshold."""
    if threshold not in get_args(Threshold):
        raise ConfigError(f"no threshold is called '{threshold}'", f"choose {', '.join(get_args(Threshold))}")
