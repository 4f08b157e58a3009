"""Bundles: a network and its card in, a folder that anybody can use out; and back.

In: a network and what is known about it. Out: `weights.safetensors` and `model.json`, verified on
loading. Knows no images, no training, no prediction, no command line.
Start at `card.py`, the fields of model.json; `bundle.py` reads and writes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.bundles.bundle import Bundle, load_bundle, save_bundle
    from dlsim_ij.bundles.card import ModelCard
    from dlsim_ij.bundles.seed_weights import load_seed_weights
    from dlsim_ij.bundles.shipped import shipped_names

_HOMES = {
    "Bundle": "bundle",
    "load_bundle": "bundle",
    "save_bundle": "bundle",
    "ModelCard": "card",
    "load_seed_weights": "seed_weights",
    "shipped_names": "shipped",
}

__all__ = ["Bundle", "load_bundle", "save_bundle", "ModelCard", "load_seed_weights", "shipped_names"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
