"""Where not to trust a network's picture: what it says itself, and what the raw frames say against it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.results import Result

FloatArray = NDArray[np.floating]

LIT = 0.1  # of the range (2 to 99.5 %) above its lower end: what counts as showing something
HALF_WIDTH_SD = 1.645  # half the width of a 90 % interval, in standard deviations of a normal error
_HALF = 0.5  # of a pixel's own light


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt(Result):
    """How much of a picture is in doubt.

    Attributes
    ----------
    percent : float
        Of the lit pixels: doubtful for either reason.
    uncertainty_percent : float
        Mean uncertainty, in percent of the picture's range.
    mask : (Y, X) bool ndarray
        The doubtful pixels, lit or not: where the picture shows light that may not be there, or where the
        raw frames contradict it.
    """

    percent: float
    uncertainty_percent: float
    mask: NDArray[np.bool_] = field(repr=False, compare=False)


def doubtful_pixels(
    image: FloatArray,
    uncertainty: FloatArray,
    *,
    residual: FloatArray | None = None,
    limit: float | None = None,
) -> Doubt:
    """Find the pixels that deserve no trust.

    Parameters
    ----------
    image : (Y, X) ndarray
        The result, in counts above the background.
    uncertainty : (Y, X) ndarray
        Standard deviation of its error, in counts.
    residual : (Y, X) ndarray, optional
        Of the round trip, in units of the expected noise.
    limit : float, optional
        How far chance alone takes the residual.

    Returns
    -------
    Doubt
        A lit pixel is doubtful if half of its light, or more, lies within the 90 % interval's half width; any
        pixel is where the residual exceeds its limit.
    """
    low, high = np.percentile(image, (2.0, 99.5))
    span = max(float(high - low), 1e-30)
    light = image - low
    lit = light > LIT * span
    mask = lit & (HALF_WIDTH_SD * uncertainty > _HALF * light)
    if residual is not None and limit is not None:
        mask |= np.abs(residual) > limit
    return Doubt(
        percent=100 * float(mask[lit].mean()) if lit.any() else 0.0,
        uncertainty_percent=100 * float(uncertainty.mean()) / span,
        mask=mask,
    )
