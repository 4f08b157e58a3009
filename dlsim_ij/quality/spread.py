"""How far numbers of the same kind lie apart: mean, standard deviation, median, MAD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlsim_ij.results import Result

SpreadSource = Literal["planes", "thinnings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Result):
    """Summary of several resolutions, in the unit of the values given.

    Attributes
    ----------
    source : {"planes", "thinnings"}
        Planes of a stack: repeats under other noise, and other structure where it moves. Thinnings: the
        same photons dealt out again, so an estimate of what other noise would do (see
        :func:`~dlsim_ij.quality.resolution.image_resolution`).
    n, n_failed : int
        Values that are there, and those that are not (no peak).
    mean, sd, median, mad : float or None
        Over the n values. `sd` has n - 1 below it; `mad` is the median distance from the median times
        1.4826, which is the standard deviation of normal values. None where n is too small.
    """

    source: SpreadSource
    unit: Literal["px", "nm"]
    n: int
    n_failed: int
    mean: float | None
    sd: float | None
    median: float | None
    mad: float | None


def summarise(
    values: Iterable[float | None], unit: Literal["px", "nm"], source: SpreadSource = "planes"
) -> Spread:
    """Summarise resolutions; None stands for a plane without one.

    Examples
    --------
    >>> spread = summarise([170, 172, None, 180], "nm")
    >>> spread.n, spread.n_failed, spread.mean, spread.median
    (3, 1, 174.0, 172.0)
    """
    given = list(values)
    there = np.array([value for value in given if value is not None], np.float64)
    n = len(there)
    median = float(np.median(there)) if n else None
    return Spread(
        source=source,
        unit=unit,
        n=n,
        n_failed=len(given) - n,
        mean=float(there.mean()) if n else None,
        sd=float(there.std(ddof=1)) if n > 1 else None,
        median=median,
        mad=1.4826 * float(np.median(np.abs(there - median))) if median is not None and n > 1 else None,
    )
