"""Which sizes of input a package takes, and how much of the output's border depends on what lies beyond."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import cast

from dlsim_ij.inference.predictor import Model

_SMALLEST_TEST_PX = 128  # smaller fields show too little of the pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sides of the network's input, in its own pixels.

    Attributes
    ----------
    step_px, min_px : int
        Sides are ``min_px + n * step_px``.
    halo_px : int
        How far an input pixel can act. 0 if everything acts on everything: such a network cannot run on
        tiles.
    test_px : int
        Side of the test input.
    """

    step_px: int
    min_px: int
    halo_px: int
    test_px: int


def sizes_of(model: Model) -> Sizes:
    """Return the sizes that a package of the model states."""
    step = model.card.side_multiple
    whole = model.card.batchnorm == "per-image"
    halo = 0 if whole else cast(int, model.network.receptive_radius_px)
    # with a halo, something must be left when it is cut off on both sides
    smallest = 4 * step if whole else (2 * halo // step + 1) * step
    enlargement = int(model.card.input.get("enlargement", 1))
    both = step * enlargement // gcd(step, enlargement)
    test = -(-max(smallest, _SMALLEST_TEST_PX) // both) * both
    return Sizes(step_px=step, min_px=smallest, halo_px=halo, test_px=test)
