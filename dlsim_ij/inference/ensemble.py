"""The mean of a network's images of all turns and mirrorings of its input.

A network that were wholly indifferent to how the sample lies would give eight times the same. What differs is
an error, and averages out in part (Timofte et al., CVPR 2016, doi 10.1109/CVPR.2016.206).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.datasets.inputs import InputKind, turn

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
TURNINGS = tuple(itertools.product(range(4), (False, True)))


def mean_of_turnings(network: Network, channels: NDArray[np.float32], kind: InputKind) -> NDArray[np.float32]:
    """Apply a network to eight turnings of an input, and turn the results back.

    Parameters
    ----------
    network : callable
        (C, Y, X) to (K, scale * Y, scale * X), of any size.
    channels : (C, Y, X) float32 ndarray
        See `datasets.inputs`.
    kind : InputKind
        Knows how the channels turn.

    Returns
    -------
    (K, scale * Y, scale * X) float32 ndarray
    """
    total: NDArray[np.float32] | None = None
    for turns, mirrored in TURNINGS:
        images = network(np.ascontiguousarray(kind.turn(channels, turns, mirrored)))
        back = turn(images[..., ::-1] if mirrored else images, -turns, mirrored=False)
        total = back.copy() if total is None else np.add(total, back, out=total)
    assert total is not None
    total /= np.float32(len(TURNINGS))
    return total
