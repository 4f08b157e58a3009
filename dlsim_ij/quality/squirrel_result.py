"""What a comparison of an image with its reference finds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.results import Result

Slices = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What either mode hands back; names and units as in :class:`Squirrel`."""

    rsp: float
    rse: float
    fit_rms: float
    alpha: float
    beta: float
    sigma_px: float
    shift_px: tuple[float, float]
    crop: Slices
    scored_px: int
    signed_map: NDArray[np.float32]
    iterations: int | None = None
    stops_short: bool = False  # compat: the first guess of beta or alpha was negative


@dataclass(frozen=True, kw_only=True)
class Squirrel(Result):
    """Agreement of one image with its reference (:doi:`10.1038/nmeth.4605`).

    The image, times `alpha`, plus `beta`, blurred by a Gaussian of `sigma_px` and shrunk by `magnification`,
    is compared with the reference.
    """

    rsp: float  # Pearson correlation; below 0 where the image is inverted
    rse: float  # root mean square difference, intensity units of the reference
    fit_rms: float  # what the fit minimised; the same as rse in the mode exact
    alpha: float  # reference units per image unit
    beta: float  # reference units
    sigma_px: float  # reference pixels
    sigma_um: float | None  # None: the pixel size is not known
    shift_px: tuple[float, float]  # y, x; image (SR) pixels, the way the image was moved: down, right
    mode: str
    magnification: int
    scored_px: int  # reference pixels that were compared
    crop: tuple[int, int, int, int]  # first row, row after the last, first column, column after the last
    iterations: int | None  # of the swarm; None in the mode exact
    warnings: tuple[str, ...]
    signed_map: NDArray[np.float32] = field(repr=False, compare=False)
    """(Y, X) like the image: reference minus blurred image (missing is positive); NaN where not scored."""

    @property
    def error_map(self) -> NDArray[np.float32]:
        """(Y, X) like the image: absolute difference in reference units.

        In the mode exact its root mean square is `rse`.
        """
        return np.abs(self.signed_map)
