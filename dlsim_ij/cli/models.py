"""``dlsim models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.seed_weights import import_given, seed_weights
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.bundles.bundle import Bundle


@click.command(epilog="Example: dlsim models sim15")
@click.argument("name", required=False)
@click.option(
    "--import", "imported", type=options.ExistingPath, metavar="FILE",
    help="Write weights of the seed's scripts as a model folder (-o); tell --recipe and --maxima.",
)  # fmt: skip
@click.option("-o", "--output", type=options.OutputPath, metavar="DIR", help="Model folder of --import.")
@seed_weights
@options.overwrite
@options.common
def command(
    name: str | None,
    imported: Path | None,
    output: Path | None,
    trust_pickle: bool,
    recipe: str | None,
    maxima: tuple[float, float] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """List the models: what each is for, trained on what, measured how.

    NAME is a shipped model or the folder of your own; its whole card is shown. With --import, weights that
    the scripts of Jin et al. saved become such a folder.
    """
    if imported is not None:
        if name is not None or output is None:
            raise ConfigError("--import FILE wants -o FOLDER and no NAME", "see dlsim models --help")
        made = import_given(
            imported, output, trust_pickle=trust_pickle, recipe=recipe, maxima=maxima, overwrite=overwrite
        )
        options.print_result({"models": [_fields(made)]}, as_json, str(made.folder))
        return
    if output is not None or trust_pickle or recipe is not None or maxima is not None or overwrite:
        raise ConfigError(
            "-o, --overwrite, --trust-pickle, --recipe and --maxima belong to --import", "add --import FILE"
        )
    from dlsim_ij.bundles.bundle import load_bundle
    from dlsim_ij.bundles.shipped import shipped_names
    from dlsim_ij.networks.registry import network_names

    bundles = [load_bundle(each) for each in ([name] if name else shipped_names())]
    if name:
        text = _card(bundles[0])
    else:
        rows = [_row(bundle) for bundle in bundles] or ["no model is shipped with this installation"]
        text = "\n".join([*rows, "", "Networks that dlsim train can make: " + ", ".join(network_names())])
    options.print_result(
        {"models": [_fields(bundle) for bundle in bundles], "networks": network_names()}, as_json, text
    )


def _fields(bundle: Bundle) -> dict[str, Any]:
    return {"path": str(bundle.folder), **bundle.card.model_dump(mode="json")}


def _row(bundle: Bundle) -> str:
    card = bundle.card
    pixel = f", {1000 * card.pixel_size_um:.0f} nm pixels" if card.pixel_size_um else ""
    frames = (
        f"{len(card.frames.selection)} of {card.frames.total} frames" if card.frames else "frames unknown"
    )
    facts = f"{frames}, x{card.scale}{pixel}, licence {card.licence}"
    return f"{card.name:12} {card.description or '(no description)'}\n{'':12} {facts}"


def _card(bundle: Bundle) -> str:
    import yaml

    text = yaml.safe_dump(_fields(bundle), sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.rstrip()
