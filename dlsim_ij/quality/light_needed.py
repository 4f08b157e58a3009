"""How little light is enough: where a curve of quality against light falls below a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Literal

from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.results import Result

Status = Literal["crossed", "everywhere", "nowhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LightNeeded(Result):
    """The smallest share of the light at which a target is still reached.

    Attributes
    ----------
    fraction : float or None
        Of the full light. With "everywhere" the dimmest level that was tried; the true one may be lower.
    status : {"crossed", "everywhere", "nowhere"}
        The curve falls below the target between two levels; at none of them; or is below it at the
        brightest.
    target : float
    """

    fraction: float | None
    status: Status
    target: float


def light_needed(fractions: Sequence[float], scores: Sequence[float], target: float) -> LightNeeded:
    """Read from a curve how little light still reaches a target.

    Parameters
    ----------
    fractions : sequence of float
        Shares of the light, above 0, in any order.
    scores : sequence of float
        Quality at each, higher is better.
    target : float

    Returns
    -------
    LightNeeded
        The curve is followed from the brightest level down to its first step below the target, and read there
        by a straight line over the logarithm of the light: a later rise, as of noise, does not count.

    Raises
    ------
    DataError
        There is no level, or the numbers do not pair or are not finite.
    ConfigError
        The target is not finite.

    Examples
    --------
    >>> light_needed([1, 0.1, 0.01], [30.0, 28.0, 24.0], 26.0).fraction
    0.0316...
    >>> light_needed([1, 0.1, 0.01], [30.0, 28.0, 24.0], 20.0).status
    'everywhere'
    """
    if not isfinite(target):
        raise ConfigError(f"a target of {target}", "give a finite number")
    if not fractions or len(fractions) != len(scores):
        raise DataError(f"{len(fractions)} levels with {len(scores)} scores", "give one score per level")
    if not all(isfinite(f) and f > 0 and isfinite(s) for f, s in zip(fractions, scores, strict=True)):
        raise DataError("a level or a score is not a finite number", "leave out what could not be measured")
    falling = sorted(zip(fractions, scores, strict=True), reverse=True)
    (last, above), *rest = falling
    if above < target:
        return LightNeeded(fraction=None, status="nowhere", target=target)
    for fraction, score in rest:
        if score < target:
            share = (above - target) / (above - score)
            crossing = exp(log(last) + share * (log(fraction) - log(last)))
            return LightNeeded(fraction=crossing, status="crossed", target=target)
        last, above = fraction, score
    return LightNeeded(fraction=last, status="everywhere", target=target)
