"""Where the engine's process of the warm worker starts: its loop lies below, the command line here."""

from __future__ import annotations

import sys


def main() -> None:
    """Serve jobs; the mark that ends their output is the one argument."""
    from dlsim_ij.cli.main import run
    from dlsim_ij.worker.engine import Engine

    Engine(run, bytes.fromhex(sys.argv[1])).serve()
