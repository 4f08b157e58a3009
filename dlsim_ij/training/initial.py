"""Starting from what another model has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlsim_ij.bundles import load_bundle
from dlsim_ij.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


def start_from(network: nn.Module, model: str) -> None:
    """Give `network` the weights of a model of the same architecture.

    Parameters
    ----------
    network : torch.nn.Module
        Its own weights are replaced.
    model : str
        Shipped name or folder.

    Raises
    ------
    ModelError
        There is no such model, or its weights have other names or shapes.
    """
    bundle = load_bundle(model)
    try:
        network.load_state_dict(bundle.create().state_dict())
    except RuntimeError as error:
        raise ModelError(
            f"the weights of '{bundle.name}' do not fit this network: {str(error).splitlines()[-1].strip()}",
            f"set network.options as in {bundle.folder / 'model.json'}, or leave network.initial away",
        ) from error
