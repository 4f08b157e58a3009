"""Lookup tables that ImageJ shows an image with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def error_colours() -> NDArray[np.uint8]:
    """Return black over violet and orange to pale yellow, (3, 256), for errors without a sign."""
    return _colours("inferno")


def signed_error_colours() -> NDArray[np.uint8]:
    """Return blue (too much in the image) over white to red (missing in the image), (3, 256)."""
    return _colours("RdBu_r")


def _colours(name: str) -> NDArray[np.uint8]:
    import matplotlib  # 0.1 s, for images with colours only

    return matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3].T.copy()
