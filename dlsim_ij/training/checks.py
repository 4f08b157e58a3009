"""Whether network, data and settings fit each other, told before the first step."""

from __future__ import annotations

from torch import nn

from dlsim_ij.datasets.source import SampleSource
from dlsim_ij.errors import ConfigError, DataError, ModelError


def check_patch(network: nn.Module, patch_px: int) -> None:
    """Refuse patches that the network cannot halve as often as it must."""
    multiple = int(getattr(network, "side_multiple", 1))
    if patch_px % multiple:
        raise ConfigError(
            f"patch_px is {patch_px}, but the network needs multiples of {multiple}",
            f"set patch_px={max(1, patch_px // multiple) * multiple}",
        )


def check_fit(network: nn.Module, source: SampleSource) -> None:
    """Refuse data without samples, or with channels or a scale that are not the network's."""
    if len(source) < 1:
        raise DataError("the data hold no training sample", "check the data settings")
    for name in ("in_channels", "out_channels", "scale"):
        wanted, given = getattr(network, name, 1), getattr(source, name, 1)
        if name == "out_channels":  # the half widths of a network have no target of their own
            wanted = getattr(network, "images", wanted)
        if wanted != given:
            raise ModelError(
                f"the network has {name} {wanted}, the data have {given}",
                f"set network.options.{name} to {given}, take a network that has it (network.name), or "
                "change data.options",
            )
