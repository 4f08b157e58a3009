"""How precisely a network runs, and what is said when memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dlsim_ij.errors import ModelError
from dlsim_ij.torch_device import is_out_of_memory


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
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise ModelError(
                    f"the memory of the device '{device}' does not suffice for the field",
                    "run the network on tiles, for example --tile-px 256",
                ) from error
            raise
