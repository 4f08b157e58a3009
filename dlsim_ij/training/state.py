"""The parts of a run that are tensors, packed into one flat mapping for a checkpoint and unpacked again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlsim_ij.errors import DataError
from dlsim_ij.training.averaging import WeightAverage
from dlsim_ij.training.optimiser import optimiser_state, restore_optimiser


def pack(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage | None,
    device: torch.device,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return all that the next step depends on, apart from the step number.

    Returns
    -------
    tensors : dict of str to Tensor
        Named ``network/...``, ``optimiser/...``, ``average/...`` and ``random/...``.
    values : dict
        What the optimiser keeps as plain numbers.
    """
    moments, rest = optimiser_state(optimiser)
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"optimiser/{name}": tensor for name, tensor in moments.items()}
    if average is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in average.averages.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(device)
    return tensors, rest


def unpack(
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: WeightAverage | None,
    device: torch.device,
    *,
    where: Path,
) -> None:
    """Give back what :func:`pack` took; `where` is the checkpoint's name for the message.

    Raises
    ------
    DataError
        The tensors are not those of this network.
    """

    def part(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(name): tensor for key, tensor in tensors.items() if key.startswith(name)}

    try:
        network.load_state_dict(part("network/"))
        restore_optimiser(optimiser, part("optimiser/"), values)
        if average is not None:
            average.load(part("average/"))
    except (RuntimeError, KeyError, ValueError) as error:
        raise DataError(
            f"{where} does not fit the network: {str(error).splitlines()[0]}",
            "was the package updated in between? start another run with -o",
        ) from error
    torch.set_rng_state(tensors["random/cpu"])
    if device.type == "cuda" and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
