"""What Java prints, as Python log records: it would spoil ``--json`` on the real stdout."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("dlsim_ij.fiji.java")


class JavaLog:
    """Java's ``System.out`` and ``System.err``, kept in memory until they are fetched.

    An abstract Java class cannot be written in Python, so the streams are a ByteArrayOutputStream that is
    emptied after each call rather than one that calls back.
    """

    def __init__(self) -> None:
        from jpype import JClass, synchronized

        self._locked = synchronized
        self._system = JClass("java.lang.System")
        self._buffer = JClass("java.io.ByteArrayOutputStream")()
        self._stream = JClass("java.io.PrintStream")(self._buffer, True, "UTF-8")
        self._drained: list[str] = []
        self._before: tuple[Any, Any] | None = None

    def redirect(self) -> None:
        """Take both streams; `restore` gives them back."""
        if self._before is None:
            self._before = (self._system.out, self._system.err)
        self._system.setOut(self._stream)
        self._system.setErr(self._stream)

    def restore(self) -> None:
        """Give the streams back as they were."""
        if self._before is not None:
            self._system.setOut(self._before[0])
            self._system.setErr(self._before[1])
            self._before = None

    def drain(self) -> None:
        """Log what was printed so far; `fetch` still returns it."""
        self._stream.flush()
        if self._buffer.size() == 0:
            return
        with self._locked(self._buffer):  # a thread that prints between the two calls would be lost
            text = str(self._buffer.toString("UTF-8"))
            self._buffer.reset()
        self._drained.append(text)
        for line in text.splitlines():
            if line.strip():
                logger.info("%s", line)

    def peek(self) -> str:
        """Return what was printed since the last fetch; that still returns it."""
        self.drain()
        return "".join(self._drained)

    def fetch(self) -> str:
        """Log and return what was printed since the last fetch."""
        self.drain()
        text = "".join(self._drained)
        self._drained.clear()
        return text
