"""Checks of the options of the SRRF family: one line with the value, the range and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ConfigError


def check_choice(given: str, choices: Iterable[str], what: str) -> None:
    """Refuse a word that is not one of `choices`, with the closest one."""
    if given not in choices:
        raise ConfigError(f"no {what} is called '{given}'", did_you_mean(given, list(choices)))


def check_count(what: str, given: int, lowest: int, highest: int, *, usual: int) -> None:
    """Refuse what is not a whole number from `lowest` to `highest`."""
    if isinstance(given, bool) or given != int(given) or not lowest <= given <= highest:
        raise ConfigError(
            f"{what}: {given} is not a whole number from {lowest} to {highest}", f"{usual} is usual"
        )


def check_number(
    what: str, given: float, lowest: float, highest: float, *, usual: float, unit: str = ""
) -> None:
    """Refuse a number that is not between `lowest` and `highest`."""
    if not (isfinite(given) and lowest <= given <= highest):
        unit = f" {unit}" if unit else ""
        raise ConfigError(
            f"{what}: {given}{unit} is not between {lowest:g} and {highest:g}{unit}", f"{usual:g} is usual"
        )
