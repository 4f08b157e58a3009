"""The only place that attaches a log handler: stderr, so stdout stays for results."""

from __future__ import annotations

import logging
import sys


def configure(verbosity: int) -> None:
    """Show warnings (0), information (1) or everything (2) of this package on stderr."""
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("dlsim_ij")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
