"""From raw frames to what a network of ours sees; training and inference share it.

| kind | frames | channels |
|---|---|---|
| `wiener-channels` | all of 3 angles | sharp and soft Wiener image, mean of each angle |
| `three-frames` | the first of each angle | sharpened mean, the frames, the frames times their patterns |
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.config import did_you_mean
from dlsim_ij.datasets.normalise import Scaling, robust_scaling
from dlsim_ij.errors import ModelError
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.reconstruction import (
    equalise_frames,
    estimate_offset,
    three_frame_channels,
    wiener_channels,
)
from dlsim_ij.reconstruction.channels import (
    CHANNELS_OF_THREE_FRAMES,
    CHANNELS_PER_STACK,
    unshuffle,
)
from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class InputKind:
    """How the channels of a network are made, and how they are turned.

    Attributes
    ----------
    channels : int
        How many there are.
    make : callable
        ``make(frames, patterns, optics)``, from frames of equal brightness.
    fine : tuple of int
        First of every four channels that together are an image on the doubled grid.
    frames : slice
        Which channels are frames, or means of frames, as the camera saw them.
    one_per_angle : bool
        Only the first frame of each angle is used.
    """

    channels: int
    make: Callable[[FloatArray, Sequence[Pattern], Optics], FloatArray]
    fine: tuple[int, ...]
    frames: slice
    one_per_angle: bool = False

    def turn(self, channels: FloatArray, turns: int, mirrored: bool) -> FloatArray:
        """Turn by quarters and mirror: the sub-grids of fine images change places."""
        turned = turn(channels, turns, mirrored).copy()
        height, width = channels.shape[1:]
        for start in self.fine:
            image = channels[start : start + 4].reshape(2, 2, height, width).transpose(2, 0, 3, 1)
            fine = turn(image.reshape(2 * height, 2 * width), turns, mirrored)
            turned[start : start + 4] = unshuffle(fine)
        return turned


_KINDS = {
    "wiener-channels": InputKind(CHANNELS_PER_STACK, wiener_channels, (0, 4), slice(8, 11)),
    "three-frames": InputKind(
        CHANNELS_OF_THREE_FRAMES, three_frame_channels, (0,), slice(4, 7), one_per_angle=True
    ),
}


def input_kinds() -> list[str]:
    """Return the names that :func:`input_kind` knows."""
    return list(_KINDS)


def input_kind(name: str) -> InputKind:
    """Return the kind of that name.

    Raises
    ------
    ModelError
        There is none.
    """
    if name not in _KINDS:
        raise ModelError(f"no kind of network input is called '{name}'", did_you_mean(name, _KINDS))
    return _KINDS[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLevels(Result):
    """What all parts of a field have in common, where a part is looked at by itself.

    Attributes
    ----------
    offset : float
        As `estimate_offset` gives it.
    gains : tuple of float
        Brings each frame to the same brightness above it.
    scaling : Scaling
        As `robust_scaling` gives it.
    """

    offset: float
    gains: tuple[float, ...]
    scaling: Scaling


def network_inputs(
    raw: NDArray[Any],
    patterns: Sequence[Pattern],
    optics: Optics,
    kind: str = "wiener-channels",
    *,
    levels: FieldLevels | None = None,
) -> tuple[FloatArray, Scaling]:
    """Make the normalised input channels of one stack.

    Parameters
    ----------
    raw : (n_frames, Y, X) ndarray
        Native frames in camera counts, angle-major. For a kind with one frame per angle, those alone will
        do as well.
    patterns : sequence of Pattern
        One per angle.
    optics : Optics
        For the Wiener filters.
    kind : str
        See the module.
    levels : FieldLevels, optional
        Of the field that `raw` is a part of (of its first frames of each angle, if the kind uses those).

    Returns
    -------
    channels : (C, Y, X) float32 ndarray
        In units of the field's own scale above its own background.
    scaling : Scaling
        Counts = channels * scale + offset.
    """
    chosen = input_kind(kind)
    if chosen.one_per_angle:
        raw, patterns = first_of_each_angle(raw, patterns)
    scaling = robust_scaling(raw) if levels is None else levels.scaling
    return chosen.make(normalised_frames(raw, scaling, levels), patterns, optics), scaling


def first_of_each_angle(raw: NDArray[Any], patterns: Sequence[Pattern]) -> tuple[NDArray[Any], list[Pattern]]:
    """Return the first frame of each angle, and the patterns with its step alone."""
    counts = [len(p.steps_rad) for p in patterns]
    if len(raw) != len(patterns):
        raw = raw[np.cumsum([0, *counts[:-1]])]
    return raw, [dataclasses.replace(p, steps_rad=p.steps_rad[:1]) for p in patterns]


def normalised_frames(raw: NDArray[Any], scaling: Scaling, levels: FieldLevels | None = None) -> FloatArray:
    """Return frames of equal brightness, above the field's background, in units of its scale."""
    if levels is None:
        offset = estimate_offset(raw)
        signal = equalise_frames(raw, offset)
    else:
        offset = levels.offset
        signal = raw.astype(np.float32) - np.float32(offset)
        signal *= np.array(levels.gains, dtype=np.float32)[:, None, None]
    signal -= np.float32(scaling.offset - offset)
    signal /= np.float32(scaling.scale)
    return signal


def turn(image: FloatArray, turns: int, mirrored: bool) -> FloatArray:
    """Turn the last two axes by quarters, then mirror them left to right."""
    turned = np.rot90(image, turns, axes=(-2, -1))
    return turned[..., ::-1] if mirrored else turned
