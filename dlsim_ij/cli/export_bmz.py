"""``dlsim export-bmz``: a model to a BioImage Model Zoo package."""

from __future__ import annotations

from pathlib import Path

import click

from dlsim_ij.cli import options


@click.command(epilog="Example: dlsim export-bmz sim15 -o sim15.zip")
@click.argument("model")
@click.option(
    "-o", "--output", required=True, type=options.OutputPath, metavar="FILE", help="The zip to write."
)
@click.option(
    "--author", "authors", multiple=True, metavar="NAME",
    help="Who made the model; may be given several times (default: of shipped models, their developers).",
)  # fmt: skip
@click.option(
    "--test/--no-test",
    default=True,
    show_default=True,
    help="Have bioimageio.core (extra bmz) test the package.",
)
@options.threads
@options.overwrite
@options.dry_run
@options.common
def command(
    model: str,
    output: Path,
    authors: tuple[str, ...],
    test: bool,
    threads: int | None,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a model as a BioImage Model Zoo package, for deepImageJ and others.

    MODEL is a shipped name or a model folder. The package holds TorchScript weights, test arrays, a cover and
    a README made from the model's card; it is put in place only when it has passed its test.
    """
    if dry_run:
        from dlsim_ij.bundles.bundle import load_bundle
        from dlsim_ij.files import refuse_existing

        refuse_existing(output, overwrite)
        name = load_bundle(model).name
        row = {"model": name, "package": str(output), "dry_run": True}
        options.print_result(row, as_json, f"{name} -> {output}")
        return
    options.set_threads(threads)
    from dlsim_ij.zoo_job import export_package

    done = export_package(model, output, authors=authors, test=test, overwrite=overwrite)
    for warning in done.warnings:
        if options.show_progress():
            click.echo(f"warning: {warning}", err=True)
    options.print_result(done.to_dict(), as_json, str(done.package))
