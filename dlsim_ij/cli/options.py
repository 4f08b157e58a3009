"""Options that several verbs share, and the one way to print results."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from dlsim_ij.cli import logs, macro_answer
from dlsim_ij.errors import ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])

ExistingPath = click.Path(path_type=Path)  # existence is checked by the readers, which give better advice
OutputPath = click.Path(path_type=Path)


def _set_verbosity(context: click.Context, _: click.Parameter, count: int) -> int:
    context.meta["dlsim.verbosity"] = count
    logs.configure(count)
    return count


def _set_quiet(context: click.Context, _: click.Parameter, quiet: bool) -> bool:
    if quiet:
        context.meta["dlsim.quiet"] = True
        logs.configure(-1)
    return quiet


def _set_macro(context: click.Context, _: click.Parameter, wanted: bool) -> bool:
    if wanted:  # ImageJ reads no stderr, so a pipe full of it would stop us for ever
        context.meta["dlsim.quiet"] = context.meta["dlsim.macro"] = True
        logs.configure(-1)
    return wanted


def _json_or_macro(context: click.Context, _: click.Parameter, as_json: bool) -> bool:
    return as_json or bool(context.meta.get("dlsim.macro"))


def common(command: Command) -> Command:
    """Add ``--json``, ``--macro``, ``-v``, ``-q`` and ``--no-worker``, which every verb has."""
    # both are read by the worker's client, before a verb is imported
    command = click.option(
        "--start-worker", is_flag=True, expose_value=False,
        help="Start a warm worker if none runs, for this call and later ones (DLSIM_WORKER=auto).",
    )(command)  # fmt: skip
    command = click.option(
        "--no-worker", is_flag=True, expose_value=False,
        help="Do without the warm worker, if one runs (dlsim serve; DLSIM_WORKER=off).",
    )(command)  # fmt: skip
    command = click.option(
        "--macro-results", metavar="FILE", type=OutputPath, expose_value=False,
        help="With --macro: where results.json goes (default: a new temporary folder).",
    )(command)  # fmt: skip
    command = click.option(
        "--macro", is_flag=True, is_eager=True, expose_value=False, callback=_set_macro,
        help="For ImageJ macros: results in files, 'DLSIM OK FILE' or 'DLSIM ERROR why' on stdout.",
    )(command)  # fmt: skip
    command = click.option(
        "--json", "as_json", is_flag=True, callback=_json_or_macro,
        help="JSON Lines on stdout, nothing else there.",
    )(command)  # fmt: skip
    command = click.option(
        "-v", "--verbose", count=True, expose_value=False, callback=_set_verbosity,
        help="More messages; -v -v shows tracebacks.",
    )(command)  # fmt: skip
    return click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_set_quiet,
        help="Errors only: no progress, no warnings.",
    )(command)  # fmt: skip


def only(command: Command) -> Command:
    """Add ``--only``."""
    return click.option(
        "--only", metavar="PATTERN",
        help="Of folders take only what is called like this, such as '*_raw.tif'.",
    )(command)  # fmt: skip


def overwrite(command: Command) -> Command:
    """Add ``--overwrite``."""
    return click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")(command)


def dry_run(command: Command) -> Command:
    """Add ``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done and written; do nothing.")(
        command
    )


def threads(command: Command) -> Command:
    """Add ``--threads``."""
    return click.option(
        "--threads", type=click.IntRange(1), help="Processor threads to use (default: all).", metavar="N"
    )(command)


def seed(command: Command) -> Command:
    """Add ``--seed``."""
    return click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed.")(
        command
    )


def engine(command: Command) -> Command:
    """Add ``--engine`` and ``--fiji``."""
    command = click.option(
        "--fiji", "fiji_path", metavar="PATH", envvar="DLSIM_FIJI",
        help="A Fiji folder or a Maven endpoint (default: DLSIM_FIJI, then the usual places).",
    )(command)  # fmt: skip
    return click.option(
        "--engine", type=click.Choice(["auto", "fiji", "imagej", "none"]), default="auto", show_default=True,
        help="Who does ImageJ's part.",
    )(command)  # fmt: skip


def acquisition(command: Command) -> Command:
    """Add what the user knows of the microscope: pixel size, optics, layout; and ``--force``."""
    command = click.option(
        "--force", is_flag=True, help="Go on when the frames do not look like a SIM acquisition."
    )(command)
    command = click.option(
        "--layout", default="3x5", show_default=True, metavar="AxP", help="Angles x phases."
    )(command)
    command = click.option(
        "--emission-nm", type=float, default=525.0, show_default=True, help="Emission wavelength."
    )(command)
    command = click.option("--na", type=float, default=1.49, show_default=True, help="Numerical aperture.")(
        command
    )
    return click.option(
        "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
        help="Pixel of the frames in micrometres, if the files do not tell.",
    )(command)  # fmt: skip


def set_threads(count: int | None) -> None:
    """Limit the numeric libraries to `count` threads; to be called before torch is imported."""
    if count is None:
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    import torch

    torch.set_num_threads(count)


def show_progress() -> bool:
    """Whether a progress bar is wanted: not under ``--quiet``."""
    context = click.get_current_context(silent=True)
    return not (context is not None and context.meta.get("dlsim.quiet"))


def print_result(result: Mapping[str, Any], as_json: bool, text: str | None = None) -> None:
    """Print one result on stdout: one JSON line, or `text`; under ``--macro`` keep it for the answer."""
    answer = macro_answer.current()
    if answer is not None:
        answer.add_result(result)
    elif as_json:
        click.echo(json.dumps(result, ensure_ascii=False, allow_nan=False))
    elif text is not None:
        click.echo(text)


def show_failure(message: str, hint: str | None = None) -> None:
    """Say on stderr, or under ``--macro`` in the answer, what is wrong with one of several inputs."""
    answer = macro_answer.current()
    if answer is not None:
        answer.add_failure(message, hint)
        return
    click.echo("error: " + " ".join(message.split()), err=True)
    if hint:
        click.echo("hint: " + " ".join(hint.split()), err=True)


def pick(given: str, choices: list[str], what: str) -> str:
    """Return `given` if it is one of `choices`, else refuse with the closest one."""
    if given in choices:
        return given
    from dlsim_ij.config import did_you_mean

    raise ConfigError(f"no {what} is called '{given}'", did_you_mean(given, choices))
