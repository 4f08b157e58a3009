"""Python's signal handlers, which a starting Java may take."""

from __future__ import annotations

import signal
from typing import Any


def signal_handlers() -> dict[int, Any]:
    """Return Python's own handlers; `-Xrs` and `interrupt=False` keep most, but not in every Java."""
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    return {number: signal.getsignal(number) for number in numbers if number is not None}


def put_back(handlers: dict[int, Any]) -> None:
    """Set those handlers again that were taken since."""
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)
