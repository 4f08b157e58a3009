"""The running average of the weights, smoother than any single step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average of the parameters of a network.

    The decay starts low and grows to `decay`, min(decay, (1 + n) / (10 + n)) after n steps, so that
    the first, random weights are forgotten in short runs as well. Buffers (BatchNorm's statistics
    are averages already) stay the network's own.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay = network, decay
        self.averages = {name: p.detach().clone() for name, p in network.named_parameters()}

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        """Take the present weights in; `steps_done` counts this step."""
        decay = min(self.decay, (1 + steps_done) / (10 + steps_done))
        current = [p.detach() for p in self.network.parameters()]
        torch._foreach_lerp_(list(self.averages.values()), current, 1 - decay)

    @torch.no_grad()
    def load(self, averages: Mapping[str, Tensor]) -> None:
        """Take averages from a checkpoint."""
        for name, tensor in self.averages.items():
            tensor.copy_(averages[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Lend the averages to the network while the context lasts."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.network.named_parameters():
            own = parameter.detach().clone()
            parameter.copy_(self.averages[name])
            self.averages[name].copy_(own)
