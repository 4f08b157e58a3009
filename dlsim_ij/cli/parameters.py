"""``--parameters FILE``: the illumination of another stack, as `dlsim recon` wrote it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dlsim_ij.cli import options

Command = TypeVar("Command", bound=Callable[..., Any])


def calibration(command: Command) -> Command:
    """Add ``--parameters`` to a verb that can use a calibration."""
    return click.option(
        "--parameters", "parameters_file", type=options.ExistingPath, metavar="FILE",
        help="Patterns of a brighter stack of the same session (NAME_wiener.json of dlsim recon): only their "
        "phases are measured.",
    )(command)  # fmt: skip


def read_parameters(path: Path | None) -> dict[str, Any] | None:
    """Return what a file of parameters holds; it is checked by whoever uses it.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds something else.
    """
    from dlsim_ij.config import read_parameters as read  # here: it loads pydantic, and --help does without

    return read(path)
