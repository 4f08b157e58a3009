"""From raw frames to what a network of the kind ``wiener-channels`` sees; training and inference share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.datasets.normalise import Scaling, robust_scaling
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.reconstruction import equalise_frames, estimate_offset, wiener_channels

FloatArray = NDArray[np.floating]


def network_inputs(
    raw: NDArray[Any], patterns: Sequence[Pattern], optics: Optics
) -> tuple[FloatArray, Scaling]:
    """Make the normalised input channels of one stack.

    Parameters
    ----------
    raw : (n_frames, Y, X) ndarray
        Native frames in camera counts, angle-major.
    patterns : sequence of Pattern
        One per angle.
    optics : Optics
        For the Wiener filters.

    Returns
    -------
    channels : (11, Y, X) float32 ndarray
        See `wiener_channels`; in units of the field's own scale above its own background.
    scaling : Scaling
        Counts = channels * scale + offset.
    """
    scaling = robust_scaling(raw)
    return wiener_channels(normalised_frames(raw, scaling), patterns, optics), scaling


def normalised_frames(raw: NDArray[Any], scaling: Scaling) -> FloatArray:
    """Return frames of equal brightness, above the field's background, in units of its scale."""
    offset = estimate_offset(raw)
    signal = equalise_frames(raw, offset)
    signal -= np.float32(scaling.offset - offset)
    signal /= np.float32(scaling.scale)
    return signal
