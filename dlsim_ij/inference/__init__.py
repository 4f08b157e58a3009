"""Inference: a model and raw frames in, a super-resolved image out.

In: a loaded model, frames (n_frames, Y, X) in camera counts, their patterns. Out: `Prediction` with the
image in counts. Knows no files but the model's, no JVM, no command line. Below it: datasets (input
channels), bundles, acquisition. Start at `predictor.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.inference.chain import cascade
    from dlsim_ij.inference.predictor import Model, Prediction, load_model, predict
    from dlsim_ij.inference.seed_model import import_seed_model, load_seed_model

_HOMES = {  # torch loads when one of these is used, not before
    "Model": "predictor",
    "Prediction": "predictor",
    "load_model": "predictor",
    "predict": "predictor",
    "cascade": "chain",
    "load_seed_model": "seed_model",
    "import_seed_model": "seed_model",
}

__all__ = ["Model", "Prediction", "load_model", "predict", "cascade", "load_seed_model", "import_seed_model"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
