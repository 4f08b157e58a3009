"""``dlsim report``: a results folder to its report, again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dlsim_ij.cli import options


@click.command(epilog="Example: dlsim report results")
@click.argument("folder", metavar="DIR", type=options.ExistingPath)
@click.option(
    "--overwrite", is_flag=True,
    help="Replace report files that dlsim did not write; its own are always replaced.",
)  # fmt: skip
@options.dry_run
@options.common
def command(folder: Path, overwrite: bool, dry_run: bool, as_json: bool) -> None:
    """Build the report of a results folder again.

    Writes report.html, metrics.csv, metrics.json and params.json from the images and the *_run.json files
    that 'dlsim run' left in DIR.
    """
    from dlsim_ij.report import write_report
    from dlsim_ij.report.build import planned_files

    if dry_run:
        for path in planned_files(folder, overwrite=overwrite):
            click.echo(f"would write {path}", err=True)
        return
    with click.progressbar(
        length=1, label="report", file=sys.stderr, hidden=not options.show_progress()
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        path = write_report(folder, overwrite=overwrite, progress=progress)
    options.print_result({"report": str(path)}, as_json, str(path))
