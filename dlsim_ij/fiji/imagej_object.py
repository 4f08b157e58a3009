"""The ImageJ object of a plain ij.jar with a display: made, and made again when a macro has quit it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dlsim_ij.errors import FijiError

if TYPE_CHECKING:
    from dlsim_ij.fiji.session import Session

_QUIT_SECONDS = 10.0


def open_imagej(interactive: bool) -> None:
    """Make the ImageJ object: without it, "no image is open" makes ImageJ call System.exit."""
    from jpype import JClass

    imagej = JClass("ij.ImageJ")
    imagej(imagej.STANDALONE if interactive else imagej.NO_SHOW).exitWhenQuitting(False)


def bring_back(session: Session) -> None:
    """Make it again if it has quit: ``run("Quit")`` returns at once, and ends it later, with its log.

    Raises
    ------
    FijiError
        It is still quitting after a while.
    """
    if not session.owned or session.headless or session.way != "jar":
        return
    from jpype import JClass

    ij = JClass("ij.IJ")
    end = time.monotonic() + _QUIT_SECONDS
    while (there := ij.getInstance()) is not None and there.quitting() and time.monotonic() < end:
        time.sleep(0.02)
    if there is None:
        open_imagej(session.interactive)
    elif there.quitting():
        raise FijiError(
            f"ImageJ was told to quit and has not after {_QUIT_SECONDS:.0f} s",
            "does one of its dialogs wait for an answer? Else start a new process",
        )
