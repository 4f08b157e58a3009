"""What the same frames show without SIM: their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def widefield(frames: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean of all frames, (Y, X) float32: the patterns add up to even light."""
    return np.asarray(frames.mean(axis=0, dtype=np.float64), dtype=np.float32)
