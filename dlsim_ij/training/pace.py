"""How fast a run trains, without the time that validation and writing take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


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


class Spent:
    """Wall and processor time of a run in seconds, over all starts.

    Processor time is that of this process: a busy machine does not add to it.
    """

    def __init__(self) -> None:
        self._wall_before = self._cpu_before = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin a start: what passed since the one before does not count."""
        self._wall_began, self._cpu_began = time.monotonic(), time.process_time()

    @property
    def wall(self) -> float:
        """Wall time."""
        return self._wall_before + time.monotonic() - self._wall_began

    @property
    def cpu(self) -> float:
        """Processor time."""
        return self._cpu_before + time.process_time() - self._cpu_began

    def values(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return {"seconds": self.wall, "cpu_seconds": self.cpu}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take what :meth:`values` gave; runs of earlier versions know no processor time."""
        self._wall_before, self._cpu_before = values["seconds"], values.get("cpu_seconds", 0.0)
