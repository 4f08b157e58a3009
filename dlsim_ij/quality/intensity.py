"""Bring two images to one intensity scale before they are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dlsim_ij.quality.inputs import FloatImage, check_pair


def fit_intensity(image: ArrayLike, reference: ArrayLike) -> tuple[float, float]:
    """Find the gain and offset that bring `image` closest to `reference`.

    Least squares over all pixels, with a gain that is not negative: an inverted image must not score as
    a perfect one, so it gets gain 0, the flat image that is then its best.

    Parameters
    ----------
    image, reference : (Y, X) array_like
        Same shape, finite, not constant; any intensity unit.

    Returns
    -------
    gain : float
        In units of `reference` per unit of `image`; 0 when the two are not positively correlated.
    offset : float
        In units of `reference`.

    Raises
    ------
    ImageError
        One of them cannot be measured, or the shapes differ.

    Examples
    --------
    >>> image = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> fit_intensity(image, 4 * image + 10)
    (4.0, 10.0)
    """
    checked_reference, checked_image = check_pair(reference, image)
    return fit_scaled(checked_image, checked_reference)


def fit_scaled(image: FloatImage, reference: FloatImage) -> tuple[float, float]:
    """Return gain and offset as :func:`fit_intensity` does, of images that were checked already."""
    mean = image.mean()
    spread = image - mean
    scale = np.abs(spread).max()  # so that squares neither overflow nor vanish
    spread /= scale
    gain = max(0.0, float(np.vdot(spread, reference) / np.vdot(spread, spread) / scale))
    return gain, float(reference.mean() - gain * mean)


def fitted(image: FloatImage, reference: FloatImage) -> FloatImage:
    """Return ``gain * image + offset`` of :func:`fit_intensity` (both images checked already)."""
    gain, offset = fit_scaled(image, reference)
    return gain * image + offset
