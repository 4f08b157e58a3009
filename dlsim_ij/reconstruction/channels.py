"""What our networks see of a stack: pictures on native pixels from which the pattern is gone.

So a network does not learn one microscope's angles and phases, and pictures may be turned and mirrored in
training. An image on the doubled grid is handed over as four channels, its sub-grids.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.reconstruction.joint import JointProblem
from dlsim_ij.reconstruction.wiener import wiener_images
from dlsim_ij.reconstruction.wiener_filter import SOFT, VENDOR

FloatArray = NDArray[np.floating]

N_ANGLES = 3
MOST_ORDERS = 2
CHANNELS_PER_STACK = 2 * 4 + N_ANGLES
CHANNELS_OF_THREE_FRAMES = 2 * 4 + N_ANGLES * (1 + 2 * MOST_ORDERS)


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
    _check_angles(patterns)
    images = wiener_images(frames, patterns, optics, [VENDOR, SOFT])
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


def three_frame_channels(frames: FloatArray, patterns: Sequence[Pattern], optics: Optics) -> FloatArray:
    """Make the input channels of a network of the kind ``three-frames``.

    Parameters
    ----------
    frames : (3, Y, X) ndarray
        One frame of each angle, of equal brightness.
    patterns : sequence of Pattern
        One per angle, each with the step of its frame.
    optics : Optics
        For the filter's cut-off.

    Returns
    -------
    (23, Y, X) float32 ndarray
        Four channels of the joint image of the three frames by Richardson and Lucy, four of that by least
        squares (`JointProblem`); the frames; each frame times cosine and sine of its pattern of order 1, and
        of order 2 (twice order 1, where a pattern has one).

    Raises
    ------
    LayoutError
        There are not three angles, or not one frame for each.
    """
    _check_angles(patterns)
    problem = JointProblem(frames, patterns, optics)
    channels = np.empty((CHANNELS_OF_THREE_FRAMES, *frames.shape[1:]), dtype=np.float32)
    channels[:4] = unshuffle(problem.richardson_lucy())
    channels[4:8] = unshuffle(problem.least_squares())
    channels[8:11] = frames
    y, x = (np.arange(side, dtype=np.float64) for side in frames.shape[1:])
    for angle, (frame, pattern) in enumerate(zip(frames, patterns, strict=True)):
        for order in range(1, MOST_ORDERS + 1):
            # without a phase of its own, order 2 has the one that a pure pattern would give it
            phase = pattern.phases_rad[order - 1] if order <= pattern.orders else 2 * pattern.phases_rad[0]
            phase += order * pattern.steps_rad[0]
            fy, fx = (2 * np.pi * order * f for f in pattern.frequency_px)
            wave = np.exp(1j * (fy * y + phase))[:, None] * np.exp(1j * fx * x)
            first = 11 + 4 * angle + 2 * (order - 1)
            channels[first] = frame * wave.real
            channels[first + 1] = frame * wave.imag
    return channels


def _check_angles(patterns: Sequence[Pattern]) -> None:
    if len(patterns) != N_ANGLES:
        raise LayoutError(
            f"this network takes {N_ANGLES} angles, the stack has {len(patterns)}", "choose another model"
        )


def unshuffle(image: FloatArray) -> FloatArray:
    """Split a (2Y, 2X) image into its four (Y, X) sub-grids: the inverse of a pixel shuffle."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return image.reshape(height, 2, width, 2).transpose(1, 3, 0, 2).reshape(4, height, width)
