"""From five frames of a blinking sample to what a network of the kind ``srrf-channels`` sees.

| channels | what | grid |
|---|---|---|
| 0 to 24 | SRRF (TRA) of the five frames, unshuffled: the image the network starts from | output |
| 25 to 29 | the frames, dimmest first | camera |
| 30, 31 | their mean and standard deviation | camera |

Training and inference share it. Frames are sorted by their brightness, so their order does not matter;
offset and gain of the camera are gone, and isolated hot pixels are repaired before anything is computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.datasets.normalise import LOW_PERCENT, Scaling, robust_scaling
from dlsim_ij.errors import LayoutError
from dlsim_ij.reconstruction import srrf

FloatArray = NDArray[np.floating]

N_FRAMES = 5
MAGNIFICATION = 5
N_CHANNELS = MAGNIFICATION**2 + N_FRAMES + 2
SRRF_UNIT = 0.25  # normalised radiality images are that much darker than the frames; brings both to one range

_CLEARLY = 6.0  # standard deviations of the noise by which a hot pixel exceeds all its neighbours
_NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


def srrf_channels(frames: NDArray[Any], *, threads: int | None = None) -> tuple[NDArray[np.float32], Scaling]:
    """Make the normalised input channels of five frames.

    Parameters
    ----------
    frames : (5, Y, X) ndarray
        Camera counts of a blinking sample, in any order, on the camera's own pixels.
    threads : int, optional
        Of SRRF; as many as torch uses when not given.

    Returns
    -------
    channels : (32, Y, X) float32 ndarray
        See the module.
    scaling : Scaling
        Counts = frames in the channels * scale + offset. The network's output times `scale * SRRF_UNIT` is
        an SRRF image in counts above the background.

    Raises
    ------
    LayoutError
        There are not five frames.
    ImageError
        The frames are too small, not finite, or without contrast.
    """
    if frames.ndim != 3 or len(frames) != N_FRAMES:
        raise LayoutError(
            f"this network takes {N_FRAMES} frames, the stack is {' x '.join(map(str, frames.shape))}",
            "give five consecutive frames (5, Y, X)",
        )
    brightness = frames.mean(axis=(1, 2), dtype=np.float64)
    # first of all, so that no sum over the frames is rounded otherwise
    signal, scaling = normalised_signal(frames[np.argsort(brightness, kind="stable")])
    return stack_channels(signal, radiality_image(signal, threads=threads)), scaling


def normalised_signal(frames: NDArray[Any]) -> tuple[NDArray[np.float32], Scaling]:
    """Return frames without hot pixels, above the background, in units of the field's own scale."""
    repaired = repair_hot_pixels(frames)
    scaling = robust_scaling(repaired)
    return scaling.apply(repaired), scaling


def radiality_image(signal: FloatArray, *, threads: int | None = None) -> NDArray[np.float32]:
    """Return the SRRF image (n, Y, X) -> (5Y, 5X) that this model starts from, and whose like is its target.

    Mean over time of radiality times intensity (TRA) with the plug-in's ring of half a pixel and six axes,
    up to the edges. The frames are those above the background: SRRF multiplies by the intensity, so a
    camera offset would show as a veil of radiality noise.
    """
    return srrf(signal, MAGNIFICATION, mode="TRA", extend_edges=True, device="cpu", threads=threads)


def stack_channels(signal: FloatArray, image: FloatArray) -> NDArray[np.float32]:
    """Put frames (5, Y, X) and their SRRF image (5Y, 5X), both normalised, together to 32 channels."""
    height, width = signal.shape[1:]
    channels = np.empty((N_CHANNELS, height, width), dtype=np.float32)
    first = MAGNIFICATION**2
    fine = np.asarray(image, dtype=np.float32).reshape(height, MAGNIFICATION, width, MAGNIFICATION)
    channels[:first] = fine.transpose(1, 3, 0, 2).reshape(first, height, width) / np.float32(SRRF_UNIT)
    channels[first : first + N_FRAMES] = signal
    channels[-2] = signal.mean(axis=0, dtype=np.float32)
    channels[-1] = signal.std(axis=0, dtype=np.float32)
    return channels


def repair_hot_pixels(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Replace isolated hot pixels by the median of their neighbours, in every frame.

    Parameters
    ----------
    frames : (n, Y, X) ndarray
        Any unit.

    Returns
    -------
    (n, Y, X) float32 ndarray

    Notes
    -----
    A pixel is hot if its mean over the frames exceeds the background by more than twice what the second
    highest of its eight neighbours does, which no sampled point-spread function gives (see
    `robust_scaling`), and exceeds the highest neighbour by six standard deviations of the noise, measured
    as the spread of pixels around the median of their neighbours.
    """
    values = np.asarray(frames, dtype=np.float32)
    mean = values.mean(axis=0, dtype=np.float64)
    ranked = [ndimage.rank_filter(mean, rank, footprint=_NEIGHBOURS, mode="reflect") for rank in (3, -2, -1)]
    middle, second, first = ranked
    excess = mean - middle
    noise = 1.4826 * float(np.median(np.abs(excess - np.median(excess))))
    background = float(np.percentile(mean, LOW_PERCENT))
    hot = (mean - background > 2 * np.maximum(second - background, 0)) & (mean - first > _CLEARLY * noise)
    if not hot.any():
        return values
    repaired = values.copy()
    rows, columns = np.nonzero(hot)
    for frame, whole in zip(repaired, values, strict=True):
        padded = np.pad(whole, 1, mode="reflect")
        around = [padded[rows + y, columns + x] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
        frame[hot] = np.median(around, axis=0)
    return repaired
