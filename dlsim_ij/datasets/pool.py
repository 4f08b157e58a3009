"""A pool of simulated fields that renews itself: training never runs out of new ones, and can be resumed.

Field `n` of the pool is made from the seed, `n` and its generation alone. With ``renew_epochs=k`` every
epoch replaces one field in k, made by worker processes while the epoch before is trained on. What the pool
holds in an epoch follows from the epoch's number, so a resumed run sees what an undisturbed one sees.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.errors import DataError

Sample = tuple[NDArray[np.floating], NDArray[np.floating]]
MakeField = Callable[[int, int], list[Sample]]
_AT_ONCE = 8  # fields per message to a worker


class FieldPool:
    """Inputs and targets of many fields, in memory as float16.

    Half precision holds what the noise leaves meaningful, in half the memory.

    Parameters
    ----------
    make_field : callable
        ``make_field(number, generation)`` gives the samples (inputs, targets) of one field, one per
        exposure; it can be pickled.
    fields : int
        Size of the pool.
    renew_epochs : int, optional
        A field is replaced after so many epochs; None: never.
    workers : int
        Processes that make fields; what they make does not depend on their number.
    """

    def __init__(
        self, make_field: MakeField, fields: int, *, renew_epochs: int | None = None, workers: int = 1
    ) -> None:
        self._make, self._fields, self._renew, self._workers = make_field, fields, renew_epochs, workers
        self._epoch = -1
        self._generations = np.full(fields, -1)
        self._ahead: list[tuple[int, int, Future[list[Sample]]]] = []
        self._executor: Executor | None = None
        self.inputs: NDArray[np.float16] = np.empty((0,), dtype=np.float16)
        self.targets: NDArray[np.float16] = np.empty((0,), dtype=np.float16)
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self.inputs)

    def start_epoch(self, epoch: int) -> None:
        """Hold the fields of that epoch, and begin to make those of the next."""
        if epoch == self._epoch:
            return
        self._collect(self._wanted(epoch))
        self._epoch = epoch
        if self._renew is not None:
            self._order(self._wanted(epoch + 1))

    def close(self) -> None:
        """End the workers."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None
        self._ahead = []

    def _wanted(self, epoch: int) -> NDArray[np.int64]:
        """Return the generation of every field in an epoch."""
        if self._renew is None:
            return np.zeros(self._fields, dtype=np.int64)
        return (epoch + np.arange(self._fields) % self._renew) // self._renew

    def _order(self, wanted: NDArray[np.int64]) -> None:
        """Let the workers make what the pool lacks."""
        lacking = [(int(n), int(wanted[n])) for n in np.flatnonzero(wanted != self._generations)]
        self._ahead = [(n, g, self._workers_pool().submit(self._make, n, g)) for n, g in lacking]

    def _collect(self, wanted: NDArray[np.int64]) -> None:
        """Put the wanted fields into the pool, those first that were made ahead."""
        try:
            for number, generation, future in self._ahead:
                if wanted[number] == generation:
                    self._store(number, generation, future.result())
                else:
                    future.cancel()
            self._ahead = []
            lacking = [(int(n), int(wanted[n])) for n in np.flatnonzero(wanted != self._generations)]
            for (number, generation), samples in zip(lacking, self._made(lacking), strict=True):
                self._store(number, generation, samples)
        except BrokenProcessPool as error:
            raise DataError(
                "a process that makes fields has died",
                "out of memory? In a script, train under: if __name__ == '__main__':",
            ) from error
        if self._renew is None:
            self.close()

    def _made(self, jobs: list[tuple[int, int]]) -> Iterable[list[Sample]]:
        if (self._workers == 1 and self._renew is None) or not jobs:
            return (self._make(*job) for job in jobs)
        return self._workers_pool().map(self._make, *zip(*jobs, strict=True), chunksize=_AT_ONCE)

    def _workers_pool(self) -> Any:
        if self._executor is None:
            spawn = multiprocessing.get_context("spawn")  # a fork would copy a running JVM's locks
            self._executor = ProcessPoolExecutor(self._workers, spawn, initializer=_end_with_parent)
        return self._executor

    def _store(self, number: int, generation: int, samples: list[Sample]) -> None:
        count = len(samples)
        if not len(self.inputs):
            first_inputs, first_targets = samples[0]
            self.inputs = np.empty((self._fields * count, *first_inputs.shape), dtype=np.float16)
            self.targets = np.empty((self._fields * count, *first_targets.shape), dtype=np.float16)
        for exposure, (inputs, targets) in enumerate(samples):
            self.inputs[number * count + exposure] = inputs
            self.targets[number * count + exposure] = targets
        self._generations[number] = generation


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is gone, however it went.

    A worker holds both ends of the queue it waits at, so a parent that was killed would leave it for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None  # it runs in workers only

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
