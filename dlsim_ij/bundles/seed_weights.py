"""Read the weights that the seed's own training scripts wrote."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from dlsim_ij.errors import ModelError
from dlsim_ij.networks.registry import create_network

if TYPE_CHECKING:
    from torch import nn


def load_seed_weights(
    path: str | os.PathLike[str], architecture: str, trust_pickle: bool = False
) -> nn.Module:
    """Make a network of the seed with the weights of a ``.pkl`` or ``.pth`` file.

    Even with `trust_pickle` the file is read by torch's restricted reader, which builds tensors and
    calls nothing else: a state dict, all that the seed ever saved, needs no more.

    Parameters
    ----------
    path : path-like
        The file; ``.safetensors`` works as well and needs no trust.
    architecture : str
        A name of the registry: ``unet-sim15``, ``scunet``, ...
    trust_pickle : bool
        Required for anything but safetensors.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU.

    Raises
    ------
    ModelError
        The file is a pickle and not trusted, is no state dict, or does not fit the architecture.
    """
    import torch
    from safetensors.torch import load_file

    from dlsim_ij.networks.seed_names import load_seed_state_dict

    file = Path(path)
    is_pickle = file.suffix.lower() != ".safetensors"
    if is_pickle and not trust_pickle:
        raise ModelError(
            f"{file} is a pickle file, which can run any code when it is opened",
            "if you trust where it comes from, add --trust-pickle (trust_pickle=True)",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of old pickle protocols, and refuses what it must
            state = torch.load(file, map_location="cpu", weights_only=True) if is_pickle else load_file(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}", "check the path") from error
    except Exception as error:  # a damaged or hostile file fails anywhere in the reader; none goes on
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{file} holds no plain weights: {reason}", "save network.state_dict() alone"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"{file} holds no state dict", "save network.state_dict() alone")
    network = create_network(architecture)
    load_seed_state_dict(network, state)
    return network.eval()
