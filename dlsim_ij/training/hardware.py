"""How precisely a run computes, and what is said when memory is used up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from dlsim_ij.errors import DlsimError
from dlsim_ij.torch_device import is_out_of_memory
from dlsim_ij.training.settings import TrainingConfig


def precision(config: TrainingConfig, device: torch.device) -> Any:
    """Return the context in which the network computes."""
    if config.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextmanager
def memory_advice(config: TrainingConfig) -> Iterator[None]:
    """Turn a lack of memory into advice."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DlsimError(
            f"memory is used up with batch_size {config.batch_size} and patch_px {config.patch_px}",
            f"set batch_size={max(1, config.batch_size // 2)}, or a smaller patch_px or network",
        ) from error
