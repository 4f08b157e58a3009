"""The optimiser of a run, and its state as tensors and JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlsim_ij.training.settings import TrainingConfig


def make_optimiser(config: TrainingConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of the settings, one fused step for all weights that are to be trained."""
    settings = config.optimiser
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors, named ``number/key``, and JSON values."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for number, entries in optimiser.state_dict()["state"].items():
        for key, value in entries.items():
            kind = tensors if isinstance(value, torch.Tensor) else values
            kind[f"{number}/{key}"] = value
    return tensors, values


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]
) -> None:
    """Give back what :func:`optimiser_state` took; the settings come from the configuration."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in [*tensors.items(), *values.items()]:
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, entries in optimiser.state.items():
        for key, value in entries.items():
            if key != "step" and getattr(value, "shape", None) == parameter.shape:
                # the fused step walks through memory, so moments and weights need equal strides
                entries[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)
