"""Turning and mirroring training samples: the picture and its illumination pattern go together.

A raw SIM frame is no ordinary picture. Turned by 90 degrees or mirrored it is still a valid acquisition,
but one of a microscope whose patterns run at other angles (mirrored: theta becomes -theta; turned by 90
degrees: theta + 90). A network that was to learn one microscope's three angles must not see those. Turned
by 180 degrees the angles stay, the phases run backwards. So the caller chooses the kind, ``none`` is the
default everywhere for raw frames, and the pattern is turned with the picture and handed back.

Mirroring also assumes that truth and frames are registered (half-pixel convention): a truth that sits 0.9
pixels too far left sits as far too right in the mirrored sample, and the network learns the blurred mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import DataError
from dlsim_ij.optics import Pattern

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One of the eight ways to lay a square onto itself: transpose first, then flip.

    Attributes
    ----------
    transpose, flip_y, flip_x : bool
        What is done, in this order.
    """

    transpose: bool = False
    flip_y: bool = False
    flip_x: bool = False

    def image(self, image: Array) -> Array:
        """Return `image` (..., Y, X) turned; a view."""
        if self.transpose:
            image = image.swapaxes(-1, -2)
        return image[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def pattern(self, pattern: Pattern, shape: tuple[int, int]) -> Pattern:
        """Return the pattern of the turned picture.

        Parameters
        ----------
        pattern : Pattern
            Of the picture before it was turned.
        shape : (int, int)
            Height and width of the picture before it was turned, in the pixels of the pattern.

        Notes
        -----
        A picture position r goes to A r + t, with A a signed permutation and t the far corner of flipped
        axes. cos(2 pi m k.r + phase_m) is the same wave when k becomes A k and phase_m becomes
        phase_m - 2 pi m (A k).t; the steps between frames stay.
        """
        ky, kx = pattern.frequency_px
        height, width = shape
        if self.transpose:
            ky, kx, height, width = kx, ky, width, height
        ky, ty = (-ky, height - 1) if self.flip_y else (ky, 0)
        kx, tx = (-kx, width - 1) if self.flip_x else (kx, 0)
        shift_rad = 2 * pi * (ky * ty + kx * tx)
        return replace(
            pattern,
            frequency_px=(ky, kx),
            phases_rad=tuple(
                phase - order * shift_rad for order, phase in enumerate(pattern.phases_rad, start=1)
            ),
        )


_FLIPS = tuple(Turn(flip_y=y, flip_x=x) for y in (False, True) for x in (False, True))
TURNS = {
    "none": (Turn(),),
    "flips": _FLIPS,
    "all": (*_FLIPS, *(replace(turn, transpose=True) for turn in _FLIPS)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmented:
    """A turned sample.

    Attributes
    ----------
    frames : (..., Y, X) ndarray
        View of the input frames.
    truth : (..., s * Y, s * X) ndarray
        View of the truth.
    patterns : tuple of Pattern
        One per angle, of the turned frames.
    turn : Turn
        What was done.
    """

    frames: Array
    truth: Array
    patterns: tuple[Pattern, ...]
    turn: Turn


def check_kind(kind: str) -> None:
    """Raise `DataError` unless `kind` is a kind of augmentation."""
    if kind not in TURNS:
        raise DataError(f"no augmentation is called '{kind}'", did_you_mean(kind, TURNS))


def augment(
    frames: Array,
    truth: Array,
    rng: np.random.Generator,
    kind: str = "none",
    *,
    patterns: Sequence[Pattern] = (),
) -> Augmented:
    """Turn a sample at random, and its illumination pattern with it.

    Parameters
    ----------
    frames : (..., Y, X) ndarray
        Input channels.
    truth : (..., s * Y, s * X) ndarray
        Target on a grid `s` times finer.
    rng : numpy.random.Generator
        One number is drawn, whatever the kind, so that kinds can be compared on the same crops.
    kind : {"none", "flips", "all"}
        ``flips`` mirrors either axis or both; ``all`` also turns by 90 degrees.
    patterns : sequence of Pattern
        Illumination of each angle, in pixels of `frames`.

    Raises
    ------
    DataError
        The kind is unknown, or ``all`` meets a picture that is not square.
    """
    check_kind(kind)
    shape = (frames.shape[-2], frames.shape[-1])
    if kind == "all" and shape[0] != shape[1]:
        raise DataError(
            f"a patch of {shape[0]} x {shape[1]} pixels cannot be turned by 90 degrees in a batch",
            "train on square patches, or choose 'flips'",
        )
    turns = TURNS[kind]
    turn = turns[int(rng.random() * len(turns))]
    return Augmented(
        frames=turn.image(frames),
        truth=turn.image(truth),
        patterns=tuple(turn.pattern(pattern, shape) for pattern in patterns),
        turn=turn,
    )
