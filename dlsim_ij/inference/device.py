"""Where a network runs."""

from __future__ import annotations

import torch

from dlsim_ij.errors import ModelError


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; ``auto`` is a CUDA GPU if there is one, else the processor.

    Raises
    ------
    ModelError
        The name is unknown, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda" and torch.cuda.is_available():
        return torch.device("cuda")
    raise ModelError(f"there is no device '{name}' here", "choose auto, cpu or (with an NVIDIA GPU) cuda")
