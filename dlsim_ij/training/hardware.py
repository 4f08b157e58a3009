"""On what a run computes, and how precisely: device, threads, number format, and memory that is used up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from dlsim_ij.errors import ConfigError, DlsimError
from dlsim_ij.training.settings import TrainingConfig


def training_device(config: TrainingConfig) -> torch.device:
    """Return the device of the settings; ``auto`` is a GPU if there is one."""
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError(
            "device is cuda, but torch sees no CUDA device", "set device: auto, or see dlsim doctor"
        )
    return torch.device("cuda" if available and config.device != "cpu" else "cpu")


@contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` processor threads, and then as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        exhausted = not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError)
        if not exhausted and "can't allocate memory" not in str(error):
            raise
        raise DlsimError(
            f"memory is used up with batch_size {config.batch_size} and patch_px {config.patch_px}",
            f"set batch_size={max(1, config.batch_size // 2)}, or a smaller patch_px or network",
        ) from error
