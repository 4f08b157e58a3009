"""Losses: prediction and target in, one number to be made small out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]

INTERVAL_LEVEL = 0.9  # share of pixels whose error the half width is to exceed
SMALLEST_ERROR = 1e-3  # of the normalised range; no one asks for better


def seed_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute plus five times mean squared error, as the seed trains.

    Jin et al., Nat. Commun. 11, 1934 (2020), released code.
    """
    error = prediction - target
    return error.abs().mean() + 5 * (error * error).mean()


def relative_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of each image, divided by its target's standard deviation + 0.02.

    So dim and hazy fields count as much as bright ones; 0.02 keeps an empty field (normalised to a
    range of about 1) from dominating.
    """
    error = (prediction - target).abs().flatten(2).mean(2)
    spread = target.flatten(2).std(2, correction=0)
    return (error / (spread + 0.02)).mean()


def relative_l2(prediction: Tensor, target: Tensor) -> Tensor:
    """Root mean square error of each image, divided by its target's standard deviation + 0.02.

    Where light does not suffice to know, absolute errors are least at the median of what may be there, which
    for sparse structures is too dark; squared errors at the mean, which is also what PSNR asks for.
    """
    error = prediction - target
    square = (error * error).flatten(2).mean(2)
    spread = target.flatten(2).std(2, correction=0)
    # the constant keeps the gradient of an error of zero finite
    return ((square + 1e-10).sqrt() / (spread + 0.02)).mean()


def interval_loss(half_width: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """Pinball loss of an interval about the prediction: least when it holds 90 % of what is like it.

    Koenker & Bassett, Econometrica 46, 33 (1978), of the logarithm of the absolute error: a quantile stays
    one under a logarithm, and so the dark parts of a field count as much as the bright ones. The prediction
    gets no gradient from it: the image must not become worse to be told easily.
    """
    error = (prediction - target).detach().abs()
    excess = (error + SMALLEST_ERROR).log() - (half_width + SMALLEST_ERROR).log()
    return (INTERVAL_LEVEL * excess).maximum((INTERVAL_LEVEL - 1) * excess).mean()


def split_output(output: Tensor, images: int) -> tuple[Tensor, Tensor | None]:
    """Split what a network gives into images and, if it tells them, half widths of their intervals."""
    return output[:, :images], output[:, images:] if output.shape[1] == 2 * images else None


_LOSSES: dict[str, Loss] = {"seed": seed_loss, "relative-l1": relative_l1, "relative-l2": relative_l2}


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
