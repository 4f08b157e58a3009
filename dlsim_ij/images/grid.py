"""An image on the pixels of another grid, of which it knows origin and step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.errors import ImageError


def resample_to_grid(
    image: NDArray[Any],
    *,
    image_origin_px: tuple[float, float],
    image_step_px: float,
    shape: tuple[int, int],
) -> NDArray[Any]:
    """Sample an image at the pixels of another grid.

    Parameters
    ----------
    image : (Y, X) ndarray
        Finite.
    image_origin_px : (float, float)
        Coordinate (y, x) of the centre of the image's first pixel on the other grid.
    image_step_px : float
        Distance between pixels of the image, in pixels of the other grid. Nothing is averaged when it
        is below 1.
    shape : (int, int)
        Height and width of the other grid.

    Returns
    -------
    (height, width) ndarray
        float32, or float64 for such an image. A mere copy of pixels where the two grids coincide, quintic
        splines in between. Beyond the image its outermost pixels are repeated, for two of its pixels at most.

    Raises
    ------
    ImageError
        The image does not cover the grid.
    """
    image = np.asarray(image)
    kind = np.float64 if image.dtype == np.float64 else np.float32
    positions = [
        (np.arange(size) - origin) / image_step_px
        for size, origin in zip(shape, image_origin_px, strict=True)
    ]
    for position, size, axis in zip(positions, image.shape, "YX", strict=True):
        beyond = max(-position[0], position[-1] - (size - 1))
        if beyond > 2:
            raise ImageError(
                f"the image ends {beyond:.1f} of its pixels before the grid does, along {axis}",
                "are origin and step those of this image?",
            )
    if all((position == np.rint(position)).all() for position in positions):
        y, x = (
            np.clip(position.astype(np.int64), 0, size - 1)
            for position, size in zip(positions, image.shape, strict=True)
        )
        return image[np.ix_(y, x)].astype(kind)
    sampled: NDArray[Any] = ndimage.affine_transform(
        image.astype(np.float64), np.full(2, 1 / image_step_px), [position[0] for position in positions],
        output_shape=shape, order=5, mode="nearest",
    )  # fmt: skip
    return sampled.astype(kind)
