"""``dlsim macro``: an ImageJ macro without ImageJ's window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dlsim_ij.cli import options


@click.command(epilog='Example: dlsim macro measure.ijm "path=[/data/my cell.tif] sigma=2"')
@click.argument("file", type=options.ExistingPath)
@click.argument("argument", required=False, default="")
@click.option("--lenient", is_flag=True, help="Go on when a command only logs a Java error.")
@click.option(
    "--offscreen",
    is_flag=True,
    help="Give a Fiji a virtual screen, for commands that it cannot run headless.",
)
@options.engine
@options.common
def command(
    file: Path,
    argument: str,
    lenient: bool,
    offscreen: bool,
    engine: str,
    fiji_path: str | None,
    as_json: bool,
) -> None:
    """Run an ImageJ macro headless, with its errors and line numbers.

    FILE is the macro; what follows is returned by its getArgument(). Printed are what the macro returned,
    what it logged, and its tables. In the macro, Ext.dlsim("predict", "model=sim15") and other verbs call
    Python on the current image.
    """
    from dlsim_ij.errors import MacroError
    from dlsim_ij.fiji import Fiji

    code = _read(file)
    with Fiji(engine=engine, path=fiji_path, mode="offscreen" if offscreen else "headless") as fiji:
        try:
            result = fiji.run_macro(code, argument, strict=not lenient)
        except MacroError as error:
            where = f"{file} line {error.line}" if error.line is not None else str(file)
            raise MacroError(f"{where}: {error.message}", error.line, error.hint) from error
        record = {"file": str(file), **result.to_dict(), **fiji.describe()}
    options.print_result(record, as_json, _text(result))


def _read(file: Path) -> str:
    from dlsim_ij.errors import FijiError

    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return file.read_text(encoding="latin-1")  # old macros with a micro sign
    except OSError as error:
        raise FijiError(
            f"cannot read {file}: {error.strerror}", "give the path of a macro, FILE.ijm"
        ) from error


def _text(result: Any) -> str:
    parts = [result.log.rstrip("\n")] if result.log.strip() else []
    for title, table in result.tables.items():
        parts.append("\n".join([title, *_rows(table)]))
    if result.value is not None:
        parts.append(result.value)
    return "\n".join(parts) if parts else ""


def _rows(table: dict[str, list[Any]]) -> list[str]:
    """Write a table as tab-separated lines, as ImageJ saves it."""
    rows = zip(*table.values(), strict=True)
    return ["\t".join(table), *("\t".join(_cell(value) for value in row) for row in rows)]


def _cell(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)
