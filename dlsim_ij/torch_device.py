"""Where torch computes: the device, the threads, and whether memory was used up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dlsim_ij.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; ``auto`` is a CUDA GPU if there is one, else the processor.

    Raises
    ------
    ConfigError
        The name is unknown, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu" or (name == "cuda" and torch.cuda.is_available()):
        return torch.device(name)
    raise ConfigError(f"there is no device '{name}' here", "choose auto, cpu or (with an NVIDIA GPU) cuda")


@contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` processor threads, and then as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, or of Python, says that memory is used up."""
    # a GPU's error is a class of its own, the processor's is told by its words
    words = ("DefaultCPUAllocator", "can't allocate memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )
