"""Ctrl-C and SIGTERM as a wish that is granted after the step that runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopWish:
    """Remembers the signal that asked for a stop; empty until then."""

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def __bool__(self) -> bool:
        return self.signal_name is not None


@contextmanager
def stop_on_signals() -> Iterator[StopWish]:
    """Catch SIGINT and SIGTERM while the context lasts; a second one acts at once.

    Signals belong to the main thread: elsewhere the wish stays empty and nothing is changed.
    """
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def remember(number: int, frame: FrameType | None) -> None:
        wish.signal_name = signal.Signals(number).name
        restore()

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            # None: not set from Python, so it could not be put back; ignored signals stay ignored
            if handler is not None and handler is not signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, remember)
        yield wish
    finally:
        restore()
