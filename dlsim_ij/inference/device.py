"""Where a network runs, on how many threads, and how precisely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` processor threads, and then as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def exact_inference(device: torch.device) -> Iterator[None]:
    """Run without gradients, in full float32, and turn a lack of memory into advice.

    GPUs round the factors of a convolution to 10 bits by default (TF32); a tile would then differ from the
    whole field, and a GPU from a processor, by more than the noise of a bright image.

    Raises
    ------
    ModelError
        The memory does not suffice.
    """
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        try:
            yield
        except RuntimeError as error:  # a GPU's is a class of its own below it, the processor's is not
            if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
                raise ModelError(
                    f"the memory of the device '{device}' does not suffice for the field",
                    "run the network on tiles, for example --tile-px 256",
                ) from error
            raise
