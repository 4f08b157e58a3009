"""How much memory a run will need, told before it starts, and how much there is.

Counted are: weights, gradients, moments of the optimiser and the average of the weights (all as large as
the weights), what autograd keeps of a forward pass, the largest tensors in flight, the batch, and the
data that the source holds in memory. What autograd keeps is measured on small batches of small patches
with the real network: it grows in proportion to samples and pixels.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlsim_ij.datasets.footprint import data_bytes
from dlsim_ij.datasets.source import SampleSource
from dlsim_ij.errors import DlsimError
from dlsim_ij.memory import free_main_bytes, size
from dlsim_ij.results import Result
from dlsim_ij.training.hardware import precision
from dlsim_ij.training.settings import TrainingConfig

logger = logging.getLogger(__name__)

_PROBE_PX = 64  # patches as small as this are measured, larger ones follow by their area
# Measured peaks (benchmarks/training_overheads.py) are this much above the sum of all that is counted:
# gradients and reordered copies of a layer while it runs, as multiples of the largest tensor that autograd
# keeps; and, on the processor, the kernels of torch and their buffers.
_IN_FLIGHT = 5.0
_KERNELS_BYTES = 100 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate(Result):
    """Memory that a run needs, in bytes.

    Attributes
    ----------
    weights_bytes, step_bytes : int
        Weights with gradients, moments and average; and what one step adds to them. On the device.
    data_bytes : int
        Data that the source keeps in main memory for the whole run.
    free_bytes : int or None
        Free on the device; None if the system does not tell.
    free_main_bytes : int or None
        Free in main memory; the same number where the device is the processor.
    device : str
        ``cpu`` or ``cuda``.
    """

    weights_bytes: int
    step_bytes: int
    data_bytes: int
    free_bytes: int | None
    free_main_bytes: int | None
    device: str

    @property
    def needed(self) -> list[tuple[int, int | None, str]]:
        """(needed, free, where) of every memory that is used."""
        step = self.weights_bytes + self.step_bytes
        if self.device == "cpu":
            return [(step + self.data_bytes, self.free_main_bytes, "main memory")]
        return [
            (step, self.free_bytes, "GPU memory"),
            (self.data_bytes, self.free_main_bytes, "main memory"),
        ]

    def __str__(self) -> str:
        parts = [
            f"about {size(need)}" + (f" of {size(free)} free" if free is not None else "") + f" {where}"
            for need, free, where in self.needed
            if need
        ]
        held = f", {size(self.data_bytes)} of it data" if self.device == "cpu" and self.data_bytes else ""
        return " and ".join(parts) + held


def estimate_memory(
    config: TrainingConfig, network: nn.Module, device: torch.device, source: SampleSource | None = None
) -> MemoryEstimate:
    """Estimate what a run will need; `source` is given if the data are there already.

    Parameters
    ----------
    config : TrainingConfig
        Batch, patch, precision, optimiser, and data that are still to be made.
    network : torch.nn.Module
        On the processor; it is left as it is.
    device : torch.device
        Where the run will compute.
    source : SampleSource, optional
        Its memory is in use already and is not counted. Its `patch_px`, if it has one, wins over the
        configuration's.
    """
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    copies = 4 + (config.ema_decay is not None)  # weights, gradients, two moments
    multiple = int(getattr(network, "side_multiple", 1))
    side = _up(int(getattr(source, "patch_px", None) or config.patch_px), multiple)
    fixed, per_sample, largest = _kept_by_autograd(config, network, side, min(side, _up(_PROBE_PX, multiple)))
    scale, outputs = int(getattr(network, "scale", 1)), int(getattr(network, "out_channels", 1))
    batch = 4 * side * side * (int(getattr(network, "in_channels", 1)) + outputs * scale**2)
    step = _KERNELS_BYTES + fixed + config.batch_size * (per_sample + 2 * batch + _IN_FLIGHT * largest)
    held = 0
    if source is None and config.data is not None:
        held = data_bytes(config.data.kind, config.data.options)
    main = free_main_bytes()
    return MemoryEstimate(
        weights_bytes=copies * weights,
        step_bytes=int(step),
        data_bytes=held,
        free_bytes=main if device.type == "cpu" else torch.cuda.mem_get_info(device)[0],
        free_main_bytes=main,
        device=device.type,
    )


def check_memory(
    config: TrainingConfig,
    network: nn.Module,
    device: torch.device,
    source: SampleSource | None,
    report: Callable[[MemoryEstimate], None] | None = None,
) -> None:
    """Estimate, report, and refuse a run that will not fit into the memory that is free.

    Raises
    ------
    DlsimError
        More is needed than there is, and `check_memory` is on; the hint names the setting that takes most
        of it.
    """
    estimate = estimate_memory(config, network, device, source)
    logger.info("memory: %s", estimate)
    if report is not None:
        report(estimate)
    for need, free, where in estimate.needed:
        if free is None or need <= free:
            continue
        words = f"the run needs about {size(need)} of {where}, {size(free)} are free"
        if config.check_memory:
            raise DlsimError(
                words, f"{_what_to_lower(estimate, config)}; check_memory=false starts all the same"
            )
        logger.warning("%s", words)


def _what_to_lower(estimate: MemoryEstimate, config: TrainingConfig) -> str:
    if estimate.data_bytes > estimate.step_bytes:
        return "lower data.options.fields or field_px"
    if config.batch_size > 1:
        return f"set batch_size={config.batch_size // 2}, or a smaller patch_px or network"
    return "set a smaller patch_px or network"


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _kept_by_autograd(
    config: TrainingConfig, network: nn.Module, side: int, probe_px: int
) -> tuple[float, float, float]:
    """Return bytes kept of every pass, per sample, and of the largest tensor per sample."""
    probe = copy.deepcopy(network)  # BatchNorm's statistics move in a forward pass
    with torch.random.fork_rng(devices=[]):
        # two and three: BatchNorm wants more than one value per channel
        (small, _), (large, largest) = (_saved(config, probe, count, probe_px) for count in (2, 3))
    area = (side / probe_px) ** 2
    per_sample = large - small
    return max(0.0, small - 2 * per_sample), per_sample * area, largest / 3 * area


def _saved(config: TrainingConfig, network: nn.Module, count: int, side: int) -> tuple[int, int]:
    """Return bytes of all tensors that autograd keeps of one pass, and of the largest of them."""
    own = {t.untyped_storage().data_ptr() for t in [*network.parameters(), *network.buffers()]}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()

    network.train()
    inputs = torch.zeros(count, int(getattr(network, "in_channels", 1)), side, side)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with precision(config, torch.device("cpu")):
            predicted = network(inputs)
        loss = predicted.float().square().mean()  # stands for any loss: keeps what it is given
    del loss
    return sum(kept.values()), max(kept.values(), default=0)
