"""Training: a configuration and samples in, a run folder with a finished model out.

In: a `TrainingConfig` and a `SampleSource`. Out: history, checkpoints that resume to the same bits,
and a bundle. Knows no raw files, no simulation, no command line, no inference by tiles.
Start at `loop.py`; `recipes.py` holds the seed's settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.training.loop import train
    from dlsim_ij.training.outcome import Progress, TrainingResult
    from dlsim_ij.training.settings import TrainingConfig

_HOMES = {  # torch loads when training starts, not before
    "TrainingConfig": "settings",
    "train": "loop",
    "TrainingResult": "outcome",
    "Progress": "outcome",
}

__all__ = ["TrainingConfig", "train", "TrainingResult", "Progress"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
