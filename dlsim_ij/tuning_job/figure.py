"""The images of one stack before and after tuning, and what they differ by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from dlsim_ij.files import atomic_path

_SIDE_PX = 256
_MARGIN_PX = 16


def draw_proof(
    path: Path, before: Mapping[str, NDArray[np.float32]], after: Mapping[str, NDArray[np.float32]]
) -> None:
    """Draw a detail of each image: before, after, after minus before.

    Parameters
    ----------
    path : Path
        PNG, replaced if it exists.
    before, after : mapping
        (2Y, 2X) images by target, of the same stack.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.2 * len(before)), layout="constrained")
    axes = figure.subplots(len(before), 3, squeeze=False)
    place = _brightest(next(iter(before.values())))
    for row, name in zip(axes, before, strict=True):
        old, new = before[name][place], after[name][place]
        low, high = np.percentile(old, (1, 99.7))
        reach = float(np.percentile(np.abs(new - old), 99.5)) or 1.0
        for panel, image, title in zip(row, (old, new), ("before", "after"), strict=False):
            panel.imshow(image, cmap="gray", vmin=low, vmax=high)
            panel.set_title(f"{name}, {title}")
        shown = row[2].imshow(new - old, cmap="RdBu_r", vmin=-reach, vmax=reach)
        row[2].set_title("after - before, counts")
        figure.colorbar(shown, ax=row[2], shrink=0.8)
        for panel in row:
            panel.set(xticks=[], yticks=[])
    with atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=120)


def _brightest(image: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return the square of the image with most light, off its border."""
    sides = [min(_SIDE_PX, n) for n in image.shape]
    light = scipy.ndimage.uniform_filter(image, sides)
    reach = [
        (min(_MARGIN_PX, (n - side) // 2), max(n - side - _MARGIN_PX, (n - side) // 2))
        for n, side in zip(image.shape, sides, strict=True)
    ]
    (low_y, high_y), (low_x, high_x) = reach
    centres = light[
        low_y + sides[0] // 2 : high_y + sides[0] // 2 + 1, low_x + sides[1] // 2 : high_x + sides[1] // 2 + 1
    ]
    at = np.unravel_index(int(np.argmax(centres)), centres.shape)
    starts = [int(at[0]) + low_y, int(at[1]) + low_x]
    return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])
