"""How precisely a run computes, and what is said when memory is used up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.torch_device import is_out_of_memory
from dlsim_ij.training.settings import TrainingConfig


def precision(config: TrainingConfig, device: torch.device) -> Any:
    """Return the context in which the network computes."""
    if config.precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def check_precision(config: TrainingConfig, device: torch.device) -> None:
    """Refuse bfloat16 on a GPU that would only emulate it, slower than float32."""
    if config.precision != "bfloat16" or device.type != "cuda":
        return
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError(
            f"{torch.cuda.get_device_name(device)} does not compute in bfloat16", "set precision=float32"
        )


def to_device(
    tensor: Tensor, device: torch.device, layout: torch.memory_format = torch.preserve_format
) -> Tensor:
    """Send a batch to where the run computes; Python goes on while it travels to a GPU."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # only from pinned memory the copy is asynchronous
    return tensor.to(device, memory_format=layout, non_blocking=True)


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
