"""How good the network is now, on samples that training never sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log10
from statistics import fmean
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dlsim_ij.networks.blocks import BatchNormMode, set_batchnorm_mode
from dlsim_ij.results import Result
from dlsim_ij.training.losses import Loss, split_output

if TYPE_CHECKING:
    from dlsim_ij.datasets.source import SampleSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation(Result):
    """Means over the validation samples."""

    loss: float  # of the images, or of the intervals if they alone are trained
    psnr_db: float  # of normalised images, in the target's own range, nothing fitted; several: their mean
    samples: int
    groups: dict[str, dict[str, float]] = field(default_factory=dict)  # the same per group
    within: float | None = None  # fraction of pixels whose error the network's interval holds


@torch.no_grad()
def validate(
    network: nn.Module, source: SampleSource, loss: Loss, *, device: torch.device, batchnorm: BatchNormMode
) -> Validation | None:
    """Measure `network` on every validation sample, in float32.

    `loss` is called with the whole output and the targets of one sample.

    Returns
    -------
    Validation or None
        None if the source has no validation samples.
    """
    was_training = network.training
    network.eval()
    set_batchnorm_mode(network, batchnorm)
    rows: list[tuple[str, dict[str, float]]] = []
    try:
        for inputs, targets, group in source.validation():
            wanted = targets.to(device)
            output = network(inputs.to(device)).float()
            images, half_widths = split_output(output, wanted.shape[1])
            for number, truth in enumerate(wanted):
                row = {
                    "loss": float(loss(output[number, None], truth[None])),
                    "psnr_db": fmean(psnr_db(*pair) for pair in zip(images[number], truth, strict=True)),
                }
                if half_widths is not None:
                    inside = (images[number] - truth).abs() <= half_widths[number]
                    row["within"] = float(inside.float().mean())
                rows.append((group, row))
    finally:
        set_batchnorm_mode(network, "running")
        network.train(was_training)
    if not rows:
        return None
    groups = {
        name: _means([row for group, row in rows if group == name])
        for name in dict.fromkeys(r[0] for r in rows)
    }
    return Validation(**_means([row for _, row in rows]), samples=len(rows), groups=groups)


def psnr_db(image: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio: 10 log10(range of `truth` squared / mean squared error).

    Both terms are kept above 1e-20, so a perfect or a constant image gives a finite number.

    Examples
    --------
    >>> round(psnr_db(torch.tensor([0.1, 0.9]), torch.tensor([0.0, 1.0])), 3)
    20.0
    """
    span = float(truth.max() - truth.min())
    error = float(((image - truth) ** 2).mean())
    return 10 * log10(max(span * span, 1e-20) / max(error, 1e-20))


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: fmean(row[name] for row in rows) for name in rows[0]}
