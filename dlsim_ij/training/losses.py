"""Losses: prediction and target in, one number to be made small out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]


def seed_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute plus five times mean squared error, as the seed trains.

    Jin et al., Nat. Commun. 11, 1934 (2020), released code.
    """
    error = prediction - target
    return error.abs().mean() + 5 * (error * error).mean()


def relative_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of each sample, divided by its target's standard deviation + 0.02.

    So dim and hazy fields count as much as bright ones; 0.02 keeps an empty field (normalised to a
    range of about 1) from dominating.
    """
    error = (prediction - target).abs().flatten(1).mean(1)
    spread = target.flatten(1).std(1, correction=0)
    return (error / (spread + 0.02)).mean()


_LOSSES: dict[str, Loss] = {"seed": seed_loss, "relative-l1": relative_l1}


def loss_names() -> list[str]:
    """Return the names that :func:`get_loss` knows."""
    return list(_LOSSES)


def get_loss(name: str) -> Loss:
    """Return the loss of that name.

    Raises
    ------
    ConfigError
        No loss has that name.
    """
    if name not in _LOSSES:
        raise ConfigError(f"no loss is called '{name}'", did_you_mean(name, _LOSSES))
    return _LOSSES[name]
