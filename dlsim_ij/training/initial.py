"""Starting from what another model has learned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dlsim_ij.bundles import load_bundle
from dlsim_ij.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

_INTERVALS = "half_width."


def start_from(network: nn.Module, model: str) -> None:
    """Give `network` the weights of a model of the same architecture.

    Parameters
    ----------
    network : torch.nn.Module
        Its own weights are replaced; those of its intervals stay fresh if the model has none, and the
        model's are left away if it tells no intervals.
    model : str
        Shipped name or folder.

    Raises
    ------
    ModelError
        There is no such model, or its weights have other names or shapes.
    """
    bundle = load_bundle(model)
    theirs = bundle.create().state_dict()
    fresh = {name: own for name, own in network.state_dict().items() if name.startswith(_INTERVALS)}
    if not fresh:
        theirs = {name: own for name, own in theirs.items() if not name.startswith(_INTERVALS)}
    elif not any(name.startswith(_INTERVALS) for name in theirs):
        theirs |= fresh
    try:
        network.load_state_dict(theirs)
    except RuntimeError as error:
        raise ModelError(
            f"the weights of '{bundle.name}' do not fit this network: {str(error).splitlines()[-1].strip()}",
            f"set network.options as in {bundle.folder / 'model.json'}, or leave network.initial away",
        ) from error


def describe_initial(model: str) -> dict[str, Any]:
    """Return what a card tells of the model that a training started from: name, weights, its own training."""
    try:
        card = load_bundle(model).card
    except ModelError as error:  # moved since the training began
        logger.warning("the card will not tell how '%s' was trained: %s", model, error.message)
        return {"name": model}
    return {"name": card.name, "weights_sha256": card.weights_sha256, "training": card.training}


def tells_intervals(network: nn.Module) -> bool:
    """Whether a network tells how far its images may be wrong."""
    return getattr(network, "half_width", None) is not None


def keep_images(network: nn.Module) -> None:
    """Let training change nothing but how wide the intervals are.

    Raises
    ------
    ConfigError
        The network tells no intervals.
    """
    if not tells_intervals(network):
        raise ConfigError(
            "train is 'interval', but the network tells no intervals", "set network.options.interval to true"
        )
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(_INTERVALS))
