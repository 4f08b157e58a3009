"""SIGINT and SIGTERM while a batch works: what runs may end, nothing new begins."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self


class Stop:
    """Remembers that somebody wants an end, while it is entered; a second signal ends the grace.

    Parameters
    ----------
    grace_seconds : float
        How long inputs that were begun may go on.

    Attributes
    ----------
    signal : int or None
        The first that came.
    """

    def __init__(self, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.signal: int | None = None
        self._end = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def is_over(self) -> bool:
        """Whether the time of grace has ended."""
        return self.signal is not None and time.monotonic() >= self._end

    @property
    def exit_code(self) -> int:
        """What a shell reports of a process that this signal ended: 130 or 143."""
        return 128 + (self.signal or 0)

    def _arrived(self, number: int, _: FrameType | None) -> None:
        if self.signal is None:
            self.signal, self._end = number, time.monotonic() + self.grace_seconds
        else:
            self._end = 0.0
