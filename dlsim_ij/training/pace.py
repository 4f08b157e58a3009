"""How fast a run trains, without the time that validation and writing take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Training samples per second since the last row of the history.

    The clock runs all the time but for :meth:`paused`, so that on a GPU, which computes while Python goes
    on, the waiting at a row counts too.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._began = time.monotonic()
        self._paused_at: float | None = None
        self._samples = 0

    def count(self, samples: int) -> None:
        """Add the samples of a step."""
        self._samples += samples

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while the context lasts."""
        self._paused_at = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - self._paused_at
            self._paused_at = None

    def take(self) -> float | None:
        """Return the samples per second since the last call; None if there were none."""
        now = time.monotonic() if self._paused_at is None else self._paused_at
        samples, seconds = self._samples, now - self._began
        self._samples, self._began = 0, now
        return samples / seconds if samples and seconds > 0 else None
