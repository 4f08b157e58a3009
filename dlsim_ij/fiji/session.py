"""The running Java of this process, and when it must not be used."""

from __future__ import annotations

import faulthandler
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji.display import VirtualDisplay
from dlsim_ij.fiji.java_log import JavaLog


@dataclass(kw_only=True)
class Session:
    """The running Java of this process."""

    kind: str  # "fiji" or "imagej"
    way: str  # "pyimagej", "scijava", "jar"
    source: str  # folder, jar or endpoint
    java: str
    headless: bool  # no windows at all; otherwise a display, ours or the user's
    interactive: bool  # windows are for a person to see
    owned: bool  # we started Java, so we close it
    log: JavaLog
    gateway: Any = None
    display: VirtualDisplay | None = None
    preferences: Path | None = None
    pid: int = field(default_factory=os.getpid)
    faulthandler: bool = field(default_factory=faulthandler.is_enabled)
    over: str | None = None  # why Java cannot be used any more

    def require_usable(self) -> None:
        """Refuse before a call that would hang or crash.

        Raises
        ------
        FijiError
            This is a forked child, Java is closed, or faulthandler took Java's signal handlers.
        """
        if os.getpid() != self.pid:
            # the child has Java's memory but none of its threads: it hangs at the first garbage collection
            raise FijiError(
                "this process was forked from one that runs Java, and cannot use it",
                "start workers with the method 'spawn', or use Fiji in the parent only",
            )
        if self.over is not None:
            raise FijiError(self.over, "start a new Python process")
        if faulthandler.is_enabled() != self.faulthandler:
            was = "enabled" if faulthandler.is_enabled() else "disabled"
            undo = "disable" if faulthandler.is_enabled() else "enable"
            raise FijiError(
                f"faulthandler was {was} after Java started; the next Java error would crash Python",
                f"call faulthandler.{undo}(), or do it before Fiji starts (pytest: -p no:faulthandler)",
            )

    @property
    def is_healthy(self) -> bool:
        """Whether Java can be closed in good order."""
        return self.over is None and self.can_call_java

    @property
    def can_call_java(self) -> bool:
        """Whether a call of Java returns; without its signal handlers it ends the process."""
        return faulthandler.is_enabled() == self.faulthandler
