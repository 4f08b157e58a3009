"""How a new Python process of this installation is started."""

from __future__ import annotations

import sys
from pathlib import Path

from dlsim_ij.worker.place import PACKAGE


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that calls ``main()`` of a module of ours, with this very code.

    Nothing is found through the working directory, where a user may have a file ``json.py``.
    """
    root = str(Path(PACKAGE).parent)
    code = (
        f"import sys; root = {root!r}; root in sys.path or sys.path.insert(0, root); "
        f"from {module} import main; main()"
    )
    return [sys.executable, "-P", "-c", code, *arguments]


def root_folder() -> str:
    """Return a folder to stand in that nobody will want to remove."""
    return Path(sys.executable).anchor
