"""What our networks see of a stack: two Wiener images and the mean of every angle, on native pixels.

The pattern is gone from these channels, so a network does not learn one microscope's angles and phases,
and pictures may be turned and mirrored in training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.reconstruction.wiener import wiener_images
from dlsim_ij.reconstruction.wiener_filter import SHARP, SOFT

FloatArray = NDArray[np.floating]

N_ANGLES = 3
CHANNELS_PER_STACK = 2 * 4 + N_ANGLES


def wiener_channels(frames: FloatArray, patterns: Sequence[Pattern], optics: Optics) -> FloatArray:
    """Make the input channels of a network of the kind ``wiener-channels``.

    Parameters
    ----------
    frames : (n_angles * n_phases, Y, X) ndarray
        Frames from `equalise_frames`, angle-major, three angles.
    patterns : sequence of Pattern
        One per angle.
    optics : Optics
        For the filters' cut-off.

    Returns
    -------
    (11, Y, X) float32 ndarray
        Four channels of the sharp Wiener image (rows and columns even/odd: a pixel shuffle gives the
        image back), four of the soft one, and the mean of each angle's frames.

    Raises
    ------
    LayoutError
        There are not three angles, or the frames do not fit them.
    """
    if len(patterns) != N_ANGLES:
        raise LayoutError(
            f"this network takes {N_ANGLES} angles, the stack has {len(patterns)}", "choose another model"
        )
    images = wiener_images(frames, patterns, optics, [SHARP, SOFT])
    height, width = frames.shape[1:]
    channels = np.empty((CHANNELS_PER_STACK, height, width), dtype=np.float32)
    for number, image in enumerate(images):
        channels[4 * number : 4 * number + 4] = unshuffle(image)
    start = 0
    for number, pattern in enumerate(patterns):
        stop = start + len(pattern.steps_rad)
        channels[8 + number] = frames[start:stop].mean(axis=0)
        start = stop
    return channels


def unshuffle(image: FloatArray) -> FloatArray:
    """Split a (2Y, 2X) image into its four (Y, X) sub-grids: the inverse of a pixel shuffle."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return image.reshape(height, 2, width, 2).transpose(1, 3, 0, 2).reshape(4, height, width)
