"""``dlsim fiji-install``: our macros and menu entries into a Fiji or an ImageJ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlsim_ij.cli import options

if TYPE_CHECKING:
    from dlsim_ij.fiji.install import Installed


@click.command(epilog="Example: dlsim fiji-install ~/Fiji.app")
@click.argument("path", type=options.ExistingPath)
@click.option("--remove", is_flag=True, help="Take them out again.")
@click.option(
    "--command", "program", metavar="FILE", type=options.ExistingPath,
    help="The program that the macros call (default: the dlsim of this Python).",
)  # fmt: skip
@options.dry_run
@options.common
def command(path: Path, remove: bool, program: Path | None, dry_run: bool, as_json: bool) -> int:
    """Put our macros and menu entries into a Fiji or an ImageJ, or take them out.

    PATH is the folder of Fiji (with jars/ in it) or of ImageJ (with ij.jar in it). Macros go to macros/DLSIM,
    entries of the menu Plugins > DLSIM to scripts/Plugins/DLSIM (Fiji) or plugins/DLSIM (ImageJ). Files that
    are not ours, or that you have changed, are kept and named; exit code 1 says that there were some.
    """
    from dlsim_ij.fiji.install import install_macros, remove_macros

    if remove:
        done = remove_macros(path, dry_run=dry_run)
    else:
        words = None if program is None else [str(program.expanduser().absolute())]
        done = install_macros(path, command=words, dry_run=dry_run)
    options.print_result({**done.to_dict(), "dry_run": dry_run}, as_json, _text(done, remove, dry_run))
    for name in done.kept:
        options.show_failure(
            f"kept, since it is not ours or was changed: {Path(done.place) / name}",
            "move it away and run the same again",
        )
    return 1 if done.kept else 0


def _text(done: Installed, remove: bool, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    lines = [f"{done.place}:"]
    if not remove:
        lines.append(f"  {len(done.installed)} files {would}written, {len(done.unchanged)} there already")
    if remove or done.removed:
        lines.append(f"  {len(done.removed)} files {would}removed")
    if done.command:
        lines.append(f"  the macros call {' '.join(done.command)}")
    if (done.installed or done.removed) and not dry_run:
        lines.append(f"  {done.restart}")
    return "\n".join(lines)
