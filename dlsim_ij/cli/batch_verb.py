"""The options of another verb on the command line of `dlsim batch`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from dlsim_ij.cli import logs
from dlsim_ij.errors import ConfigError

# what is the batch's own, or belongs to a single input
_OURS = {
    "output", "threads", "only", "overwrite", "dry_run", "as_json", "save_parameters", "truth",
    "trust_pickle", "recipe", "maxima",
}  # fmt: skip
_HINTS = {
    "truth": "score the results afterwards: dlsim score",
    "save_parameters": "every image has its NAME_wiener.json",
    "trust_pickle": "make a model of it first: dlsim models --import",
    "recipe": "make a model of it first: dlsim models --import",
    "maxima": "make a model of it first: dlsim models --import",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbCall:
    """A verb as it was called; see `dlsim_ij.batch_job.task.Task`."""

    inputs: tuple[Path, ...]
    settings: dict[str, Any]
    given: tuple[str, ...]
    flags: tuple[str, ...]


def read_verb(verb: str, words: Sequence[str], output: Path) -> VerbCall:
    """Let a verb read its inputs and options from the words that `dlsim batch` does not know.

    Raises
    ------
    click.UsageError
        The verb does not know them either.
    ConfigError
        An option is for a single input.
    """
    command = importlib.import_module(f"dlsim_ij.cli.{verb}").command
    before = click.get_current_context()
    own = before.meta.get("dlsim.quiet"), before.meta.get("dlsim.verbosity", 0)
    context = command.make_context(f"dlsim {verb}", [*words, "-o", str(output)])
    logs.configure(-1 if own[0] else own[1])  # reading the verb's options has set it anew
    told = click.core.ParameterSource.COMMANDLINE
    settings = dict(context.params)
    inputs = settings.pop("inputs" if "inputs" in settings else "stacks")
    given = [name for name in settings if context.get_parameter_source(name) == told and name != "output"]
    for name in given:
        if name in _HINTS:
            flag = next(p.opts[0] for p in command.params if p.name == name)
            raise ConfigError(f"{flag} is not for a batch", _HINTS[name])
    flags: list[str] = []
    for parameter in command.params:
        if parameter.name in given and isinstance(parameter, click.Option):
            flags += _words(parameter, settings[parameter.name])
    return VerbCall(
        inputs=inputs,
        settings={name: value for name, value in settings.items() if name not in _OURS},
        given=tuple(given),
        flags=tuple(flags),
    )


def _words(option: click.Option, value: Any) -> list[str]:
    if option.is_flag:
        return [option.opts[0] if value else option.secondary_opts[0]]
    return [option.opts[0], ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
