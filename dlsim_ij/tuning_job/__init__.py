"""`dlsim train --like`: raw stacks in, a model tuned to their microscope out, with proof; or a refusal.

In: raw stacks, optics, a model to start from, minutes. Out: fitted conditions, a training, `proof.json`,
`proof.md`, `proof.png`, and `model/` if it got better. Below it: training, inference, datasets, simulation.
Start at `job.py`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.tuning_job.job import Prepared, TuneRequest, Tuning, prepare, tune

_HOMES = {  # torch loads when tuning starts, not before
    "Prepared": "job",
    "TuneRequest": "job",
    "Tuning": "job",
    "prepare": "job",
    "tune": "job",
}

__all__ = ["Prepared", "TuneRequest", "Tuning", "prepare", "tune"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
