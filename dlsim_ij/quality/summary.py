"""Means over images with their confidence intervals, and what two methods differ by on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.results import Result

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval(Result):
    """A mean over images, and where the mean over all images like these is expected."""

    n: int
    mean: float
    sd: float | None  # between images; None for one image
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference(Result):
    """Mean of first minus second over the images that both have."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    n_higher: int  # images on which the first is the higher one


def mean_interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> MeanInterval:
    """Return the mean of `values` with a confidence interval by Student's t.

    Parameters
    ----------
    values : sequence of float
        One per image, finite. Images of one cell, tiles of one field and planes of one stack are not
        independent of each other: the interval is then too short, and one value per cell should be given.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    MeanInterval
        ``mean -+ t s / sqrt(n)``, where s is the standard deviation with n - 1 and t the quantile of
        Student's distribution with n - 1 degrees of freedom. It assumes about normal means; a bootstrap
        would not, but is too short for the few images that one usually has (4 images: it covers about 80 %
        where it says 95 %).

    Raises
    ------
    DataError
        There is no value, or one is not finite.
    ConfigError
        The confidence is not between 0 and 1.

    Examples
    --------
    >>> found = mean_interval([24.0, 25.0, 26.0])
    >>> round(found.mean, 2), round(found.low, 2), round(found.high, 2)
    (25.0, 22.52, 27.48)
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"the confidence is {confidence}", "choose a number between 0 and 1, as 0.95")
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise DataError("a mean needs at least one number, and finite ones", "leave out what is undefined")
    n, mean = len(numbers), float(numbers.mean())
    if n == 1:
        return MeanInterval(n=1, mean=mean, sd=None, low=None, high=None)
    from scipy.special import stdtrit  # scipy.stats would take half a second to import

    sd = float(numbers.std(ddof=1))
    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * sd / n**0.5
    return MeanInterval(n=n, mean=mean, sd=sd, low=mean - reach, high=mean + reach)


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Return by how much `first` exceeds `second` on the same images, with a confidence interval.

    Images differ far more than methods do; the difference on each image takes that out. An interval that
    does not hold 0 speaks for a difference.

    Parameters
    ----------
    first, second : sequence of float
        Of the same images in the same order, finite.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    PairedDifference
        The interval is that of :func:`mean_interval` for the differences.

    Raises
    ------
    DataError
        The two are not equally many, there is no value, or one is not finite.
    ConfigError
        The confidence is not between 0 and 1.

    Examples
    --------
    >>> paired_difference([20.1, 30.1, 25.1], [20.0, 30.0, 25.0]).n_higher
    3
    """
    if len(first) != len(second):
        raise DataError(
            f"{len(first)} and {len(second)} numbers cannot be paired", "give both for the same images"
        )
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    found = mean_interval([float(d) for d in differences], confidence=confidence)
    return PairedDifference(
        n=found.n,
        mean=found.mean,
        sd=found.sd,
        low=found.low,
        high=found.high,
        n_higher=int((differences > 0).sum()),
    )
