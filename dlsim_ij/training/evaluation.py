"""Predictions of the present weights as the finished model would make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dlsim_ij.networks.blocks import BatchNormMode, set_batchnorm_mode


@contextmanager
def evaluating(network: nn.Module, batchnorm: BatchNormMode) -> Iterator[None]:
    """Put a network into evaluation while the context lasts, without gradients."""
    was_training = network.training
    network.eval()
    set_batchnorm_mode(network, batchnorm)
    try:
        with torch.no_grad():
            yield
    finally:
        set_batchnorm_mode(network, "running")
        network.train(was_training)
