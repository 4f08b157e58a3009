"""How long a training step takes here, and how many fit into the time that is left."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch

from dlsim_ij.datasets.source import SampleSource
from dlsim_ij.networks.registry import create_network
from dlsim_ij.torch_device import choose_device, limited_threads
from dlsim_ij.training.hardware import precision
from dlsim_ij.training.losses import get_loss
from dlsim_ij.training.objective import objective
from dlsim_ij.training.optimiser import make_optimiser
from dlsim_ij.training.settings import TrainingConfig

_WARM_UP, _TIMED = 2, 5


def fastest_precision(config: TrainingConfig, source: SampleSource) -> tuple[TrainingConfig, float]:
    """Return the configuration with the faster precision of this machine, and the seconds of a step.

    bfloat16 halves the time where the processor knows it, and multiplies it where it does not.
    """
    tried = [config.model_copy(update={"precision": name}) for name in ("bfloat16", "float32")]
    paced = [(one, seconds_per_step(one, source)) for one in tried]
    return min(paced, key=lambda pair: pair[1])


def seconds_per_step(config: TrainingConfig, source: SampleSource) -> float:
    """Measure a few training steps of a network that is thrown away."""
    device = choose_device(config.device)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    loss, seconds = get_loss(config.loss), []
    with limited_threads(config.threads), torch.random.fork_rng(devices=[]):
        network = create_network(config.network.name, **config.network.options)
        network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        optimiser = make_optimiser(config, network)
        for number in range(_WARM_UP + _TIMED):
            start = time.perf_counter()
            rng = np.random.default_rng(number)
            inputs, targets = source.batch(rng.integers(0, len(source), config.batch_size), rng)
            with precision(config, device):
                output = network(inputs.to(device, memory_format=layout))
            error = objective(output.float(), targets.to(device), config, loss)
            error.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return median(seconds[_WARM_UP:])
