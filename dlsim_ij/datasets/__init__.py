"""Datasets: raw folders or a simulator in, normalised training pairs out.

In: folders of raw frames and reconstructed images, or simulated fields. Out: a prepared dataset on disk
(one file per field of view and `dataset.json`), and from it batches of inputs and targets.
Knows no network, no training loop, no JVM (enlargement is handed in as `resize=`), no command line.
Start at `prepare.py`, which makes a dataset, and `pairs.py`, which reads one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.datasets.layouts import find_fields
    from dlsim_ij.datasets.normalise import Scaling, robust_scaling
    from dlsim_ij.datasets.pairs import PreparedPairs
    from dlsim_ij.datasets.patches import tile_grid
    from dlsim_ij.datasets.plan import PrepareSettings
    from dlsim_ij.datasets.prepare import prepare_dataset
    from dlsim_ij.datasets.selection import select_frames
    from dlsim_ij.datasets.source import SampleSource, make_source
    from dlsim_ij.datasets.split import split_fields

_HOMES = {  # torch loads with pairs alone, and only when it is used
    "PrepareSettings": "plan",
    "PreparedPairs": "pairs",
    "SampleSource": "source",
    "Scaling": "normalise",
    "find_fields": "layouts",
    "make_source": "source",
    "prepare_dataset": "prepare",
    "robust_scaling": "normalise",
    "select_frames": "selection",
    "split_fields": "split",
    "tile_grid": "patches",
}

__all__ = [
    "prepare_dataset", "PrepareSettings", "PreparedPairs", "SampleSource", "make_source",
    "find_fields", "tile_grid", "split_fields", "Scaling", "robust_scaling", "select_frames",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{home}")
    return getattr(module, name)
