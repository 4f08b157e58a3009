"""The names under which networks are made; naming one imports no torch, making one does."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlsim_ij.config import did_you_mean
from dlsim_ij.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class _Entry:
    module: str
    class_name: str
    options: dict[str, Any] = field(default_factory=dict)


_NETWORKS = {
    "unet-sim15": _Entry("unet", "UNet", {"in_channels": 15}),
    "unet-sim3": _Entry("unet", "UNet", {"in_channels": 3}),
    "unet-sim4": _Entry("unet", "UNet", {"in_channels": 4}),
    "unet-snr": _Entry("unet", "UNet", {"in_channels": 15, "out_channels": 15}),
    "unet-srrf5": _Entry("unet", "UNet", {"in_channels": 5}),
    "scunet": _Entry("scunet", "ScUNet", {"in_channels": 15}),
    "native": _Entry("native", "NativeUNet"),
}


def network_names() -> list[str]:
    """Return the names that :func:`create_network` knows."""
    return list(_NETWORKS)


def create_network(name: str, **options: Any) -> nn.Module:
    """Make a network with fresh weights.

    Parameters
    ----------
    name : str
        ``unet-sim15``, ``unet-sim3``, ``unet-sim4``, ``unet-snr``, ``unet-srrf5``, ``scunet`` (the
        seed's, :doi:`10.1038/s41467-020-15784-x`) or ``native`` (our own, on native pixels).
    **options
        Options of that network, for example ``width=32``; they win over the name's own.

    Returns
    -------
    torch.nn.Module
        In training mode, float32, on the default device, with the attributes `in_channels`,
        `scale` (side of the output over side of the input) and `side_multiple`.

    Raises
    ------
    ModelError
        The name or an option is unknown, or an option has an impossible value.

    Examples
    --------
    >>> network = create_network("unet-sim15", width=4)
    >>> network.in_channels, network.scale
    (15, 1)
    """
    entry = _NETWORKS.get(name)
    if entry is None:
        raise ModelError(f"no network is called '{name}'", did_you_mean(name, _NETWORKS))
    network_class = getattr(importlib.import_module(f"dlsim_ij.networks.{entry.module}"), entry.class_name)
    known = list(inspect.signature(network_class).parameters)
    for option in options:
        if option not in known:
            raise ModelError(f"the network '{name}' has no option '{option}'", did_you_mean(option, known))
    settings = {**entry.options, **options}
    try:
        network: nn.Module = network_class(**settings)
    except (TypeError, ValueError, RuntimeError) as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        raise ModelError(
            f"the network '{name}' cannot be made with {shown}: {error}", "check the options"
        ) from error
    return network
