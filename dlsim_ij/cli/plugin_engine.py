"""``--engine fiji``: the published plugin's own numbers beside ours, where that ImageJ has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dlsim_ij.cli import options

if TYPE_CHECKING:
    from dlsim_ij.fiji import Fiji

Command = TypeVar("Command", bound=Callable[..., Any])


def plugin_engine(command: Command) -> Command:
    """Add ``--engine`` and ``--fiji`` to a verb whose numbers a published plugin gives, too."""
    command = click.option(
        "--fiji", "fiji_path", metavar="PATH", envvar="DLSIM_FIJI",
        help="For --engine: a Fiji folder, or an ImageJ's (default: DLSIM_FIJI, then the usual places).",
    )(command)  # fmt: skip
    return click.option(
        "--engine", type=click.Choice(["auto", "fiji", "imagej", "none"]), default="auto", show_default=True,
        help="fiji, imagej: also run the published plugin there and show its numbers; else ours alone.",
    )(command)  # fmt: skip


def open_plugin(plugin: str, engine: str, path: str | None) -> Fiji | None:
    """Start the ImageJ that has a plugin; None where none is asked for, or that ImageJ does not have it.

    Raises
    ------
    FijiError
        That ImageJ is not there, or cannot make windows.
    """
    if engine in ("auto", "none"):
        return None
    from dlsim_ij.fiji import Fiji
    from dlsim_ij.fiji.original_plugins import missing_plugin

    fiji = Fiji(engine=engine, path=path, mode="offscreen").start()
    missing = missing_plugin(fiji, plugin)
    if missing is None:
        return fiji
    if options.show_progress():
        click.echo(f"warning: {missing}", err=True)
    return None
