"""``--parameters FILE``: the illumination of another stack, as `dlsim recon` wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError

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
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is not JSON: {error}", "dlsim recon writes parameters as NAME_wiener.json"
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds no parameters", "dlsim recon writes them as NAME_wiener.json")
    return data
