"""Which samples a step sees, and its random generator: functions of seed and step alone.

Nothing is remembered between steps, so there is no state to lose: step n of a resumed run, or of a
run on another machine, draws what step n always draws.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_ORDER, _DRAW = 0, 1  # two independent streams of random numbers under one seed


class EpochSampler:
    """Visits every sample once per epoch, in a new order each time.

    Parameters
    ----------
    samples, batch_size : int
        The last batch of an epoch holds what is left.
    seed : int
        Of the orders and of what :meth:`generator` returns.
    """

    def __init__(self, samples: int, batch_size: int, seed: int) -> None:
        self.samples, self.batch_size, self.seed = samples, batch_size, seed
        self.steps_per_epoch = -(-samples // batch_size)
        self._order = lru_cache(maxsize=1)(self._shuffled)

    def epoch(self, step: int) -> int:
        """Return the epoch, counted from 0, that `step` belongs to."""
        return step // self.steps_per_epoch

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the numbers of the samples of `step`."""
        epoch, position = divmod(step, self.steps_per_epoch)
        first = position * self.batch_size
        return self._order(epoch)[first : first + self.batch_size]

    def generator(self, step: int) -> np.random.Generator:
        """Return the generator for the crops and augmentation of `step`."""
        return np.random.default_rng([self.seed, _DRAW, step])

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(self.samples)
