"""Networks: channels in, images out; nothing but torch.nn.

In: (B, C, H, W) float32 tensors, already normalised. Out: (B, 1 or 15, s*H, s*W) tensors.
Knows no files, no normalisation constants, no training, no device.
Start at `registry.py`: the names under which networks are made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.networks.blocks import set_batchnorm_mode
    from dlsim_ij.networks.registry import create_network, network_names
    from dlsim_ij.networks.seed_names import load_seed_state_dict

_HOMES = {  # torch loads when one of these is used, not before
    "create_network": "registry",
    "network_names": "registry",
    "set_batchnorm_mode": "blocks",
    "load_seed_state_dict": "seed_names",
}

__all__ = ["create_network", "network_names", "set_batchnorm_mode", "load_seed_state_dict"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
