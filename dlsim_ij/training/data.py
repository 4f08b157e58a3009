"""The samples of a run, made only after it is clear that there is memory for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from dlsim_ij.datasets.source import SampleSource, close_source, make_source
from dlsim_ij.errors import ConfigError
from dlsim_ij.training.checks import check_fit, check_patch
from dlsim_ij.training.memory import MemoryEstimate, check_memory
from dlsim_ij.training.settings import TrainingConfig


def ready_data(
    config: TrainingConfig,
    network: nn.Module,
    device: torch.device,
    data: SampleSource | None,
    on_estimate: Callable[[MemoryEstimate], None] | None,
) -> SampleSource:
    """Return `data`, or the source that the configuration describes, checked against the network.

    Raises
    ------
    ConfigError, DataError, ModelError
        There are no data, or they and the network do not fit each other.
    DlsimError
        The run will not fit into memory.
    """
    described = config.data
    if data is None:
        if described is None:
            raise ConfigError("the configuration names no data", "set data.kind")
        check_patch(network, config.patch_px)
    check_memory(config, network, device, data, on_estimate)
    if data is None:
        assert described is not None
        data = make_source(described.kind, described.options, patch_px=config.patch_px, seed=config.seed)
        try:
            check_fit(network, data)
        except BaseException:
            close_source(data)  # its worker processes would stay
            raise
        return data
    check_fit(network, data)
    return data
