"""``--model FILE.pkl --trust-pickle --recipe NAME --maxima IN,OUT``: weights of the seed's scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.bundles import Bundle
    from dlsim_ij.inference import Model

Command = TypeVar("Command", bound=Callable[..., Any])

_WEIGHTS = (".pkl", ".pth", ".pt")


class Maxima(click.ParamType[tuple[float, ...]]):
    """Two numbers with a comma, as ``5315,15383``."""

    name = "IN,OUT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers; whether they can be maxima is checked where they are used."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 2:
            self.fail(f"'{value}' is not two numbers such as 5315,15383", param, ctx)
        return numbers


def seed_weights(command: Command) -> Command:
    """Add what a weights file of the seed does not tell."""
    command = click.option(
        "--maxima", type=Maxima(),
        help="With --trust-pickle: what inputs and targets were divided by, as 5315,15383 (they stand in "
        "the seed's scripts).",
    )(command)  # fmt: skip
    command = click.option(
        "--recipe", metavar="NAME",
        help="With --trust-pickle: what the weights were trained as, for example seed-sim15, seed-sim4-max.",
    )(command)  # fmt: skip
    return click.option(
        "--trust-pickle", is_flag=True,
        help="Read a FILE.pkl, the weights that the seed's scripts saved. No code in it is run.",
    )(command)  # fmt: skip


def load_given(
    model: str,
    *,
    trust_pickle: bool,
    recipe: str | None,
    maxima: tuple[float, float] | None,
    batchnorm: Literal["running", "per-image"] | None,
    ensemble: bool = False,
) -> Model:
    """Load a model, or the weights file of the seed that is given in its place.

    Raises
    ------
    ConfigError, ModelError
        The options do not belong together, or the file cannot be used.
    """
    from dlsim_ij.inference import load_model, load_seed_model

    if not trust_pickle:
        if recipe is not None or maxima is not None:
            raise ConfigError(
                "--recipe and --maxima tell of weights of the seed", "add --trust-pickle, or leave them away"
            )
        return load_model(model, batchnorm=batchnorm, ensemble=ensemble)
    if Path(model).suffix.lower() not in _WEIGHTS:
        raise ConfigError(
            f"--trust-pickle is for weights of the seed, '{model}' is none",
            "leave it out for a shipped model or a model folder",
        )
    if ensemble:
        raise ConfigError("networks of the seed make no ensemble", "leave --ensemble away")
    if recipe is None or maxima is None:
        raise ConfigError(
            f"{model} holds numbers alone, not what they were trained as",
            "tell with --recipe, for example seed-sim15, and --maxima, for example 5315,15383",
        )
    told = _told_by(recipe)
    if batchnorm is not None:
        told["batchnorm"] = batchnorm
    return load_seed_model(model, maxima=maxima, trust_pickle=True, **told)


def import_given(
    file: Path,
    folder: Path,
    *,
    trust_pickle: bool,
    recipe: str | None,
    maxima: tuple[float, float] | None,
    overwrite: bool,
) -> Bundle:
    """Write a weights file of the seed as a model folder.

    Raises
    ------
    ConfigError, ModelError, OutputError
        Something is not told, the file cannot be used, or the folder holds a model already.
    """
    from dlsim_ij.inference import import_seed_model

    if recipe is None or maxima is None:
        raise ConfigError(
            f"{file} holds numbers alone, not what they were trained as",
            "tell with --recipe, for example seed-sim15, and --maxima, for example 5315,15383",
        )
    return import_seed_model(
        file, folder, maxima=maxima, trust_pickle=trust_pickle, overwrite=overwrite, **_told_by(recipe)
    )


def _told_by(recipe: str) -> dict[str, Any]:
    """Return what a recipe tells of the weights that it trains."""
    from dlsim_ij.training.recipes import make_recipe

    settings = make_recipe(recipe)
    assert settings.data is not None  # every recipe has data
    return {
        "architecture": settings.network.name,
        "frames": settings.data.options["frames"],
        "light": settings.data.options["light"],
        "batchnorm": settings.batchnorm,
    }
