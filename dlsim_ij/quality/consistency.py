"""Whether a super-resolved image still shows what the wide-field image shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dlsim_ij.quality.inputs import check_pair

FloatArray = NDArray[np.floating]


def correlation_with_widefield(widefield: FloatArray, image: FloatArray, *, sigma_px: float) -> float:
    """Correlate an image, blurred to the wide-field resolution, with the wide-field image.

    Parameters
    ----------
    widefield, image : (Y, X) ndarray
        On the same grid.
    sigma_px : float
        Gaussian that stands for the microscope's blur: about 0.21 wavelengths / NA (Zhang et al. 2007,
        doi 10.1364/AO.46.001819), in pixels of the images.

    Returns
    -------
    float
        Pearson's correlation, -1 to 1; 0 when one of the two is constant.

    Raises
    ------
    ImageError
        The sizes differ, or an image is unusable.

    Notes
    -----
    A plain check without a fit, so it also falls when out-of-focus light was removed. The fitted measure,
    RSP, is another thing.
    """
    check_pair(widefield, image)
    blurred = ndimage.gaussian_filter(np.asarray(image, dtype=np.float64), sigma_px, mode="nearest")
    a = blurred - blurred.mean()
    b = np.asarray(widefield, dtype=np.float64) - np.mean(widefield, dtype=np.float64)
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / norm) if norm > 0 else 0.0
