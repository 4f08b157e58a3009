"""``dlsim sample``: the public sample, from the network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dlsim_ij.cli import options


@click.command(epilog="Example: dlsim sample -o sample")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Folder to fill.")
@click.option(
    "--mirror", metavar="URL",
    help="A copy of the authors' repository, in place of the one on GitHub: http or https.",
)  # fmt: skip
@options.overwrite
@options.dry_run
@options.common
def command(output: Path, mirror: str | None, overwrite: bool, dry_run: bool, as_json: bool) -> None:
    """Fetch the public microtubule sample of the paper: 34 TIFFs, 4.5 MB.

    Raw frames under normal and under low light (enlarged twofold by the authors), and the vendor's
    reconstructions. Every file is checked; what is there already is not fetched again.
    """
    from dlsim_ij.sample_job import SOURCE, fetch_sample, known_sums

    if dry_run:
        row = {"folder": str(output), "files": len(known_sums()), "source": mirror or SOURCE, "dry_run": True}
        options.print_result(row, as_json, f"{row['source']} -> {output}")
        return
    with click.progressbar(
        length=1, label="sample", file=sys.stderr, hidden=not options.show_progress()
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        sample = fetch_sample(output, mirror=mirror, overwrite=overwrite, progress=progress)
    options.print_result(sample.to_dict(), as_json, str(sample.folder))
