"""How much main memory a source of samples will hold, told from its settings before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dlsim_ij.config import make_settings

if TYPE_CHECKING:
    from dlsim_ij.datasets.simulated import FieldOptions


def data_bytes(kind: str, options: Mapping[str, Any]) -> int:
    """Return the bytes that the data of a configuration will keep in memory.

    Parameters
    ----------
    kind : {"simulated", "like", "prepared", "mixed"}
        As for `source.make_source`.
    options : mapping
        Settings of that kind.

    Returns
    -------
    int
        0 for prepared data: they are mapped from disk, so the system may drop their pages at any time.

    Raises
    ------
    ConfigError
        An option is unknown or out of range.
    """
    if kind == "simulated":
        from dlsim_ij.datasets.simulated import SimulatedOptions

        return _pool_bytes(make_settings(SimulatedOptions, options, where="data"))
    if kind == "like":
        from dlsim_ij.datasets.like import LikeOptions

        return _pool_bytes(make_settings(LikeOptions, options, where="data"))
    if kind == "mixed":
        from dlsim_ij.datasets.mixed import MixedOptions

        parts = make_settings(MixedOptions, options, where="data").sources
        return sum(data_bytes(part.kind, part.options) for part in parts)
    return 0


def _pool_bytes(settings: FieldOptions) -> int:
    """Return the size of the simulator's pool: float16 channels, and targets of twice the side."""
    from dlsim_ij.datasets.inputs import input_kind
    from dlsim_ij.datasets.simulated import SimulatedPairs

    per_pixel = input_kind(settings.inputs).channels + len(settings.targets) * SimulatedPairs.scale**2
    per_field = 2 * per_pixel * settings.field_px**2
    return settings.fields * len(settings.photons) * per_field
