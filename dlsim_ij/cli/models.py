"""``dlsim models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options

if TYPE_CHECKING:
    from dlsim_ij.bundles.bundle import Bundle


@click.command(epilog="Example: dlsim models sim15")
@click.argument("name", required=False)
@options.common
def command(name: str | None, as_json: bool) -> None:
    """List the models: what each is for, trained on what, measured how.

    NAME is a shipped model or the folder of your own; its whole card is shown.
    """
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
