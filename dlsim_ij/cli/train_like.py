"""``dlsim train --like``: its options, and what it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dlsim_ij.cli import options
from dlsim_ij.errors import ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])

_CONFIG_ENDINGS = (".yaml", ".yml")
_OWN = ("model", "pixel_size_um", "na", "emission_nm", "layout", "minutes")


def like_options(command: Command) -> Command:
    """Add ``--like`` and what goes with it."""
    command = click.option(
        "--minutes", type=click.FloatRange(0.1, 10_000), metavar="M",
        help="With --like: time for everything together (18).",
    )(command)  # fmt: skip
    command = click.option("--layout", metavar="AxP", help="With --like: angles x phases (3x5).")(command)
    command = click.option(
        "--emission-nm", type=float, metavar="NM", help="With --like: emission wavelength (525)."
    )(command)
    command = click.option("--na", type=float, help="With --like: numerical aperture (1.49).")(command)
    command = click.option(
        "--pixel-size", "pixel_size_um", type=click.FloatRange(0, 10, min_open=True), metavar="UM",
        help="With --like: pixel of the frames in micrometres, if the files do not tell.",
    )(command)  # fmt: skip
    command = click.option(
        "--model", metavar="NAME", help="With --like: what to start from, name or folder (sim15)."
    )(command)
    return click.option(
        "--like", is_flag=True,
        help="The arguments are raw stacks of one microscope: tune a model to it.",
    )(command)  # fmt: skip


def the_configuration(inputs: tuple[str, ...], **of_stacks: Any) -> str:
    """Return the one configuration file of a training without ``--like``.

    Raises
    ------
    ConfigError
        There is none, there are several, or an option was given that goes with ``--like``.
    """
    if len(inputs) != 1:
        raise ConfigError(
            f"{len(inputs)} configurations were given, one is needed",
            "dlsim train CONFIG, or dlsim train --like RAW... to tune a model to your stacks",
        )
    given = [name for name, value in of_stacks.items() if value is not None]
    if given:
        flag = {"pixel_size_um": "pixel-size"}.get(given[0], given[0].replace("_", "-"))
        raise ConfigError(f"--{flag} goes with --like", "the configuration file says what is trained on")
    return inputs[0]


def tune_to(
    inputs: tuple[str, ...],
    assignments: tuple[str, ...],
    output: Path | None,
    *,
    resume: bool,
    seed: int | None,
    threads: int | None,
    dry_run: bool,
    as_json: bool,
    make_bar: Callable[[bool], Any],
    **of_stacks: Any,
) -> int:
    """Tune a model to raw stacks; return the exit code: 1 if it did not get better."""
    if not inputs:
        raise ConfigError("--like without a raw stack", "for example dlsim train --like raw.tif -o tuned")
    configs = [word for word in inputs if word.lower().endswith(_CONFIG_ENDINGS)]
    if configs:
        raise ConfigError(
            f"{configs[0]} is a configuration, and --like takes raw stacks",
            "give a configuration or --like RAW..., one of the two; --set changes single settings",
        )
    if output is None:
        raise ConfigError("-o is missing: a tuning has no folder of its own", "for example -o tuned")
    options.set_threads(threads)
    from dlsim_ij.cli.simulate_inputs import tell_fit
    from dlsim_ij.config import parse_overrides
    from dlsim_ij.tuning_job import TuneRequest, prepare, tune
    from dlsim_ij.tuning_job.job import describe

    overrides = parse_overrides(assignments)
    if threads is not None:
        overrides["threads"] = threads
    given = {name: of_stacks[name] for name in _OWN if of_stacks[name] is not None}
    if seed is not None:
        given["seed"] = seed
    request = TuneRequest(
        raws=tuple(map(Path, inputs)), output=output, overrides=overrides, resume=resume, **given
    )
    shown = options.show_progress()
    prepared = prepare(request)
    if shown:
        for stack in prepared.stacks:
            click.echo(f"{stack.name}:", err=True)
            tell_fit(stack.fit, stack.enlarged, stack.acquisition.optics.pixel_size_um)
        for sentence in prepared.left_out:
            click.echo(f"warning: {sentence}", err=True)
    if dry_run:
        options.print_result(describe(prepared)[0], as_json, describe(prepared)[1])
        return 0

    def tell(sentence: str) -> None:
        if shown:
            click.echo(f"train: {sentence}", err=True)

    with make_bar(shown) as bar:
        result = tune(prepared, progress=bar.update, tell=tell)
    if result.accepted:
        head = f"the tuned model is {result.model_dir}: dlsim run RAW -o results --model {result.model_dir}"
    else:
        head = (
            f"refused: not shown to be better than '{prepared.start.name}' after {result.steps} steps; "
            "no model was kept"
        )
    text = "\n".join([head, *result.sentences, f"all numbers: {output / 'proof.md'}"])
    options.print_result(result.to_dict(), as_json, text)
    return 0 if result.accepted else 1
