"""From a finished run to a model that anybody can use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlsim_ij
from dlsim_ij.bundles.bundle import Bundle, save_bundle
from dlsim_ij.networks.blocks import has_batchnorm
from dlsim_ij.training.initial import describe_initial, tells_intervals
from dlsim_ij.training.losses import INTERVAL_LEVEL
from dlsim_ij.training.settings import TrainingConfig

if TYPE_CHECKING:
    from torch import nn


def export_model(
    folder: Path,
    network: nn.Module,
    config: TrainingConfig,
    *,
    name: str,
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    scores: Mapping[str, Any],
) -> Bundle:
    """Write the model folder of a run, replacing the run's earlier one.

    Parameters
    ----------
    folder : pathlib.Path
        Where to.
    network : torch.nn.Module
        With the weights to be exported.
    config : TrainingConfig
        Becomes part of the card, so the training can be repeated.
    name : str
        Used if the configuration does not name the model.
    data : mapping
        `SampleSource.describe()`; what it has under "card" becomes fields of the card.
    training, scores : mapping
        Facts about the run, and what was measured.
    """
    card = {
        "name": config.model.name or name,
        "description": config.model.description,
        "licence": config.model.licence,
        "architecture": {"name": config.network.name, "options": config.network.options},
        "in_channels": network.in_channels,
        "scale": network.scale,
        "side_multiple": network.side_multiple,
        "interval": {"level": INTERVAL_LEVEL} if tells_intervals(network) else None,
        "batchnorm": config.batchnorm if has_batchnorm(network) else "none",
        **data.get("card", {}),
        "training": {
            **training,
            **({"initial": describe_initial(config.network.initial)} if config.network.initial else {}),
            "dlsim_ij": dlsim_ij.__version__,
            "config": config.model_dump(mode="json", exclude={"output"}),  # no paths of this machine
            "data": {key: value for key, value in data.items() if key != "card"},
        },
        "scores": dict(scores),
    }
    return save_bundle(folder, network, card, overwrite=True, half_precision=config.model.half_precision)
