"""What a step makes small: the loss of the images, of their intervals, or of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.training.losses import Loss, interval_loss, split_output

if TYPE_CHECKING:
    from torch import Tensor

    from dlsim_ij.training.settings import TrainingConfig


def objective(output: Tensor, targets: Tensor, config: TrainingConfig, loss: Loss) -> Tensor:
    """Return the loss of a network's whole output.

    Parameters
    ----------
    output : (B, K or 2 K, Y, X) tensor
        Images and, if the network tells them, the half widths of their intervals.
    targets : (B, K, Y, X) tensor
    config : TrainingConfig
        `train` and `interval_weight` count.
    loss : callable
        Of the images.

    Raises
    ------
    DataError
        Output and targets have different shapes.
    ConfigError
        The intervals are to be trained, and there are none.
    """
    images, half_widths = split_output(output, targets.shape[1])
    if images.shape != targets.shape:
        raise DataError(
            f"the network gives {tuple(output.shape)} where the target has {tuple(targets.shape)}",
            "do scale and channels of data and network fit each other?",
        )
    if half_widths is None:
        if config.train == "interval":
            raise ConfigError("the network tells no intervals to be trained", "set train to 'all'")
        return loss(images, targets)
    of_intervals = interval_loss(half_widths, images, targets)
    if config.train == "interval":
        return of_intervals
    return loss(images, targets) + config.interval_weight * of_intervals


def validation_loss(output: Tensor, targets: Tensor, config: TrainingConfig, loss: Loss) -> Tensor:
    """Return what tells good weights from better ones: the loss of what is trained, images first."""
    images, half_widths = split_output(output, targets.shape[1])
    if config.train == "interval" and half_widths is not None:
        return interval_loss(half_widths, images, targets)
    return loss(images, targets)
